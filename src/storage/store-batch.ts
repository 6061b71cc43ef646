// One batch on its way into the database: rows are encoded and handed over as they come, so that a write
// only has to sync. Always a chained batch: the array form costs ten times as much with `sync`.
import { assert } from '../assert.ts';
import { encodeEntry, type LogEntry } from '../entry.ts';
import type { HardState } from '../raft/types.ts';
import { ringKeyOf } from './batch-record.ts';
import type { DatabaseBatch } from './database.ts';
import {
  checkpointKey,
  entryKey,
  firstGeneration,
  foundingKey,
  generationKey,
  hardStateKey,
  identityKey,
  newestBatchKey,
  type Place,
  rowKey,
} from './keys.ts';
import {
  type BatchRecord,
  encodeBatchRecord,
  encodeCheckpoint,
  encodeGeneration,
  encodeHardState,
  encodeIdentity,
} from './own-rows.ts';
import { encodeRecord } from './record-codec.ts';
import type { Batch, Checkpoint, RowWrite, StoreIdentity } from './types.ts';

export class StoreBatch implements Batch {
  readonly #rows: DatabaseBatch;
  readonly #generations: ReadonlyMap<number, number>;
  readonly #begun = new Set<number>();
  #sealed = false;

  constructor(rows: DatabaseBatch, generations: ReadonlyMap<number, number>) {
    this.#rows = rows;
    this.#generations = generations;
  }

  /** Partitions that get their first rows by this batch. */
  get begun(): ReadonlySet<number> {
    return this.#begun;
  }

  putHardState(partition: number, state: HardState): void {
    this.#place(partition);
    this.#putRecord(hardStateKey(partition), encodeHardState(state));
  }

  putEntry(partition: number, entry: LogEntry): void {
    this.#put(entryKey(this.#place(partition), entry.index), encodeEntry(partition, entry));
  }

  removeEntries(partition: number, from: number, to: number): void {
    const place = this.#place(partition);
    for (let index = from; index <= to; index++) this.#remove(entryKey(place, index));
  }

  putRow(partition: number, row: RowWrite): void {
    const key = rowKey(this.#place(partition), row.key);
    if (row.value === null) this.#remove(key);
    else this.#putRecord(key, row.value);
  }

  putCheckpoint(partition: number, checkpoint: Checkpoint): void {
    this.#putRecord(checkpointKey(this.#place(partition)), encodeCheckpoint(checkpoint));
  }

  putIdentity(identity: StoreIdentity): void {
    this.#putRecord(identityKey, encodeIdentity(identity));
  }

  putFounding(record: Uint8Array): void {
    this.#putRecord(foundingKey, record);
  }

  /** Adds the record of this batch and makes all of it durable. */
  async commit(record: BatchRecord): Promise<void> {
    const value = encodeBatchRecord(record);
    this.#putRecord(newestBatchKey, value);
    this.#putRecord(ringKeyOf(record), value);
    this.#sealed = true;
    await this.#rows.write({ sync: true });
  }

  #place(partition: number): Place {
    const generation = this.#generations.get(partition);
    if (generation !== undefined) return { partition, generation };
    if (!this.#begun.has(partition)) {
      this.#begun.add(partition);
      this.#putRecord(generationKey(partition), encodeGeneration(firstGeneration));
    }
    return { partition, generation: firstGeneration };
  }

  #putRecord(key: Buffer, value: Uint8Array): void {
    this.#put(key, encodeRecord(key, value));
  }

  #put(key: Buffer, stored: Buffer): void {
    assert(!this.#sealed, 'a batch is not changed once it is being written');
    this.#rows.put(key, stored);
  }

  #remove(key: Buffer): void {
    assert(!this.#sealed, 'a batch is not changed once it is being written');
    this.#rows.del(key);
  }
}
