// Which entries are durable, which are on their way to disk, and which were not handed out yet.
// Each entry remembers the step that writes it, as a run of marks, so that a late completion never
// vouches for another entry at the same index (the ABA race of asynchronous storage).

import { assert } from '../assert.ts';

interface WriteMark {
  readonly firstIndex: number;
  readonly appendSeq: number;
}

export interface UnwrittenRange {
  readonly fromIndex: number;
  readonly truncateFrom: number | null;
  readonly truncateTo: number;
}

export class WriteMarks {
  readonly #marks: WriteMark[] = [];
  #durable: number;
  /** The newest index handed to a step; entries above it are in memory only. */
  #handed: number;
  #last: number;
  #truncateFrom: number | null = null;
  #truncateTo = 0;

  constructor(lastIndex: number) {
    this.#durable = lastIndex;
    this.#handed = lastIndex;
    this.#last = lastIndex;
  }

  get durable(): number {
    return this.#durable;
  }

  get pending(): boolean {
    return this.#last > this.#handed || this.#truncateFrom !== null;
  }

  appended(index: number, appendSeq: number): void {
    const newest = this.#marks.at(-1);
    assert(
      newest === undefined || newest.appendSeq <= appendSeq,
      'steps are numbered in log order',
    );
    if (newest?.appendSeq !== appendSeq) this.#marks.push({ firstIndex: index, appendSeq });
    this.#last = index;
  }

  truncatedFrom(index: number): void {
    while ((this.#marks.at(-1)?.firstIndex ?? 0) >= index) this.#marks.pop();
    this.#last = index - 1;
    this.#durable = Math.min(this.#durable, this.#last);
    if (index > this.#handed) return;
    this.#truncateFrom = Math.min(this.#truncateFrom ?? index, index);
    this.#truncateTo = Math.max(this.#truncateTo, this.#handed);
    this.#handed = this.#last;
  }

  /** `index` has taken the place of everything; earlier steps vouch for nothing any more. */
  restored(index: number, appendSeq: number): void {
    this.#marks.splice(0, this.#marks.length, { firstIndex: index, appendSeq });
    this.#durable = 0;
    this.#handed = index;
    this.#last = index;
    this.#truncateFrom = null;
    this.#truncateTo = 0;
  }

  /** Hands out what no step has been given yet. */
  take(): UnwrittenRange {
    const range = {
      fromIndex: this.#handed + 1,
      truncateFrom: this.#truncateFrom,
      truncateTo: this.#truncateTo,
    };
    this.#handed = this.#last;
    this.#truncateFrom = null;
    this.#truncateTo = 0;
    return range;
  }

  persisted(appendSeq: number): void {
    let written = 0;
    while ((this.#marks[written]?.appendSeq ?? Infinity) <= appendSeq) written += 1;
    if (written === 0) return;
    this.#marks.splice(0, written);
    const unwritten = this.#marks[0];
    this.#durable = unwritten === undefined ? this.#last : unwritten.firstIndex - 1;
  }
}
