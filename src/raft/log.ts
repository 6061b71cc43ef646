// The log of one replica: its newest entries in memory, the terms of all of them, and how far it is
// durable. Everything below the window is applied and durable here, and is read from storage, down to the
// boundary: what is at or below it has left the log, or was never here but in a snapshot.

import { assert } from '../assert.ts';
import { type LogPosition, TermRuns } from './term-runs.ts';
import type { Entry, LogTail, Snapshot, StoredLog, TermRun } from './types.ts';
import { type UnwrittenRange, WriteMarks } from './write-marks.ts';

/** What an entry without payload costs in memory and in a frame, roughly. */
const ENTRY_OVERHEAD_BYTES = 64;
/** Freed slots at the front of the window are closed up once there are this many. */
const FREED_SLOTS_MIN = 256;

export interface Batch<P> {
  readonly fromIndex: number;
  readonly entries: readonly Entry<P>[];
  readonly bytes: number;
}

interface Unwritten<P> extends Omit<UnwrittenRange, 'fromIndex'> {
  readonly entries: readonly Entry<P>[];
  readonly snapshot: Snapshot | null;
}

export function entryBytes<P>(entry: Entry<P>): number {
  return entry.payloadBytes + ENTRY_OVERHEAD_BYTES;
}

export class Log<P> {
  readonly #runs: TermRuns;
  readonly #marks: WriteMarks;
  /** Entries from firstIndex on begin at `#head`; slots before it are freed. */
  #window: (Entry<P> | undefined)[];
  #head = 0;
  #bytes = 0;
  /** The entry just before the window. */
  #prior: LogTail;
  #tail: LogTail;
  /** Has taken the place of the log, and no step was given it yet. */
  #unwrittenSnapshot: Snapshot | null = null;

  constructor(recovered: StoredLog<P>) {
    this.#prior = recovered.base;
    this.#tail = recovered.base;
    this.#window = [];
    this.#runs = new TermRuns(recovered.terms, recovered.base);
    this.#runs.forgetBelow(recovered.boundary);
    for (const entry of recovered.entries) this.#push(entry);
    this.#marks = new WriteMarks(this.#tail.index);
  }

  get lastIndex(): number {
    return this.#tail.index;
  }

  get tail(): LogTail {
    return this.#tail;
  }

  get durableIndex(): number {
    return this.#marks.durable;
  }

  /** The oldest index in memory; lastIndex + 1 where none is. */
  get firstIndex(): number {
    return this.#prior.index + 1;
  }

  /** The newest index that has left the log: of it only the term is known, of what is below it nothing. */
  get boundary(): number {
    return this.#runs.boundary;
  }

  /** `appendSeq` is the step that will write it. */
  append(entry: Entry<P>, appendSeq: number): void {
    this.#push(entry);
    this.#marks.appended(entry.index, appendSeq);
  }

  #push(entry: Entry<P>): void {
    assert(entry.index === this.#tail.index + 1, 'the log has no holes');
    assert(entry.term >= this.#tail.term, 'terms do not fall along the log');
    assert(entry.timeMs >= this.#tail.timeMs, 'log time does not fall');
    this.#window.push(entry);
    this.#bytes += entryBytes(entry);
    this.#runs.append(entry.term);
    this.#tail = entry;
  }

  /** Removes `index` and all above it. That nothing committed goes is asserted by the caller too. */
  truncateFrom(index: number): void {
    assert(index > this.#prior.index && index <= this.lastIndex, 'only the window is truncated');
    const length = this.#slot(index);
    for (let slot = length; slot < this.#window.length; slot += 1) {
      const entry = this.#window[slot];
      if (entry !== undefined) this.#bytes -= entryBytes(entry);
    }
    this.#window.length = length;
    this.#runs.truncateFrom(index);
    this.#marks.truncatedFrom(index);
    this.#tail = this.entryAt(index - 1) ?? this.#prior;
  }

  entryAt(index: number): Entry<P> | null {
    if (index <= this.#prior.index) return null;
    return this.#window[this.#slot(index)] ?? null;
  }

  termAt(index: number): number | null {
    return this.#runs.termAt(index);
  }

  chainAt(index: number): Uint8Array | null {
    if (index === this.#prior.index) return this.#prior.chain;
    return this.entryAt(index)?.chain ?? null;
  }

  termsUpTo(index: number): readonly TermRun[] {
    return this.#runs.upTo(index);
  }

  newestUpTo(index: number, term: number): LogPosition {
    return this.#runs.newestUpTo(index, term);
  }

  /** Whether a log that ends at `other` holds everything this one may have committed (thesis 3.6.1). */
  isUpToDate(other: LogPosition): boolean {
    if (other.term !== this.#tail.term) return other.term > this.#tail.term;
    return other.index >= this.#tail.index;
  }

  /** Both ends included, both in memory. */
  slice(fromIndex: number, toIndex: number): readonly Entry<P>[] {
    assert(fromIndex >= this.firstIndex && toIndex <= this.lastIndex, 'a slice is in memory');
    const entries: Entry<P>[] = [];
    for (let slot = this.#slot(fromIndex); slot <= this.#slot(toIndex); slot += 1) {
      const entry = this.#window[slot];
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** From `fromIndex` on as many as fit, but at least one. */
  batch(fromIndex: number, bytesMax: number): Batch<P> {
    const entries: Entry<P>[] = [];
    let bytes = 0;
    for (let slot = this.#slot(fromIndex); slot < this.#window.length; slot += 1) {
      const entry = this.#window[slot];
      if (entry === undefined) break;
      const size = entryBytes(entry);
      if (entries.length > 0 && bytes + size > bytesMax) break;
      entries.push(entry);
      bytes += size;
    }
    return { fromIndex, entries, bytes };
  }

  payloadBytesBetween(fromIndex: number, toIndex: number): number {
    let bytes = 0;
    for (let index = fromIndex; index <= toIndex; index += 1) {
      bytes += this.entryAt(index)?.payloadBytes ?? 0;
    }
    return bytes;
  }

  get hasUnwritten(): boolean {
    return this.#marks.pending || this.#unwrittenSnapshot !== null;
  }

  takeUnwritten(): Unwritten<P> {
    const { fromIndex, truncateFrom, truncateTo } = this.#marks.take();
    // Field by field: a spread here cost a third of the core's work at one entry a drain.
    const entries = this.slice(fromIndex, this.lastIndex);
    const snapshot = this.#unwrittenSnapshot;
    this.#unwrittenSnapshot = null;
    return { truncateFrom, truncateTo, entries, snapshot };
  }

  persisted(appendSeq: number): void {
    this.#marks.persisted(appendSeq);
  }

  /** Drops the oldest entries beyond `bytesMax`, none above `applied`, never the newest. */
  evict(applied: number, bytesMax: number): void {
    this.#drop(Math.min(applied, this.durableIndex, this.lastIndex - 1), bytesMax);
  }

  /** Everything up to `index`, which is applied, leaves the log. */
  compact(index: number): void {
    if (index <= this.boundary) return;
    assert(index <= this.durableIndex, 'only what is durable is compacted');
    this.#drop(index, -1);
    this.#runs.forgetBelow(index);
  }

  /** All goes, and the log goes on after the snapshot; `appendSeq` is the step that will write it. */
  restore(snapshot: Snapshot, appendSeq: number): void {
    this.#window = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#prior = tailOf(snapshot);
    this.#tail = this.#prior;
    this.#runs.reset(snapshot);
    this.#marks.restored(snapshot.index, appendSeq);
    this.#unwrittenSnapshot = snapshot;
  }

  /** Drops the oldest entries from memory while there are more bytes, none above `limit`. */
  #drop(limit: number, bytesMax: number): void {
    let newest: Entry<P> | undefined;
    while (this.#bytes > bytesMax && (newest ?? this.#prior).index < limit) {
      newest = this.#window[this.#head];
      assert(newest !== undefined, 'the window has no holes');
      this.#window[this.#head] = undefined;
      this.#head += 1;
      this.#bytes -= entryBytes(newest);
    }
    if (newest !== undefined) this.#prior = tailOf(newest);
    if (this.#head >= FREED_SLOTS_MIN && this.#head * 2 >= this.#window.length) {
      this.#window = this.#window.slice(this.#head);
      this.#head = 0;
    }
  }

  #slot(index: number): number {
    return this.#head + index - this.#prior.index - 1;
  }
}

/** Without the payload, so that an evicted one can be collected. */
function tailOf({ index, term, chain, timeMs }: LogTail): LogTail {
  return { index, term, chain, timeMs };
}
