// What happened, as one number that tells two runs apart, and, where asked for, as lines for people.
import { crc32 } from '../checksum.ts';

export interface TraceLine {
  readonly atMs: number;
  /** Who it happened to: "node 1", "client 2", "lab". */
  readonly who: string;
  readonly text: string;
}

const fnvPrime = 0x01000193;
const otherPrime = 0x85ebca6b;

export class Trace {
  /** null: only the hash is kept. */
  readonly lines: TraceLine[] | null;
  private low = 0x811c9dc5 | 0;
  private high = 0x9747b28c | 0;

  constructor(keepsLines: boolean) {
    this.lines = keepsLines ? [] : null;
  }

  /** 16 hexadecimal digits over everything noted so far. */
  get hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  note(value: number): void {
    this.low = Math.imul(this.low ^ value, fnvPrime);
    this.high = Math.imul(this.high ^ (this.low >>> 15) ^ value, otherPrime);
  }

  /** In whole microseconds. */
  noteTime(ms: number): void {
    const us = Math.floor(ms * 1000);
    this.note(us | 0);
    this.note(Math.floor(us / 0x1_0000_0000));
  }

  noteBytes(bytes: Uint8Array): void {
    this.note(crc32(bytes));
  }

  /** A line for people; its text is made only where lines are kept. */
  say(atMs: number, who: string, text: () => string): void {
    this.lines?.push({ atMs, who, text: text() });
  }
}
