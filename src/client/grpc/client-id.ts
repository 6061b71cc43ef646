// Names a client in the keys that it makes. Every message carries its key in memory, in frames and on every
// disk, so it is short.
import { randomBytes } from '../../hash.ts';

/** 84 bits: of a billion clients two have the same with a chance of 3 in 10^8, which matters only if both append as one sender. */
const idCharacters = 14;

export function newClientId(): string {
  return Buffer.from(randomBytes(idCharacters)).toString('base64url').slice(0, idCharacters);
}
