// Shards are part of every id and of every key: these vectors may never change. XXH64 is checked
// against a second implementation, written here from its specification.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isBadName, parseConversation } from '../src/conversation.ts';
import { partitionOf, shardCount, shardMappings, shardOf, xxh64 } from '../src/shard.ts';

interface Vector {
  readonly name: string;
  readonly text: string;
  readonly canonical: string;
  readonly mix: number;
  readonly tt_sum: number;
  readonly tt_one: number;
}

const file = new URL('./golden/shards.json', import.meta.url);
const vectors: readonly Vector[] = JSON.parse(readFileSync(file, 'utf8'));

const word = (value: bigint) => BigInt.asUintN(64, value);
const rotate = (value: bigint, by: bigint) => word((value << by) | (value >> (64n - by)));
const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;
const round = (sum: bigint, lane: bigint) => word(rotate(word(sum + lane * prime2), 31n) * prime1);

function slowXxh64(bytes: Buffer, seed: bigint): bigint {
  let at = 0;
  let hash = word(seed + prime5);
  if (bytes.length >= 32) {
    const sums = [word(seed + prime1 + prime2), word(seed + prime2), seed, word(seed - prime1)];
    for (; at + 32 <= bytes.length; at += 32) {
      sums.forEach((sum, i) => {
        sums[i] = round(sum, bytes.readBigUInt64LE(at + i * 8));
      });
    }
    hash = word(sums.reduce((all, sum, i) => all + rotate(sum, [1n, 7n, 12n, 18n][i] ?? 0n), 0n));
    for (const sum of sums) hash = word((hash ^ round(0n, sum)) * prime1 + prime4);
  }
  hash = word(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash ^= round(0n, bytes.readBigUInt64LE(at));
    hash = word(rotate(hash, 27n) * prime1 + prime4);
  }
  for (; at + 4 <= bytes.length; at += 4) {
    hash ^= word(BigInt(bytes.readUInt32LE(at)) * prime1);
    hash = word(rotate(hash, 23n) * prime2 + prime3);
  }
  for (; at < bytes.length; at++) {
    hash ^= word(BigInt(bytes.readUInt8(at)) * prime5);
    hash = word(rotate(hash, 11n) * prime1);
  }
  hash = word((hash ^ (hash >> 33n)) * prime2);
  hash = word((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}

function parsed(text: string) {
  const name = parseConversation(text);
  if (isBadName(name)) throw new Error(`${text}: ${name.problem}`);
  return name;
}

describe('golden vectors', () => {
  test.each(vectors)('$name', ({ name, text, canonical, ...shards }) => {
    const read = parsed(name);
    expect(read.text).toBe(text);
    expect(Buffer.from(read.canonical).toString('hex')).toBe(canonical);
    for (const mapping of shardMappings) expect(shardOf(read, mapping)).toBe(shards[mapping]);
  });

  test('are enough, and agree with a second implementation where the name is its own shard source', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(60);
    const own = vectors.filter(({ name }) => !/^(t[^/]+\/)?h:/.test(name));
    expect(own.length).toBeGreaterThan(50);
    for (const { canonical, mix } of own) {
      const hash = slowXxh64(Buffer.from(canonical, 'hex'), 0n);
      expect(Number(hash % 8192n)).toBe(mix);
    }
  });
});

describe('XXH64', () => {
  test('gives the published values', () => {
    expect(xxh64(Buffer.alloc(0))).toBe(0xef46db3751d8e999n);
    expect(xxh64(Buffer.from('abc'))).toBe(0x44bc2cf5ad770999n);
  });

  test('is the same as a second implementation for any bytes and seed', () => {
    const seed = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 150 }), seed, (bytes, start) => {
        expect(xxh64(bytes, start)).toBe(slowXxh64(Buffer.from(bytes), start));
      }),
    );
  });
});

describe('mappings', () => {
  test('tt_sum is (uid + other) mod 8192, tt_one the smaller uid mod 8192, of both spellings', () => {
    const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(id, id, (a, b) => {
        fc.pre(a !== b);
        const [smaller] = a < b ? [a] : [b];
        for (const name of [parsed(`p:${a}~${b}`), parsed(`p:${b}~${a}`)]) {
          expect(BigInt(shardOf(name, 'tt_sum'))).toBe((a + b) % 8192n);
          expect(BigInt(shardOf(name, 'tt_one'))).toBe((smaller ?? 0n) % 8192n);
        }
      }),
    );
  });

  test.each(['p:alice~bob', 'p:1~alice', 'p:01~2', 's:1', 'g:7'])(
    '%s is no numeric pair and goes by mix under every mapping',
    (text) => {
      const name = parsed(text);
      const shards = shardMappings.map((mapping) => shardOf(name, mapping));
      expect(new Set(shards).size).toBe(1);
    },
  );
});

describe('partitions', () => {
  test.each([1, 2, 16, 64, 8192])('%i are contiguous ranges of one size', (partitions) => {
    const size = shardCount / partitions;
    for (let shard = 0; shard < shardCount; shard++) {
      expect(partitionOf(shard, partitions)).toBe((shard - (shard % size)) / size);
    }
  });

  test('a split halves each of them', () => {
    for (let shard = 0; shard < shardCount; shard += 7) {
      expect(Math.floor(partitionOf(shard, 32) / 2)).toBe(partitionOf(shard, 16));
    }
  });
});
