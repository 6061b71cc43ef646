// CRC-32 as zlib computes it: finds accidental damage, says nothing about intent.
import { crc32 as zlibCrc32 } from 'node:zlib';

/** Continues from `seed` where given; unsigned 32-bit. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
