// What tells the keys of one client from those of all others. Each message carries it, in memory, in frames and
// on every disk: so it is short.
import { randomBytes } from '../../hash.ts';

/** 96 bits: of a billion clients two have the same with a chance of 1 in 10^11, and then only where both are one sender. */
const idBytes = 12;

/** 16 characters. */
export function newClientId(): string {
  return Buffer.from(randomBytes(idBytes)).toString('base64url');
}
