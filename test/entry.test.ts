// The bytes of an entry: what was encoded is what is decoded, any damage is found, and the chain
// vouches for everything that the log promises.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createEmptyPayload,
  createPayload,
  decodeEntry,
  encodeEntry,
  entryChain,
  foundingChain,
  type LogEntry,
  payloadCommands,
  payloadHeader,
} from '../src/entry.ts';
import { EntryKind } from '../src/raft/types.ts';

const previous = foundingChain(Buffer.from('the founding record'), 7);

interface Facts {
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
  readonly kind: EntryKind;
  readonly header: Uint8Array;
  readonly commands: readonly Uint8Array[];
}

function entryOf(facts: Facts): LogEntry {
  const { index, term, timeMs, kind, header, commands } = facts;
  const commandBytes = commands.reduce((sum, command) => sum + command.length, 0);
  const payload = createPayload(header, commands, commandBytes);
  const payloadBytes = header.length + commandBytes;
  const entry = { index, term, timeMs, kind, payload, payloadBytes };
  return { ...entry, chain: entryChain(previous, entry) };
}

const uint53 = fc.maxSafeNat();
const facts: fc.Arbitrary<Facts> = fc.record({
  index: uint53,
  term: uint53,
  timeMs: uint53,
  kind: fc.constantFrom(...Object.values(EntryKind)),
  header: fc.uint8Array({ maxLength: 50 }),
  commands: fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }),
});

const sample: Facts = {
  index: 2 ** 40,
  term: 2 ** 33 + 1,
  timeMs: Date.UTC(2031, 0, 1),
  kind: EntryKind.COMMANDS,
  header: Buffer.from('header'),
  commands: [Buffer.from('first'), Buffer.from('second')],
};

const plain = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('encode and decode', () => {
  test('give back every part', () => {
    fc.assert(
      fc.property(facts, fc.nat(65_535), (given, partition) => {
        const entry = entryOf(given);
        const bytes = encodeEntry(partition, entry);
        const decoded = decodeEntry(partition, Buffer.from(bytes));
        if (decoded === null) throw new Error('not decoded');
        const { index, term, timeMs, kind } = given;
        expect(decoded).toMatchObject({ index, term, timeMs, kind });
        expect(plain(decoded.chain)).toBe(plain(entry.chain));
        expect(plain(payloadHeader(decoded.payload))).toBe(plain(given.header));
        expect(plain(payloadCommands(decoded.payload))).toBe(plain(Buffer.concat(given.commands)));
        expect(decoded.payloadBytes).toBe(entry.payloadBytes);
        expect(encodeEntry(partition, decoded)).toEqual(bytes);
      }),
    );
  });

  test('also from the middle of a larger buffer, at any offset', () => {
    const bytes = encodeEntry(3, entryOf(sample));
    const around = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(9, 0xff)]);
    const decoded = decodeEntry(
      3,
      new Uint8Array(around.buffer, around.byteOffset + 5, bytes.length),
    );
    expect(decoded?.index).toBe(sample.index);
    expect(decodeEntry(3, around.subarray(5))).toBeNull();
  });

  test('an entry without payload is one too', () => {
    const payload = createEmptyPayload();
    const entry = { index: 1, term: 1, timeMs: 0, kind: EntryKind.EMPTY, payload, payloadBytes: 0 };
    const bytes = encodeEntry(0, { ...entry, chain: entryChain(previous, entry) });
    expect(decodeEntry(0, bytes)).toMatchObject({
      index: 1,
      payloadBytes: 0,
      kind: EntryKind.EMPTY,
    });
  });

  test('numbers of 2^53 and above are refused, not rounded', () => {
    const entry = entryOf(sample);
    expect(() => entryChain(previous, { ...entry, index: 2 ** 53 })).toThrow(/below 2\^53/);
    expect(() => encodeEntry(0, { ...entry, term: 2 ** 53 })).toThrow(/below 2\^53/);
    expect(() => encodeEntry(0, { ...entry, timeMs: -1 })).toThrow(/below 2\^53/);
  });
});

describe('damage', () => {
  const partition = 300;
  const good = encodeEntry(partition, entryOf(sample));

  test('every single flipped bit is found', () => {
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bytes = Buffer.from(good);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeEntry(partition, bytes), `bit ${bit}`).toBeNull();
    }
    expect(decodeEntry(partition, good)).not.toBeNull();
  });

  test('a cut entry, one with more at its end, and none at all are found', () => {
    for (let length = 0; length < good.length; length++) {
      expect(decodeEntry(partition, good.subarray(0, length))).toBeNull();
    }
    expect(decodeEntry(partition, Buffer.concat([good, Buffer.alloc(1)]))).toBeNull();
  });

  test('an entry of another partition is refused', () => {
    for (const other of [0, 44, 301, 300 + 256, 65_535]) {
      expect(decodeEntry(other, good)).toBeNull();
    }
  });

  test('random bytes are no entry, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        bytes[0] = 1;
        bytes[1] = 1;
        expect(decodeEntry(partition, bytes)).toBeNull();
      }),
    );
  });
});

describe('the chain', () => {
  const entry = entryOf(sample);

  test('of equal parts is equal', () => {
    expect(plain(entryChain(previous, entry))).toBe(plain(entry.chain));
    expect(entry.chain).toHaveLength(16);
  });

  test('differs where anything differs', () => {
    const bytes = Buffer.from(entry.payload.bytes);
    bytes[48] = (bytes[48] ?? 0) ^ 1;
    const otherPayload = { ...entry, payload: { ...entry.payload, bytes } };
    const chains = [
      entryChain(foundingChain(Buffer.from('another record'), 7), entry),
      entryChain(previous, { ...entry, index: sample.index + 1 }),
      entryChain(previous, { ...entry, term: sample.term + 1 }),
      entryChain(previous, { ...entry, timeMs: sample.timeMs + 1 }),
      entryChain(previous, { ...entry, kind: EntryKind.CHECKPOINT }),
      // Numbers above 32 bits: the high half counts.
      entryChain(previous, { ...entry, index: sample.index + 2 ** 32 }),
      entryChain(previous, { ...entry, term: sample.term + 2 ** 32 }),
      entryChain(previous, otherPayload),
      entry.chain,
    ];
    expect(new Set(chains.map(plain)).size).toBe(chains.length);
  });

  test('rests on the payload by a hash of salt, header and commands', () => {
    const { bytes } = entry.payload;
    const [salt, hash, payload] = [
      bytes.subarray(32, 48),
      bytes.subarray(48, 64),
      bytes.subarray(84),
    ];
    const all = Buffer.concat([salt, payload]);
    const sha256 = createHash('sha256').update(all).digest();
    expect(plain(hash)).toBe(plain(sha256.subarray(0, 16)));
    expect(plain(payload)).toBe(plain(Buffer.from('headerfirstsecond')));
  });

  test('the same commands stored twice have two chains, so that a short body cannot be guessed', () => {
    expect(plain(entryOf(sample).chain)).not.toBe(plain(entryOf(sample).chain));
  });

  test('begins with the founding record and the partition', () => {
    const record = Buffer.from('a record');
    const chains = [0, 1, 256, 257].map((partition) => plain(foundingChain(record, partition)));
    expect(new Set(chains).size).toBe(4);
    expect(plain(foundingChain(record, 0))).toBe(chains[0]);
    expect(plain(foundingChain(Buffer.from('b record'), 0))).not.toBe(chains[0]);
  });
});
