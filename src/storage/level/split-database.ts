// The database of a store in two of LevelDB: the log, which only grows, in segments (segments.ts), and the state that
// checkpoints bring, where rows are replaced all the time. A batch is whole or not there in each of the two, and durable
// in both once it is written. A crash may keep what it brought to one and not what it brought to the other: a checkpoint
// stands at an entry that an earlier batch made durable, and without it the one before is replayed from.
import { assert } from '../../assert.ts';
import { nextBatchRecord, readNewestBatch, ringKeyOf, ringSlots } from '../batch-record.ts';
import {
  type Database,
  type DatabaseBatch,
  type DatabaseIterator,
  type DatabaseRange,
  isEmpty,
  readPage,
  type StoredRow,
} from '../database.ts';
import {
  batchRingRange,
  entryIndexOf,
  everything,
  homeOf,
  isEntryKey,
  isHardStateKey,
  type KeyRange,
  newestBatchKey,
  placeBytes,
  placeOf,
} from '../keys.ts';
import { type BatchRecord, encodeBatchRecord } from '../own-rows.ts';
import { encodeRecord } from '../record-codec.ts';
import { EntryIterator } from './entry-iterator.ts';
import {
  firstEntryRow,
  hardStateIn,
  inSegment,
  keyOf,
  lastingSegment,
  nowhere,
  placeNumber,
  Segments,
  within,
} from './segments.ts';

export interface LevelDatabase extends Database {
  /** Flushes what is in memory, and merges the files that have keys of the range. */
  compactRange(from: Buffer, to: Buffer): Promise<void>;
}

export interface SplitOptions {
  /** What a segment of the log has at least. */
  readonly segmentBytes: number;
  readonly randomBytes: (size: number) => Uint8Array;
}

interface Parts {
  readonly log: LevelDatabase;
  readonly state: LevelDatabase;
  readonly segments: Segments;
}

export class SplitDatabase implements Database {
  private readonly parts: Parts;
  private readonly randomBytes: SplitOptions['randomBytes'];
  /** Of the batches that brought something to the state: one that LevelDB's recovery skipped is missed. */
  private newest: BatchRecord | null;

  private constructor(parts: Parts, newest: BatchRecord | null, options: SplitOptions) {
    this.parts = parts;
    this.newest = newest;
    this.randomBytes = options.randomBytes;
  }

  /** Throws CORRUPT where the rows that are needed to find all others are damaged. */
  static async open(
    log: LevelDatabase,
    state: LevelDatabase,
    options: SplitOptions,
  ): Promise<SplitDatabase> {
    const segments = await Segments.read(log, options.segmentBytes);
    const newest = (await isEmpty(state, everything))
      ? null
      : await readNewestBatch(state, 'checkpoint batch');
    return new SplitDatabase({ log, state, segments }, newest, options);
  }

  async get(key: Buffer): Promise<Buffer | undefined> {
    const { log, state, segments } = this.parts;
    switch (homeOf(key)) {
      case 'state':
        return state.get(key);
      case 'lasting':
        return log.get(inSegment(lastingSegment, key));
      case 'log':
        if (isHardStateKey(key)) return segments.hardStates.get(key.toString('latin1'))?.[1];
        return log.get(this.whereIs(key));
    }
  }

  async getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    const { log, state } = this.parts;
    const homes = new Set(keys.map(homeOf));
    assert(homes.size <= 1, 'rows that are read together lie together');
    if (homes.has('state')) return state.getMany(keys);
    assert(keys.every(isEntryKey), 'of the log only entries are read together');
    return keys.length === 0 ? [] : log.getMany(keys.map((key) => this.whereIs(key)));
  }

  iterator(range: DatabaseRange): DatabaseIterator {
    const { log, state, segments } = this.parts;
    if (isSameRange(range, batchRingRange)) return listed(() => this.readRing());
    if (range.gte.length < placeBytes) return listed((size) => this.firstOfAll(range, size));
    if (homeOf(range.gte) === 'state') return state.iterator(range);
    assert(isEntryKey(range.gte) && !range.reverse, 'of the log only entries are read in order');
    const place = placeNumber(placeOf(range.gte));
    return new EntryIterator(log, range, segments.runsFrom(place, entryIndexOf(range.gte) ?? 0));
  }

  batch(): DatabaseBatch {
    return new SplitBatch(this.parts, () => this.nextStateRecord());
  }

  async close(): Promise<void> {
    await Promise.all([this.parts.log.close(), this.parts.state.close()]);
  }

  private nextStateRecord(): BatchRecord {
    this.newest = nextBatchRecord(this.newest, this.randomBytes);
    return this.newest;
  }

  /** Of an entry, or of the newest batch record. */
  private whereIs(key: Buffer): Buffer {
    const { segments } = this.parts;
    if (!isEntryKey(key)) return inSegment(segments.newest, key);
    const [run] = segments.runsFrom(placeNumber(placeOf(key)), entryIndexOf(key) ?? 0);
    return inSegment(run?.segment ?? segments.newest, key);
  }

  /** The slots of the ring lie in the segments that last wrote them. */
  private async readRing(): Promise<StoredRow[]> {
    const { log, segments } = this.parts;
    const slots = new Map<string, StoredRow>();
    for (let number = segments.newest; number > 0 && slots.size < ringSlots; number--) {
      const rows = await readPage(log, within(number, batchRingRange), { rows: ringSlots });
      for (const [full, value] of rows) {
        const key = keyOf(full);
        const slot = key.toString('latin1');
        if (!slots.has(slot)) slots.set(slot, [key, value]);
      }
    }
    return [...slots.values()];
  }

  /** The first row of a range that goes over partitions, entries left out: no place has these alone. */
  private async firstOfAll({ gte, lt }: KeyRange, size: number): Promise<StoredRow[]> {
    assert(size === 1, 'over partitions only the first row is looked for');
    const { log, state, segments } = this.parts;
    const [lasting] = await readPage(log, within(lastingSegment, { gte, lt }), { rows: 1 });
    const [row] = await readPage(state, { gte, lt }, { rows: 1 });
    const rows = [...segments.hardStates.values()].filter(([key]) => isIn(key, { gte, lt }));
    if (lasting !== undefined) rows.push([keyOf(lasting[0]), lasting[1]]);
    if (row !== undefined) rows.push(row);
    return rows.sort(([one], [other]) => one.compare(other)).slice(0, 1);
  }
}

class SplitBatch implements DatabaseBatch {
  private readonly parts: Parts;
  private readonly nextStateRecord: () => BatchRecord;
  private readonly segment: number;
  private readonly log: DatabaseBatch;
  /** null: nothing of it goes to the state. */
  private state: DatabaseBatch | null = null;
  private readonly firsts = new Map<number, number>();
  private readonly hardStates = new Map<string, StoredRow>();
  private bytes = 0;

  constructor(parts: Parts, nextStateRecord: () => BatchRecord) {
    this.parts = parts;
    this.nextStateRecord = nextStateRecord;
    this.segment = parts.segments.next;
    this.log = parts.log.batch();
  }

  put(key: Buffer, value: Buffer): void {
    switch (homeOf(key)) {
      case 'state':
        this.stateBatch.put(key, value);
        return;
      case 'lasting':
        this.putLog(inSegment(lastingSegment, key), value);
        return;
      case 'log':
        if (isHardStateKey(key)) this.hardStates.set(key.toString('latin1'), [key, value]);
        else if (isEntryKey(key)) this.putEntry(key, value);
        else this.putLog(inSegment(this.segment, key), value);
    }
  }

  del(key: Buffer): void {
    if (homeOf(key) === 'state') {
      this.stateBatch.del(key);
      return;
    }
    assert(isEntryKey(key), 'of the log only entries are removed');
    const place = placeNumber(placeOf(key));
    // One that this very batch has put lies in its segment, which is not known of yet.
    const [run] = this.parts.segments.runsFrom(place, entryIndexOf(key) ?? 0);
    for (let segment = run?.segment ?? this.segment; segment <= this.segment; segment++) {
      this.log.del(inSegment(segment, key));
    }
  }

  async write(options: { readonly sync: boolean }): Promise<void> {
    const { log, segments } = this.parts;
    const { segment, firsts, hardStates } = this;
    // A segment begins with all hard states, those that this batch does not bring too.
    const isFirst = segment > segments.newest;
    const states = isFirst ? new Map([...segments.hardStates, ...hardStates]) : hardStates;
    for (const [key, value] of states.values()) this.putLog(hardStateIn(segment, key), value);
    segments.apply({ segment, firsts, hardStates, bytes: this.bytes });
    if (this.state !== null) putRecord(this.state, this.nextStateRecord());
    await Promise.all([this.log.write(options), this.state?.write(options)]);
    // Before the first write into the next segment: no file has keys of two. Should it fail, so will the next write.
    if (segments.isFull) log.compactRange(nowhere.from, nowhere.to).catch(() => {});
  }

  private get stateBatch(): DatabaseBatch {
    this.state ??= this.parts.state.batch();
    return this.state;
  }

  private putEntry(key: Buffer, value: Buffer): void {
    const { segment, firsts } = this;
    const place = placeOf(key);
    const number = placeNumber(place);
    const index = entryIndexOf(key) ?? 0;
    const first = firsts.get(number);
    const isCovered =
      first === undefined ? this.parts.segments.covers(number, segment, index) : first <= index;
    if (!isCovered) {
      firsts.set(number, index);
      this.putLog(...firstEntryRow(segment, place, index));
    }
    this.putLog(inSegment(segment, key), value);
  }

  private putLog(key: Buffer, value: Buffer): void {
    this.log.put(key, value);
    this.bytes += key.length + value.length;
  }
}

function putRecord(state: DatabaseBatch, record: BatchRecord): void {
  const value = encodeBatchRecord(record);
  for (const key of [newestBatchKey, ringKeyOf(record)]) state.put(key, encodeRecord(key, value));
}

/** Of rows that are read at once. */
function listed(read: (size: number) => Promise<StoredRow[]>): DatabaseIterator {
  let rows: StoredRow[] | null = null;
  return {
    nextv: async (size) => {
      rows ??= await read(size);
      return rows.splice(0, size);
    },
    close: async () => {},
  };
}

function isSameRange(one: KeyRange, other: KeyRange): boolean {
  return one.gte.equals(other.gte) && one.lt.equals(other.lt);
}

function isIn(key: Buffer, { gte, lt }: KeyRange): boolean {
  return key.compare(gte) >= 0 && key.compare(lt) < 0;
}
