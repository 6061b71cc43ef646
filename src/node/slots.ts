// What stands in the entries of the log: messages and events, cut out of an entry's bytes with what its
// header says of them.
import { assert } from '../assert.ts';
import { type LogEntry, payloadCommands, payloadHeader } from '../entry.ts';
import {
  type CommandsHeader,
  decodeCommandsHeader,
  plainSlot,
  type SlotKind,
} from '../order/header.ts';
import type { PendingState, Place } from '../order/row-values.ts';
import type { ReadSource, ReadStore } from './source.ts';

const entriesAtOnce = { first: 4, max: 64 } as const;

/** A message or an event, as its entry says, but for `state` and `subject`. */
export interface StoredSlot {
  /** An event has that of the newest message before it. */
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
  readonly timeMs: number;
  readonly index: number;
  readonly slot: number;
  readonly kind: SlotKind;
  /** A message that came late: the rev of the gap's marker, 0 = there is none. */
  readonly lateFor: number | null;
  /** Given by a registration. */
  readonly epoch: number;
  /** The message that a release or reject is about. */
  readonly target: number;
  /** Of a message, once it was looked up (stored-message.ts); until then, and of an event: 'normal'. */
  readonly state: 'normal' | PendingState['kind'];
  /** Of a release, once it was looked up: the message it is about; null where that cannot be read. */
  readonly subject: StoredSlot | null;
  /** The wire form of its AppendCommand. */
  readonly command: Uint8Array;
}

/** At least one, then as many as fit in `bytesMax`, in the order of the places. */
export async function fetchSlots(
  source: ReadSource,
  store: ReadStore,
  places: readonly Place[],
  bytesMax: number,
): Promise<StoredSlot[]> {
  const slots: StoredSlot[] = [];
  let bytes = 0;
  let count: number = entriesAtOnce.first;
  for (let start = 0; start < places.length; ) {
    const some = places.slice(start, start + count);
    start += count;
    const entries = await fetchEntries(source, store, some);
    for (const place of some) {
      const entry = entries.get(place.index);
      assert(entry !== undefined, 'the entry of a place was fetched');
      const found = entry.at(place.slot);
      assert(found.seq === place.seq, 'the slot of a place holds its seq');
      bytes += found.command.length;
      if (bytes > bytesMax && slots.length > 0) return slots;
      slots.push(found);
    }
    // As many as are likely to fit: of large bodies only a few more than the page takes.
    const likely = Math.ceil(((bytesMax - bytes) * slots.length) / bytes);
    count = Math.max(1, Math.min(likely, entriesAtOnce.max));
  }
  return slots;
}

/** Those of a Commands entry from `fromSlot` on, `limit` at most. */
export function slotsOf(entry: LogEntry, fromSlot: number, limit: number): StoredSlot[] {
  const opened = new OpenEntry(entry);
  const slots: StoredSlot[] = [];
  const end = Math.min(opened.length, fromSlot + limit);
  for (let slot = fromSlot; slot < end; slot++) slots.push(opened.at(slot));
  return slots;
}

async function fetchEntries(
  source: ReadSource,
  store: ReadStore,
  places: readonly Place[],
): Promise<Map<number, OpenEntry>> {
  const entries = new Map<number, OpenEntry>();
  const missing = new Set<number>();
  for (const { index } of places) {
    if (entries.has(index)) continue;
    const entry = source.entry(index);
    if (entry !== null) entries.set(index, new OpenEntry(entry));
    else missing.add(index);
  }
  if (missing.size === 0) return entries;
  const fetched = await store.getEntries(source.partition, [...missing]);
  for (const entry of fetched) entries.set(entry.index, new OpenEntry(entry));
  return entries;
}

/** A Commands entry whose header was decoded once, however many of its slots are read. */
class OpenEntry {
  private readonly entry: LogEntry;
  private readonly columns: CommandsHeader;
  private readonly commands: Uint8Array;
  /** Where each command begins, and the last one ends. */
  private readonly starts: readonly number[];

  constructor(entry: LogEntry) {
    this.entry = entry;
    this.commands = payloadCommands(entry.payload);
    this.columns = decodeCommandsHeader(payloadHeader(entry.payload), this.commands.length);
    const starts = [0];
    for (const length of this.columns.lengths) starts.push((starts.at(-1) ?? 0) + length);
    this.starts = starts;
  }

  get length(): number {
    return this.columns.lengths.length;
  }

  at(slot: number): StoredSlot {
    const { entry, starts } = this;
    const { seqs, revs, idAheadMs, idCounters, shards, extras } = this.columns;
    const { kind, lateFor, epoch, target } = extras.get(slot) ?? plainSlot;
    return {
      seq: seqs[slot] ?? 0,
      rev: revs[slot] ?? 0,
      idMs: entry.timeMs + (idAheadMs[slot] ?? 0),
      idCounter: idCounters[slot] ?? 0,
      shard: shards[slot] ?? 0,
      timeMs: entry.timeMs,
      index: entry.index,
      slot,
      kind,
      lateFor,
      epoch,
      target,
      state: 'normal',
      subject: null,
      command: this.commands.subarray(starts[slot], starts[slot + 1]),
    };
  }
}
