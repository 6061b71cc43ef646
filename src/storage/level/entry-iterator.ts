// The entries of one place in their order, run after run.
import type { Database, DatabaseIterator, DatabaseRange, StoredRow } from '../database.ts';
import { keyOf, type Run, within } from './segments.ts';

export class EntryIterator implements DatabaseIterator {
  private readonly log: Database;
  private readonly range: DatabaseRange;
  private readonly runs: readonly Run[];
  /** Number of the run that `rows` goes over. */
  private at = -1;
  private rows: DatabaseIterator | null = null;

  /** `runs`: all that the range is in, in their order. */
  constructor(log: Database, range: DatabaseRange, runs: readonly Run[]) {
    this.log = log;
    this.range = range;
    this.runs = runs;
  }

  async nextv(size: number): Promise<StoredRow[]> {
    for (;;) {
      this.rows ??= this.openNext();
      if (this.rows === null) return [];
      const rows = await this.rows.nextv(size);
      if (rows.length > 0) return rows.map(([key, value]) => [keyOf(key), value]);
      await this.close();
    }
  }

  async close(): Promise<void> {
    const { rows } = this;
    this.rows = null;
    await rows?.close();
  }

  private openNext(): DatabaseIterator | null {
    this.at += 1;
    const run = this.runs[this.at];
    if (run === undefined) return null;
    return this.log.iterator({ ...this.range, ...within(run.segment, this.range) });
  }
}
