// The terms of the log, from its boundary on, as runs: a run a leader, so it stays small however long the
// log becomes, and the term of an entry is known long after the entry has left memory.

import { assert } from '../assert.ts';
import type { TermRun } from './types.ts';

export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

const START: LogPosition = { index: 0, term: 0 };

export class TermRuns {
  readonly #runs: TermRun[] = [];
  #lastIndex: number;
  #boundary = 0;

  /** `base` is the newest of the entries that `runs` tells of. */
  constructor(runs: readonly TermRun[], base: LogPosition) {
    for (const run of runs) {
      const previous = this.#runs.at(-1);
      const rises =
        previous === undefined ||
        (run.firstIndex > previous.firstIndex && run.term > previous.term);
      assert(rises && run.firstIndex <= base.index, 'recovered term runs rise up to the base');
      this.#runs.push(run);
    }
    if (base.index > 0 && this.#runs.at(-1)?.term !== base.term) {
      this.#runs.push({ firstIndex: base.index, term: base.term });
    }
    this.#lastIndex = base.index;
  }

  append(term: number): void {
    this.#lastIndex += 1;
    const last = this.#runs.at(-1);
    assert(last === undefined || term >= last.term, 'terms do not fall along the log');
    if (last?.term !== term) this.#runs.push({ firstIndex: this.#lastIndex, term });
  }

  truncateFrom(index: number): void {
    this.#lastIndex = index - 1;
    while ((this.#runs.at(-1)?.firstIndex ?? 0) >= index) this.#runs.pop();
  }

  /** The oldest index whose term is known. */
  get boundary(): number {
    return this.#boundary;
  }

  /** Forgets the terms of all below `index`. */
  forgetBelow(index: number): void {
    if (index <= this.#boundary) return;
    const term = this.termAt(index);
    assert(term !== null, 'the boundary is in the log');
    const later = this.#runs.findIndex((run) => run.firstIndex > index);
    const gone = later === -1 ? this.#runs.length : later;
    this.#runs.splice(0, gone, { firstIndex: index, term });
    this.#boundary = index;
  }

  /** Nothing but `base` is known any more. */
  reset({ index, term }: LogPosition): void {
    this.#runs.splice(0, this.#runs.length, { firstIndex: index, term });
    this.#lastIndex = index;
    this.#boundary = index;
  }

  /** null above the last entry, and below the boundary. */
  termAt(index: number): number | null {
    if (index > this.#lastIndex || index < this.#boundary) return null;
    if (index === 0) return 0;
    for (let i = this.#runs.length - 1; i >= 0; i -= 1) {
      const run = this.#runs[i];
      if (run !== undefined && run.firstIndex <= index) return run.term;
    }
    return null;
  }

  /**
   * The newest entry at or below `index` whose term is at most `term`: above it the logs cannot agree,
   * as the other side's terms there are at most `term`. Skips a whole term at a time (thesis 3.5). Index
   * 0 where that is below the boundary.
   */
  newestUpTo(index: number, term: number): LogPosition {
    let end = Math.min(index, this.#lastIndex);
    for (let i = this.#runs.length - 1; i >= 0; i -= 1) {
      const run = this.#runs[i];
      if (run === undefined || run.firstIndex > end) continue;
      if (run.term <= term) return { index: end, term: run.term };
      end = run.firstIndex - 1;
    }
    return START;
  }

  upTo(index: number): readonly TermRun[] {
    return this.#runs.filter((run) => run.firstIndex <= index);
  }
}
