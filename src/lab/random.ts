// Chance from a seed: the same numbers on every machine, as only 32-bit integers are computed with (sfc32).
import { assert } from '../assert.ts';

const warmUpRounds = 12;

export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  /** A whole number from 0 to 2^53 - 1. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a whole number below 2^53');
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 0x1_0000_0000);
    this.c = 0x9e3779b9 | 0;
    for (let i = 0; i < warmUpRounds; i += 1) this.uint32();
  }

  /** Of its own from now on: what one draws changes nothing for the other. */
  fork(): Random {
    return new Random(this.uint32() * 0x20_0000 + (this.uint32() >>> 11));
  }

  uint32(): number {
    const sum = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  readonly next = (): number => this.uint32() / 0x1_0000_0000;

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** Both ends included, whole. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    assert(item !== undefined, 'there is something to choose from');
    return item;
  }

  readonly bytes = (size: number): Buffer => {
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size; at += 1) bytes[at] = this.uint32() & 0xff;
    return bytes;
  };
}
