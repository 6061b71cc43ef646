// Each conversation's head, and where its messages and events stand, as far as memory has them.
import { assert } from '../assert.ts';
import { CleanRows } from './clean-rows.ts';
import type { Row } from './dedupe.ts';
import { type CommandsHeader, isEvent, type SlotExtra } from './header.ts';
import { eventKey, headKey, indexKey } from './row-keys.ts';
import {
  type EventPlace,
  encodeHead,
  encodeRun,
  eventPlaces,
  type Head,
  headOf,
  type Place,
} from './row-values.ts';

/**
 * A conversation's rows since the last checkpoint. The newest place stands in the head row alone; so
 * the places (as index, slot, index, ...) begin with the newest one of before, and at a checkpoint
 * all but the last become an index row. A conversation of one message is one row.
 */
interface Dirty extends Head {
  readonly shard: number;
  /** Of the first place. */
  readonly firstSeq: number;
  readonly places: number[];
  /** rev, index, slot, seq, rev, ... */
  events: number[];
  seq: number;
  rev: number;
  index: number;
  slot: number;
  extra: Head['extra'];
}

export type FrozenHeads = ReadonlyMap<string, Dirty>;

/** Of all conversations without events; nothing is ever put into it. */
const noEvents: number[] = [];
const placesPerRow = 256;
const dirtyBytesPerConversation = 96;
const dirtyBytesPerPlace = 8;

export class Heads {
  private live = new Map<string, Dirty>();
  private frozen: Map<string, Dirty> | null = null;
  private livePlaces = 0;
  private liveRunRows = 0;
  private readonly clean = new CleanRows<Head>();

  get dirtyRows(): number {
    return this.live.size + this.liveRunRows;
  }

  get dirtyBytes(): number {
    return this.live.size * dirtyBytesPerConversation + this.livePlaces * dirtyBytesPerPlace;
  }

  /** undefined: not in memory. */
  get(conversation: string): Head | undefined {
    return (
      this.live.get(conversation) ?? this.frozen?.get(conversation) ?? this.clean.get(conversation)
    );
  }

  admit(conversation: string, head: Head): void {
    if (this.get(conversation) === undefined) this.clean.admit(conversation, head);
  }

  /** The commands that asked for rows were sequenced: keep a bounded number of them. */
  release(): void {
    this.clean.release();
  }

  fold(
    conversation: string,
    columns: CommandsHeader,
    index: number,
    slot: number,
    extra: SlotExtra | undefined,
  ): void {
    const dirty = this.live.get(conversation) ?? this.begin(conversation, columns, index, slot);
    const seq = columns.seqs[slot] ?? 0;
    const rev = columns.revs[slot] ?? 0;
    const event = isEvent(extra);
    assert(rev === dirty.rev + 1, 'folded rev = head + 1');
    assert(seq === dirty.seq + (event ? 0 : 1), 'folded seq = head + 1');
    dirty.rev = rev;
    dirty.extra = extra?.conversation ?? null;
    this.livePlaces += event ? 2 : 1;
    if (event) {
      if (dirty.events === noEvents) dirty.events = [];
      if (dirty.events.push(rev, index, slot, seq) === 4) this.liveRunRows += 1;
      return;
    }
    dirty.seq = seq;
    dirty.index = index;
    dirty.slot = slot;
    if (dirty.places.push(index, slot) === 4) this.liveRunRows += 1;
  }

  /** The places of firstSeq..lastSeq that memory has, without a hole up to its newest, ascending. */
  placesInMemory(conversation: string, firstSeq: number, lastSeq: number): Place[] {
    const places: Place[] = [];
    for (const dirty of [this.frozen?.get(conversation), this.live.get(conversation)]) {
      if (dirty === undefined) continue;
      const from = Math.max(firstSeq, dirty.firstSeq, (places.at(-1)?.seq ?? 0) + 1);
      const newest = dirty.firstSeq + dirty.places.length / 2 - 1;
      for (let seq = from; seq <= Math.min(lastSeq, newest); seq++) {
        const at = (seq - dirty.firstSeq) * 2;
        places.push({ seq, index: dirty.places[at] ?? 0, slot: dirty.places[at + 1] ?? 0 });
      }
    }
    return places;
  }

  /** Those of firstRev..lastRev that are not yet known to be on disk, ascending. */
  eventsInMemory(conversation: string, firstRev: number, lastRev: number): EventPlace[] {
    return this.dirtyWithEvents(conversation).flatMap(({ events }) => {
      const start = firstEventFrom(events, firstRev);
      return eventPlaces(events.slice(start, firstEventFrom(events, lastRev + 1)));
    });
  }

  /** All before it have a row on disk; undefined: all have. */
  oldestEventInMemory(conversation: string): EventPlace | undefined {
    const [oldest] = this.dirtyWithEvents(conversation);
    return oldest === undefined ? undefined : eventPlaces(oldest.events.slice(0, 4))[0];
  }

  freeze(): FrozenHeads {
    const dirty = this.live;
    this.frozen = dirty;
    this.live = new Map();
    this.livePlaces = 0;
    this.liveRunRows = 0;
    return dirty;
  }

  /** The frozen ones are durable. */
  written(): void {
    for (const [conversation, dirty] of this.frozen ?? []) {
      this.clean.keep(conversation, headOf(dirty));
    }
    this.frozen = null;
  }

  private dirtyWithEvents(conversation: string): Dirty[] {
    const both = [this.frozen?.get(conversation), this.live.get(conversation)];
    return both.flatMap((dirty) => (dirty && dirty.events.length > 0 ? [dirty] : []));
  }

  /** From the entry alone: it says where the message before stands. */
  private begin(conversation: string, columns: CommandsHeader, index: number, slot: number): Dirty {
    const seq = (columns.seqs[slot] ?? 0) - (isEvent(columns.extras.get(slot)) ? 0 : 1);
    const rev = (columns.revs[slot] ?? 0) - 1;
    const known = this.get(conversation);
    assert(known === undefined || known.seq === seq, 'folded seq = head + 1');
    const isFirst = seq === 0;
    const previousIndex = isFirst ? 0 : index - (columns.previousBack[slot] ?? 0);
    const previousSlot = isFirst ? 0 : (columns.previousSlots[slot] ?? 0);
    const dirty: Dirty = {
      shard: columns.shards[slot] ?? 0,
      firstSeq: Math.max(seq, 1),
      seq,
      rev,
      index: previousIndex,
      slot: previousSlot,
      places: isFirst ? [] : [previousIndex, previousSlot],
      events: noEvents,
      extra: null,
    };
    this.live.set(conversation, dirty);
    this.clean.forget(conversation);
    return dirty;
  }
}

/** Where in rev, index, slot, seq, rev, ... the first event with rev >= `rev` begins. */
function firstEventFrom(events: readonly number[], rev: number): number {
  let low = 0;
  let high = events.length / 4;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle * 4] ?? 0) < rev) low = middle + 1;
    else high = middle;
  }
  return low * 4;
}

/** The rows of frozen heads. */
export function headRows(frozen: FrozenHeads): Row[] {
  const rows: Row[] = [];
  for (const [conversation, dirty] of frozen) {
    const { shard, firstSeq, places, events } = dirty;
    rows.push({ key: headKey(shard, conversation), value: encodeHead(dirty) });
    const end = places.length - 2;
    for (let start = 0; start < end; start += placesPerRow * 2) {
      const run = places.slice(start, Math.min(start + placesPerRow * 2, end));
      const key = indexKey(shard, conversation, firstSeq + start / 2);
      rows.push({ key, value: encodeRun(run) });
    }
    for (let start = 0; start < events.length; start += placesPerRow * 4) {
      const run = events.slice(start, start + placesPerRow * 4);
      rows.push({ key: eventKey(shard, conversation, run[0] ?? 0), value: encodeRun(run) });
    }
  }
  return rows;
}
