// What clients saw, one event a line, in the order this process saw it (form: docs/testing.md). A
// process has one operation open at a time; after `info` (outcome unknown) its number is never used
// again.
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { HistoryEvent, Untimed } from '../../src/lab/history.ts';

export type { StoredPair } from '../../src/lab/history.ts';

export class History {
  readonly file: string;
  /** All of it, for the checker. */
  readonly events: HistoryEvent[] = [];
  private readonly stream: WriteStream;
  private readonly startedNs = process.hrtime.bigint();
  private processes = 0;

  constructor(file: string) {
    this.file = file;
    this.stream = createWriteStream(file);
  }

  newProcess(): number {
    this.processes += 1;
    return this.processes;
  }

  record(event: Untimed<HistoryEvent>): void {
    const timed = { ...event, t_ns: Number(process.hrtime.bigint() - this.startedNs) };
    this.events.push(timed);
    this.stream.write(`${JSON.stringify(timed)}\n`);
  }

  async close(): Promise<void> {
    this.stream.end();
    await finished(this.stream);
  }
}
