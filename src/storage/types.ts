// What the node asks of storage: one durable place for all partitions of a store. Implemented by
// store.ts over LevelDB (level/) or over the lab's disk.
import type { EntryPayload, LogEntry } from '../entry.ts';
import type { HardState, StoredLog } from '../raft/types.ts';

/** A row as the node names it: `key` is relative to its partition; the store adds the rest and the checksum. */
export interface RowWrite {
  readonly key: Uint8Array;
  /** null removes the row. */
  readonly value: Uint8Array | null;
}

export interface RowsRequest {
  readonly partition: number;
  readonly keys: readonly Uint8Array[];
}

/** Everything of one batch; it becomes durable whole or not at all. */
export interface Batch {
  putHardState(partition: number, state: HardState): void;
  putEntry(partition: number, entry: LogEntry): void;
  /** Removes entries from..to (inclusive); entries put afterwards in the same batch stand. */
  removeEntries(partition: number, from: number, to: number): void;
  putRow(partition: number, row: RowWrite): void;
  /** The place from which the log is replayed at a start; written together with the rows it describes. */
  putCheckpoint(partition: number, checkpoint: Checkpoint): void;
}

export interface Checkpoint {
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
  readonly chain: Uint8Array;
  /** Term runs of the log up to index: [firstIndex, term] ascending. */
  readonly terms: readonly (readonly [number, number])[];
  /** What order keeps for a whole partition (order/rows.ts), opaque here. */
  readonly state: Uint8Array;
}

export interface RecoveredPartition {
  readonly hardState: HardState;
  readonly log: StoredLog<EntryPayload>;
  /** null before the first checkpoint. */
  readonly checkpoint: Checkpoint | null;
}

/** Who this store is; made once for a data directory. */
export interface StoreIdentity {
  readonly formatVersion: number;
  /** 16 random bytes. */
  readonly uuid: Uint8Array;
}

export interface Store {
  readonly identity: StoreIdentity;
  /** The founding record, opaque here; null = blank. */
  readonly founding: Uint8Array | null;
  /** Durable when it resolves. */
  putFounding(record: Uint8Array): Promise<void>;
  /** Reads one partition's state and the log above its checkpoint; checks every CRC, link and contiguity. */
  recover(partition: number): Promise<RecoveredPartition>;
  createBatch(): Batch;
  /**
   * Writes the batch with one sync. One at a time: a second call before the first ended is a broken
   * invariant. A failure poisons the store: every later call fails with the same error.
   */
  write(batch: Batch): Promise<void>;
  /** null where a row does not stand; throws CORRUPT where one is damaged. */
  getRows(partition: number, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]>;
  /** The same for several partitions in one read; an array for each request, in order. */
  getRowsOfAll(requests: readonly RowsRequest[]): Promise<(Uint8Array | null)[][]>;
  /** Rows with from <= key < to, in key order, at most `limit`; `reverse` from the end. */
  scanRows(
    partition: number,
    range: { from: Uint8Array; to: Uint8Array; limit: number; reverse?: boolean },
  ): Promise<{ key: Uint8Array; value: Uint8Array }[]>;
  /** Contiguous entries from..to, fewer where bytesMax is reached (one at least); CORRUPT where one is missing. */
  readEntries(partition: number, from: number, to: number, bytesMax: number): Promise<LogEntry[]>;
  /** Single entries by index (any order); CORRUPT where one is missing. */
  getEntries(partition: number, indexes: readonly number[]): Promise<LogEntry[]>;
  close(): Promise<void>;
}
