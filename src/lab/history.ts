// What clients saw, as events in the order in which it happened (form: docs/testing.md). A process has one
// operation open at a time; after `info` (outcome unknown) its number is never used again.

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
  readonly level: 'linearizable' | 'at-least' | 'eventual';
  /** at-least: the newest seq that its client had seen there. */
  readonly seen?: number;
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
export type Untimed<Event> = Event extends unknown ? Omit<Event, 't_ns'> : never;
