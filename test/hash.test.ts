// Hashes and the random bytes that go into them.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { hash128, randomBytes } from '../src/hash.ts';

test('a hash is the first half of SHA-256, however its bytes come', () => {
  for (const size of [0, 1, 4096, 4097, 100_000]) {
    const bytes = Buffer.alloc(size, 7);
    const whole = createHash('sha256').update(bytes).digest().subarray(0, 16);
    expect(Buffer.from(hash128([bytes]))).toEqual(whole);
    const parts = [bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)];
    expect(Buffer.from(hash128(parts))).toEqual(whole);
  }
});

test('random bytes differ, and stay as they were handed out', () => {
  const handed = Array.from({ length: 2000 }, (_, i) => randomBytes(8 + (i % 9)));
  const texts = handed.map((bytes) => Buffer.from(bytes).toString('hex'));
  for (let i = 0; i < 2000; i += 1) randomBytes(16);
  expect(handed.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(texts);
  expect(new Set(texts).size).toBe(2000);
  expect(handed.every(({ length }, i) => length === 8 + (i % 9))).toBe(true);
});
