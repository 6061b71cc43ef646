// Keys that no page has, by name: a command is looked up until it is sequenced. Their hashes stand one
// after the other in one buffer, so that none is an object of its own.
import { hashBytes, identityOfText, viewOf, writeHash } from './page.ts';

const hashesAtFirst = 16;

export class AbsentKeys {
  /** Where in `hashes` the hash of each stands. */
  private readonly places = new Map<string, number>();
  private buffer = Buffer.allocUnsafe(hashesAtFirst * hashBytes);
  private view = viewOf(this.buffer);

  get size(): number {
    return this.places.size;
  }

  get hashes(): Buffer {
    return this.buffer;
  }

  /** undefined: it may be in a page. */
  get(identity: string): number | undefined {
    return this.places.get(identity);
  }

  /** Where its hash stands from now on until the next call; for longer once it is added. */
  hash(identity: string): number {
    const at = this.places.size * hashBytes;
    if (at === this.buffer.length) this.grow();
    writeHash(this.view, at, identityOfText(identity));
    return at;
  }

  /** `at`: as `hash` said. */
  add(identity: string, at: number): void {
    this.places.set(identity, at);
  }

  clear(): void {
    this.places.clear();
  }

  private grow(): void {
    const { buffer } = this;
    this.buffer = Buffer.allocUnsafe(buffer.length * 2);
    this.buffer.set(buffer);
    this.view = viewOf(this.buffer);
  }
}
