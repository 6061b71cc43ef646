// Names a client in the keys that it makes. Every message carries its key in memory, in frames and on every
// disk, so it is short.
import { randomBytes } from '../../hash.ts';

/** 96 bits: of a billion clients two have the same with a chance of 1 in 10^11, which matters only if both append as one sender. */
const idBytes = 12;

/** 16 characters. */
export function newClientId(): string {
  return Buffer.from(randomBytes(idBytes)).toString('base64url');
}
