// 128 bits of SHA-256: what an entry's payload is known by, and the chain that links entries.
import { createHash, randomBytes } from 'node:crypto';

export const hashBytes = 16;

export function hash128(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, hashBytes);
}

export function randomSalt(): Uint8Array {
  return randomBytes(hashBytes);
}
