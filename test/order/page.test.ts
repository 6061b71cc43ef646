// Pages of dedupe keys: every key that went in is found at its place, no other one is, and the filter
// spares nearly all reads for new keys.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyTable } from '../../src/order/key-table.ts';
import {
  blockOf,
  buildPage,
  findInBlock,
  identityOfBytes,
  identityOfText,
  type KeyPlace,
  mayContain,
  type Page,
} from '../../src/order/page.ts';
import { hashKey } from './fixture.ts';

const recordBytes = 30;

function find(page: Page, hash: Buffer): KeyPlace | null {
  const block = blockOf(page.fences, hash, 0);
  const bytes = block === null ? undefined : page.blocks[block];
  return bytes === undefined ? null : findInBlock(bytes, hash, 0);
}

function recordsOf(keys: ReadonlyMap<string, KeyPlace>): Buffer {
  const table = new KeyTable();
  for (const [identity, place] of keys) table.set(identityOfText(identity), place);
  return table.records;
}

/** A record with the hash given. */
function record(hash: Buffer, { seq, index, slot }: KeyPlace): Buffer {
  const bytes = Buffer.alloc(recordBytes);
  hash.copy(bytes);
  bytes.writeUIntBE(seq, 16, 6);
  bytes.writeUIntBE(index, 22, 6);
  bytes.writeUInt16BE(slot, 28);
  return bytes;
}

const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const place: fc.Arbitrary<KeyPlace> = fc.record({
  seq: uint48,
  index: uint48,
  slot: fc.nat(65_535),
});

describe('a page', () => {
  test('finds every key at its place, and no other', () => {
    const keys = fc.array(fc.tuple(fc.string({ maxLength: 12 }), place), { maxLength: 600 });
    fc.assert(
      fc.property(keys, fc.array(fc.string({ maxLength: 12 })), (entries, others) => {
        const known = new Map(entries);
        const page = buildPage(recordsOf(known));
        expect(page.count).toBe(known.size);
        for (const [identity, where] of known) {
          const hash = hashKey(identity);
          expect(mayContain(page.filter, hash, 0)).toBe(true);
          expect(find(page, hash)).toEqual(where);
        }
        for (const other of others) {
          if (!known.has(other)) expect(find(page, hashKey(other))).toBeNull();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('tells hashes apart that share their first 48 bits, however many there are', () => {
    const count = fc.integer({ min: 0, max: 400 });
    fc.assert(
      fc.property(fc.tuple(count, count, count), (counts) => {
        const hashOf = (prefix: number, rest: number) => {
          const hash = Buffer.alloc(16, 0x11);
          hash.writeUIntBE(prefix, 0, 6);
          hash.writeUInt32BE(rest, 12);
          return hash;
        };
        const records = counts.flatMap((many, prefix) =>
          Array.from({ length: many }, (_, rest) => {
            return record(hashOf(prefix, rest), { seq: rest, index: prefix, slot: 0 });
          }),
        );
        const page = buildPage(Buffer.concat(records));
        expect(new Set(page.fences).size).toBe(page.fences.length);
        for (const [prefix, many] of counts.entries()) {
          for (let rest = 0; rest < many; rest++) {
            const found = find(page, hashOf(prefix, rest));
            if (found?.seq !== rest || found.index !== prefix) throw new Error(`${prefix} ${rest}`);
          }
          expect(find(page, hashOf(prefix, many))).toBeNull();
        }
        expect(find(page, hashOf(3, 0))).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test('of one key that was stored twice finds the newer message', () => {
    const hash = hashKey('again');
    const older = record(hash, { seq: 1, index: 10, slot: 3 });
    const newer = record(hash, { seq: 9, index: 2 ** 40, slot: 1 });
    for (const records of [
      [older, newer],
      [newer, older],
    ]) {
      const page = buildPage(Buffer.concat(records));
      expect(page.count).toBe(2);
      expect(find(page, hash)).toEqual({ seq: 9, index: 2 ** 40, slot: 1 });
    }
  });

  test('is the same whatever the order of its records', () => {
    const known = new Map(
      Array.from({ length: 500 }, (_, i) => [`k${i}`, { seq: i, index: i, slot: 0 }]),
    );
    const backwards = new Map([...known].reverse());
    expect(buildPage(recordsOf(backwards))).toEqual(buildPage(recordsOf(known)));
  });

  test('is cut into blocks of 128 records, in order, each named by its first hash', () => {
    const known = new Map(
      Array.from({ length: 1000 }, (_, i) => [`k${i}`, { seq: i, index: i, slot: 0 }]),
    );
    const { blocks, fences } = buildPage(recordsOf(known));
    expect(blocks.map((block) => block.length / recordBytes)).toEqual([...Array(7).fill(128), 104]);
    expect([...fences].sort((a, b) => a - b)).toEqual(fences);
    expect(blocks.map((block) => Buffer.from(block).readUIntBE(0, 6))).toEqual(fences);
  });

  test('without records holds nothing', () => {
    const page = buildPage(new Uint8Array(0));
    expect(page).toMatchObject({ blocks: [], fences: [], count: 0 });
    expect(mayContain(page.filter, hashKey('k'), 0)).toBe(false);
    expect(find(page, hashKey('k'))).toBeNull();
    expect(findInBlock(new Uint8Array(0), hashKey('k'), 0)).toBeNull();
  });

  test('has no block for what is before its first hash', () => {
    expect(blockOf([5, 9], Buffer.alloc(16), 0)).toBeNull();
    expect(blockOf([0, 9], Buffer.alloc(16), 0)).toBe(0);
    expect(blockOf([0, 9], Buffer.alloc(16, 0xff), 0)).toBe(1);
  });
});

describe('an identity', () => {
  test('is the same from a text and from bytes, short or long', () => {
    const bytes = fc.uint8Array({ maxLength: 600, size: 'max' });
    fc.assert(
      fc.property(bytes, fc.uint8Array(), (identity, before) => {
        const all = Buffer.concat([before, identity, before]);
        const end = before.length + identity.length;
        const given = Buffer.from(identityOfBytes(all, before.length, end));
        expect(given).toEqual(Buffer.from(identity));
        const text = given.toString('latin1');
        expect(Buffer.from(identityOfText(text))).toEqual(given);
      }),
    );
  });
});

describe('the filter', () => {
  test.each([1, 100, 20_000])('of %i keys lets less than 0.3 % of 20,000 others pass', (count) => {
    const known = new Map(
      Array.from({ length: count }, (_, i) => [`in ${i}`, { seq: i, index: i, slot: 0 }]),
    );
    const { filter } = buildPage(recordsOf(known));
    expect(filter.length).toBeLessThanOrEqual(count * 2 + 8);
    let passed = 0;
    for (let i = 0; i < 20_000; i++) if (mayContain(filter, hashKey(`out ${i}`), 0)) passed += 1;
    expect(passed).toBeLessThan(60);
    for (const identity of known.keys()) {
      if (!mayContain(filter, hashKey(identity), 0)) throw new Error(`${identity} is kept out`);
    }
  });
});
