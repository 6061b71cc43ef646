// Appends sent to one follower and not yet acknowledged: the last index and the bytes of each, oldest
// first, in a ring that grows as needed, as most followers never have many.

import { assert } from '../assert.ts';

export class Inflights {
  readonly #appendsMax: number;
  readonly #bytesMax: number;
  #lastIndexes: number[] = [];
  #sizes: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(appendsMax: number, bytesMax: number) {
    this.#appendsMax = appendsMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= this.#appendsMax || this.#bytes >= this.#bytesMax;
  }

  /** `lastIndex` rises from call to call until the next reset. */
  add(lastIndex: number, bytes: number): void {
    assert(!this.full, 'nothing is sent beyond the inflight limits');
    if (this.#count === this.#lastIndexes.length) this.#grow();
    const at = (this.#start + this.#count) % this.#lastIndexes.length;
    this.#lastIndexes[at] = lastIndex;
    this.#sizes[at] = bytes;
    this.#count += 1;
    this.#bytes += bytes;
  }

  freeUpTo(index: number): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#start] ?? 0;
      this.#start = (this.#start + 1) % this.#lastIndexes.length;
      this.#count -= 1;
    }
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const lastIndexes: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < this.#count; i += 1) {
      const at = (this.#start + i) % this.#lastIndexes.length;
      lastIndexes.push(this.#lastIndexes[at] ?? 0);
      sizes.push(this.#sizes[at] ?? 0);
    }
    const capacity = Math.min(Math.max(4, this.#count * 2), this.#appendsMax);
    while (lastIndexes.length < capacity) {
      lastIndexes.push(0);
      sizes.push(0);
    }
    this.#lastIndexes = lastIndexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}
