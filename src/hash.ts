// 128 bits of SHA-256: what an entry's payload is known by, and the chain that links entries.
import { createHash, hash as hashOnce, randomFillSync } from 'node:crypto';

export const hashBytes = 16;
/** Up to this a copy costs less than an object of the hash's own. */
const joinedMax = 4096;

const drawnAtOnce = 4096;
let drawn = new Uint8Array(0);
let drawnUpTo = 0;

export function hash128(parts: readonly Uint8Array[]): Uint8Array {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  if (bytes <= joinedMax) {
    const [first] = parts;
    const joined = first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, bytes);
    return hashOnce('sha256', joined, 'buffer').subarray(0, hashBytes);
  }
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, hashBytes);
}

export function randomSalt(): Uint8Array {
  return randomBytes(hashBytes);
}

/** From the system, of which one call for many costs no more than one for a few bytes. At most 4 KiB. */
export function randomBytes(size: number): Uint8Array {
  if (drawnUpTo + size > drawn.length) {
    // A new one: what was handed out of the old one is not written over.
    drawn = randomFillSync(new Uint8Array(drawnAtOnce));
    drawnUpTo = 0;
  }
  drawnUpTo += size;
  return drawn.subarray(drawnUpTo - size, drawnUpTo);
}
