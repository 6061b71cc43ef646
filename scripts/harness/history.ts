// What clients saw, one event a line, in the order this process saw it (form: proof.md, item 5). A
// process has one operation open at a time; after `info` (outcome unknown) its number is never used
// again.
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export type StoredPair = readonly [seq: number, value: string];

interface Base {
  readonly process: number;
  readonly conversation: string;
  readonly t_ns: number;
}

interface AppendBase extends Base {
  readonly op: 'append';
  readonly key: string;
  /** Unique in the history; a retry with the same key carries the same. */
  readonly value: string;
  readonly sender: string;
}

interface ReadBase extends Base {
  readonly op: 'read';
  readonly level: 'linearizable' | 'eventual';
  /** The node asked; 0 = any. */
  readonly node: number;
  readonly after: number;
  readonly limit: number;
  /** Of the state after everything else ended. */
  readonly final?: true;
}

export type HistoryEvent =
  | (AppendBase & { readonly type: 'invoke' })
  | (AppendBase & { readonly type: 'ok'; readonly seq: number; readonly duplicate: boolean })
  /** fail: proven not done by any attempt; info: unknown. */
  | (AppendBase & { readonly type: 'fail' | 'info'; readonly error: string })
  | (ReadBase & { readonly type: 'invoke' })
  | (ReadBase & { readonly type: 'ok'; readonly messages: readonly StoredPair[] })
  | (ReadBase & { readonly type: 'fail'; readonly error: string });

/** An event as it is recorded: the time is added. */
type Untimed<Event> = Event extends unknown ? Omit<Event, 't_ns'> : never;

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
