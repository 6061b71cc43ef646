// The segments of the log. LevelDB writes what it holds in memory to files, each with keys from a first to a last,
// and merges files whose ranges overlap: all that was ever written is written again, and the store slows down for
// seconds. So every key of the log begins with the number of the segment that was the newest when it was written, and a
// segment ends where LevelDB's memory is flushed: no range overlaps another, and nothing is merged. Each segment says
// for each place (a generation of a partition) which of its entries is the first here, and begins with a copy of all
// hard states, so that only the newest one is read for them.
import { assert } from '../../assert.ts';
import { type Database, readPage, type StoredRow } from '../database.ts';
import { type KeyRange, type Place, placeOf } from '../keys.ts';
import { decodeShapedRecord, encodeRecord } from '../record-codec.ts';

/** What is written once lies before all segments. */
export const lastingSegment = 0;
const firstSegment = 1;
const numberBytes = 4;
// Behind the number, besides the keys that the store gives (keys.ts), whose first bytes are lower:
//   2 | partition u16 | generation u32   the first entry of that place, u64; placeOf reads that as in keys.ts
//   3 | key of a hard state
const firstEntrySpace = 2;
const hardStateSpace = 3;
const firstEntryKeyBytes = 7;
const indexBytes = 8;

/** The entries of a place from `first` on, up to the next run, are in `segment`. */
export interface Run {
  readonly segment: number;
  readonly first: number;
}

/** What a batch that was written into `segment` changes. */
export interface SegmentChanges {
  readonly segment: number;
  /** By place: the lowest entry that it put there, where that was not in this segment before. */
  readonly firsts: ReadonlyMap<number, number>;
  readonly hardStates: ReadonlyMap<string, StoredRow>;
  readonly bytes: number;
}

export class Segments {
  /** The newest that anything was written into; 0 = none. */
  newest = 0;
  private readonly segmentBytes: number;
  private bytes = 0;
  /** By place, both numbers rising. */
  private readonly runs = new Map<number, Run[]>();
  private readonly points = new Map<string, StoredRow>();

  private constructor(segmentBytes: number) {
    this.segmentBytes = segmentBytes;
  }

  /** Throws CORRUPT where a segment does not say what is in it. */
  static async read(log: Database, segmentBytes: number): Promise<Segments> {
    const segments = new Segments(segmentBytes);
    for (;;) {
      const from = Math.max(firstSegment, segments.newest + 1);
      const [row] = await readPage(log, { gte: numbered(from), lt: beyond }, { rows: 1 });
      if (row === undefined) break;
      segments.newest = row[0].readUInt32BE(0);
      await segments.readRuns(log);
    }
    const hardStates = await readAll(log, spaceOf(segments.newest, hardStateSpace));
    for (const [full, value] of hardStates) {
      const key = keyOf(full).subarray(1);
      segments.points.set(key.toString('latin1'), [key, value]);
    }
    // After a start the next batch begins a segment, as LevelDB flushed what it found in its own log.
    segments.bytes = segmentBytes;
    return segments;
  }

  /** The segment of a batch that is made now. */
  get next(): number {
    return this.isFull ? this.newest + 1 : this.newest;
  }

  /** The newest one has what is to be flushed together. */
  get isFull(): boolean {
    return this.bytes >= this.segmentBytes;
  }

  /** By key as text. */
  get hardStates(): ReadonlyMap<string, StoredRow> {
    return this.points;
  }

  /** In their order, those from which on entries of the place at `index` and above can be. */
  runsFrom(place: number, index: number): readonly Run[] {
    const runs = this.runs.get(place) ?? [];
    const after = runs.findIndex((run) => run.first > index);
    return runs.slice(Math.max(0, (after === -1 ? runs.length : after) - 1));
  }

  /** Has `segment` entries of the place from `index`, or before it, on? */
  covers(place: number, segment: number, index: number): boolean {
    const last = this.runs.get(place)?.at(-1);
    return last !== undefined && last.segment === segment && last.first <= index;
  }

  /** The batch is on its way: the next ones are made as if it stood. */
  apply({ segment, firsts, hardStates, bytes }: SegmentChanges): void {
    assert(segment >= this.newest, 'batches are written in the order in which they were made');
    if (segment > this.newest) this.bytes = 0;
    this.newest = segment;
    this.bytes += bytes;
    for (const [place, first] of firsts) this.begin(place, { segment, first });
    for (const [name, row] of hardStates) this.points.set(name, row);
  }

  /** Of the newest. */
  private async readRuns(log: Database): Promise<void> {
    const segment = this.newest;
    for (const [key, stored] of await readAll(log, spaceOf(segment, firstEntrySpace))) {
      const place = placeOf(keyOf(key));
      const name = { partition: place.partition, row: `its first entry in segment ${segment}` };
      const first = decodeShapedRecord(key, stored, name, decodeIndex);
      this.begin(placeNumber(place), { segment, first });
    }
  }

  /** What stood from `first` on was cut off, or there was nothing. */
  private begin(place: number, run: Run): void {
    const runs = (this.runs.get(place) ?? []).filter(({ first }) => first < run.first);
    runs.push(run);
    this.runs.set(place, runs);
  }
}

/** A place as one number. */
export function placeNumber({ partition, generation }: Place): number {
  return partition * 2 ** 32 + generation;
}

/** The key as it lies in the log's database. */
export function inSegment(segment: number, key: Buffer): Buffer {
  const full = Buffer.allocUnsafe(numberBytes + key.length);
  full.writeUInt32BE(segment, 0);
  full.set(key, numberBytes);
  return full;
}

export function hardStateIn(segment: number, key: Buffer): Buffer {
  return inSegment(segment, Buffer.concat([Buffer.from([hardStateSpace]), key]));
}

/** Without the number of its segment. */
export function keyOf(full: Buffer): Buffer {
  return full.subarray(numberBytes);
}

export function within(segment: number, { gte, lt }: KeyRange): KeyRange {
  return { gte: inSegment(segment, gte), lt: inSegment(segment, lt) };
}

/** Says that the first entry of the place in this segment is `index`. */
export function firstEntryRow(segment: number, place: Place, index: number): StoredRow {
  const key = Buffer.allocUnsafe(firstEntryKeyBytes);
  key[0] = firstEntrySpace;
  key.writeUInt16BE(place.partition, 1);
  key.writeUInt32BE(place.generation, 3);
  const value = Buffer.allocUnsafe(indexBytes);
  value.writeBigUInt64BE(BigInt(index));
  const full = inSegment(segment, key);
  return [full, encodeRecord(full, value)];
}

function decodeIndex(value: Buffer): number | null {
  if (value.length !== indexBytes) return null;
  const index = Number(value.readBigUInt64BE());
  return Number.isSafeInteger(index) && index > 0 ? index : null;
}

function numbered(segment: number): Buffer {
  return inSegment(segment, Buffer.alloc(0));
}

const beyond = numbered(0xffff_ffff);

/** Above everything that is ever written. */
export const nowhere = { from: beyond, to: Buffer.concat([beyond, beyond]) } as const;

function spaceOf(segment: number, space: number): KeyRange {
  return within(segment, { gte: Buffer.from([space]), lt: Buffer.from([space + 1]) });
}

function readAll(db: Database, range: KeyRange): Promise<StoredRow[]> {
  return readPage(db, range, { rows: Number.MAX_SAFE_INTEGER });
}
