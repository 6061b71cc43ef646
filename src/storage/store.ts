// The store. Every write is synced and carries the next batch record; one is in flight
// at a time. After any failed write nothing more is promised: an fsync that failed once may succeed
// the next time without the data, so the store refuses everything from then on (rule 10).
import { assert } from '../assert.ts';
import type { LogEntry } from '../entry.ts';
import { PacelineError } from '../errors.ts';
import { nextBatchRecord } from './batch-record.ts';
import { type Database, readPage, storageError } from './database.ts';
import {
  entriesRange,
  entryIndexOf,
  entryKey,
  firstGeneration,
  type Place,
  rowKey,
  rowKeyOf,
} from './keys.ts';
import { type Opening, type OpeningOptions, readOpening } from './opening.ts';
import type { BatchRecord } from './own-rows.ts';
import { corrupt, decodeRecord, decodeStoredEntry, entryName } from './record-codec.ts';
import { recoverPartition } from './recovery.ts';
import { StoreBatch } from './store-batch.ts';
import type { Batch, RecoveredPartition, RowsRequest, Store, StoreIdentity } from './types.ts';

export interface DurableStore extends Store {
  /** Number of the newest durable batch: for peers to remember, none of which does yet. */
  readonly newestBatch: number;
}

/** Throws CORRUPT where the store's own rows or its batches are not whole; the database is then closed. */
export async function openStoreIn(db: Database, options: OpeningOptions): Promise<DurableStore> {
  try {
    return new OpenedStore(db, await readOpening(db, options), options.randomBytes);
  } catch (error) {
    await db.close();
    throw storageError(`opening the store in ${options.place}`, error);
  }
}

class OpenedStore implements DurableStore {
  readonly identity: StoreIdentity;
  readonly #db: Database;
  readonly #randomBytes: OpeningOptions['randomBytes'];
  readonly #generations: Map<number, number>;
  #founding: Uint8Array | null;
  #newest: BatchRecord;
  #writing: Promise<void> | null = null;
  /** What every call is refused with: the failure of a write, or that the store is closed. */
  #refusal: Error | null = null;
  #closing: Promise<void> | null = null;

  constructor(db: Database, opening: Opening, randomBytes: OpeningOptions['randomBytes']) {
    this.#db = db;
    this.#randomBytes = randomBytes;
    this.identity = opening.identity;
    this.#newest = opening.newest;
    this.#founding = opening.founding;
    this.#generations = new Map(opening.generations);
  }

  get founding(): Uint8Array | null {
    return this.#founding;
  }

  get newestBatch(): number {
    return this.#newest.number;
  }

  async putFounding(record: Uint8Array): Promise<void> {
    const batch = this.#newBatch();
    batch.putFounding(record);
    await this.#commit(batch);
    this.#founding = record;
  }

  async recover(partition: number): Promise<RecoveredPartition> {
    const place = this.#place(partition);
    return this.#read(() => recoverPartition(this.#db, place, this.#founding));
  }

  createBatch(): Batch {
    return this.#newBatch();
  }

  async write(batch: Batch): Promise<void> {
    assert(batch instanceof StoreBatch, 'a store writes only batches that it created');
    await this.#commit(batch);
  }

  async getRows(partition: number, keys: readonly Uint8Array[]): Promise<(Uint8Array | null)[]> {
    const [rows = []] = await this.getRowsOfAll([{ partition, keys }]);
    return rows;
  }

  async getRowsOfAll(requests: readonly RowsRequest[]): Promise<(Uint8Array | null)[][]> {
    const full = requests.map(({ partition, keys }) => {
      const place = this.#place(partition);
      return keys.map((key) => rowKey(place, key));
    });
    const found = await this.#read(() => this.#db.getMany(full.flat()));
    let at = 0;
    return requests.map(({ partition }, request) =>
      (full[request] ?? []).map((key) => {
        const stored = found[at++];
        return stored === undefined ? null : decodeRecord(key, stored, rowName(partition));
      }),
    );
  }

  async scanRows(
    partition: number,
    range: { from: Uint8Array; to: Uint8Array; limit: number; reverse?: boolean },
  ): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
    const place = this.#place(partition);
    const keys = { gte: rowKey(place, range.from), lt: rowKey(place, range.to) };
    const limits = { rows: range.limit, reverse: range.reverse ?? false };
    const rows = await this.#read(() => readPage(this.#db, keys, limits));
    return rows.map(([key, stored]) => ({
      key: rowKeyOf(key),
      value: decodeRecord(key, stored, rowName(partition)),
    }));
  }

  async readEntries(
    partition: number,
    from: number,
    to: number,
    bytesMax: number,
  ): Promise<LogEntry[]> {
    assert(from <= to, 'entries are read upwards');
    const range = entriesRange(this.#place(partition), from, to);
    const limits = { rows: to - from + 1, bytes: Math.max(1, bytesMax) };
    const rows = await this.#read(() => readPage(this.#db, range, limits));
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (const [key, stored] of rows) {
      const index = from + entries.length;
      if (entryIndexOf(key) !== index) throw missingEntry(partition, index);
      if (entries.length > 0 && bytes + stored.length > bytesMax) return entries;
      entries.push(decodeStoredEntry(partition, index, stored));
      bytes += stored.length;
    }
    // The page ends early by its bytes or because nothing follows; only the former is right.
    if (entries.length < limits.rows && bytes < limits.bytes) {
      throw missingEntry(partition, from + entries.length);
    }
    return entries;
  }

  async getEntries(partition: number, indexes: readonly number[]): Promise<LogEntry[]> {
    const place = this.#place(partition);
    const keys = indexes.map((index) => entryKey(place, index));
    const found = await this.#read(() => this.#db.getMany(keys));
    return indexes.map((index, at) => {
      const stored = found[at];
      if (stored === undefined) throw missingEntry(partition, index);
      return decodeStoredEntry(partition, index, stored);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  #newBatch(): StoreBatch {
    this.#assertUsable();
    return new StoreBatch(this.#db.batch(), this.#generations);
  }

  async #commit(batch: StoreBatch): Promise<void> {
    this.#assertUsable();
    assert(this.#writing === null, 'one write is in flight at a time');
    const record = nextBatchRecord(this.#newest, this.#randomBytes);
    try {
      this.#writing = batch.commit(record);
      await this.#writing;
    } catch (error) {
      this.#refusal = storageError('writing the store', error);
      throw this.#refusal;
    } finally {
      this.#writing = null;
    }
    this.#newest = record;
    for (const partition of batch.begun) this.#generations.set(partition, firstGeneration);
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    this.#assertUsable();
    try {
      return await work();
    } catch (error) {
      throw this.#refusal ?? storageError('reading the store', error);
    }
  }

  async #finish(): Promise<void> {
    this.#refusal ??= new PacelineError({ reason: 'STOPPING', message: 'the store is closed' });
    // How it ended is told to the one who wrote; here only that it ended matters.
    if (this.#writing !== null) await Promise.allSettled([this.#writing]);
    await this.#db.close();
  }

  #place(partition: number): Place {
    return { partition, generation: this.#generations.get(partition) ?? firstGeneration };
  }

  #assertUsable(): void {
    if (this.#refusal !== null) throw this.#refusal;
  }
}

function rowName(partition: number): { partition: number; row: string } {
  return { partition, row: 'a row' };
}

function missingEntry(partition: number, index: number): PacelineError {
  return corrupt(entryName(partition, index), 'is missing');
}
