// What the outbox keeps, and what it asks of the place that keeps it. Numbers of a conversation rise and
// are never given twice, so nothing kept is ever rewritten.

/** A message as the app gives it. */
export interface OutboxMessage {
  /** Canonical text, such as "g:lobby". */
  readonly conversation: string;
  /** 0 to 262,144 bytes; text is sent as UTF-8. */
  readonly body: Uint8Array | string;
  readonly contentType?: string;
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
  /** Refuse unless the conversation's head is this (0 = empty). */
  readonly expectedSeq?: number;
  /** The sender's clock, ms since 1970; that of `send` where absent. */
  readonly clientTimeMs?: number;
  /** The newest seq its sender had seen. */
  readonly seenSeq?: number;
  /** Takes its seq at once, is shown to others only once it is released. */
  readonly pending?: boolean;
}

/** A message with all that its first attempt had, for every later one. */
export interface KeptMessage {
  readonly message: OutboxMessage & { readonly body: Uint8Array };
  /** 1..n in its conversation, over all epochs. */
  readonly clientSeq: number;
  /** The device's when it was sent. */
  readonly epoch: number;
  readonly key: string;
}

/** Whose messages these are; each sender's device has a store of its own. */
export interface OutboxHead {
  readonly sender: string;
  readonly device: string;
  /** The highest it was opened with. */
  readonly epoch: number;
  /** Made with the store: the keys of two stores differ. */
  readonly uuid: string;
}

/** Where one conversation's chain is. */
export interface ChainRow {
  readonly conversation: string;
  readonly epoch: number;
  /** clientSeq of the newest message; never falls. */
  readonly last: number;
  /** In that epoch: the clientSeq that the oldest kept message follows, 0 = none. Lower than all kept. */
  readonly linked: number;
  /** Messages kept. */
  readonly kept: number;
}

export interface MessageName {
  readonly conversation: string;
  readonly clientSeq: number;
}

/** All of it or none. */
export interface OutboxWrite {
  readonly head?: OutboxHead;
  readonly chains: readonly ChainRow[];
  readonly puts: readonly KeptMessage[];
  readonly removes: readonly MessageName[];
}

export interface PageLimit {
  /** Messages. */
  readonly count: number;
  /** Of bodies; one message at least is read, whatever its size. */
  readonly bytes: number;
}

export interface OutboxStore {
  /** null: nothing was ever kept here. */
  readHead(): Promise<OutboxHead | null>;
  /** All there are, in any order. */
  readChains(): Promise<ChainRow[]>;
  /** The oldest with a higher clientSeq, in order; fewer than there are only where a limit was reached. */
  readMessages(
    conversation: string,
    afterClientSeq: number,
    limit: PageLimit,
  ): Promise<KeptMessage[]>;
  /**
   * Resolves once it is done; with `sync` it survives the machine's death, and so does every write before.
   * After a crash the writes up to some point stand, at least those that `sync` made durable. Called again
   * only once it has ended.
   */
  write(write: OutboxWrite, options: { readonly sync: boolean }): Promise<void>;
  close(): Promise<void>;
}
