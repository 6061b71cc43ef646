// Where the messages and events of a conversation stand: what memory has, and rows on disk for what is
// before that. Memory is always looked at first: a checkpoint written meanwhile only adds rows, and
// what was on disk then still is.
import { assert } from '../assert.ts';
import { eventKey, indexKey, indexKeyFirstSeq } from '../order/row-keys.ts';
import {
  decodeEventRow,
  decodeIndexRow,
  type EventPlace,
  type Head,
  type Place,
} from '../order/row-values.ts';
import type { ConversationPlace, ReadSource, ReadStore } from './source.ts';

/** Of the messages first..last, none of them after `head`, as memory or the store had it. */
export async function messagePlaces(
  source: ReadSource,
  store: ReadStore,
  of: ConversationPlace,
  head: Head,
  first: number,
  last: number,
): Promise<Place[]> {
  if (last < first) return [];
  const newest = placesFromHead(source, of.conversation, head, first, last);
  const before = newest[0]?.seq ?? last + 1;
  const keyOf = (seq: number) => indexKey(of.shard, of.conversation, seq);
  const rows = await scanRuns(store, source.partition, keyOf, first, before - 1);
  const onDisk = rows
    .flatMap(({ key, value }) => decodeIndexRow(value, indexKeyFirstSeq(key)))
    .filter(({ seq }) => seq >= first && seq < before);
  const places = [...onDisk, ...newest];
  assert(places.length === last - first + 1, 'every seq up to the head has a place');
  for (const [i, { seq }] of places.entries()) {
    assert(seq === first + i, 'places are in order of seq, without a hole');
  }
  return places;
}

/** Those that no index row holds: what memory has, or the head's own. */
function placesFromHead(
  { rows }: ReadSource,
  conversation: string,
  head: Head,
  first: number,
  last: number,
): Place[] {
  const inMemory = rows.placesInMemory(conversation, first, last);
  if (inMemory.length > 0 || last < head.seq) return inMemory;
  return [{ seq: head.seq, index: head.index, slot: head.slot }];
}

/** A place in a conversation: after that message, and that many messages and events. */
export interface RevPlace {
  readonly seq: number;
  readonly rev: number;
}

/** Of the events after `at` up to the rev `last`. No store read where there can be none. */
export async function eventPlaces(
  { rows, partition }: ReadSource,
  store: ReadStore,
  { conversation, shard }: ConversationPlace,
  head: Head,
  at: RevPlace,
  last: number,
): Promise<EventPlace[]> {
  const eventsUpTo = ({ seq, rev }: RevPlace) => rev - seq;
  if (eventsUpTo(head) === eventsUpTo(at)) return [];
  const first = at.rev + 1;
  const oldest = rows.oldestEventInMemory(conversation);
  const inMemory = rows.eventsInMemory(conversation, first, last);
  const onDisk = oldest === undefined ? eventsUpTo(head) : eventsUpTo(oldest) - 1;
  if (onDisk <= eventsUpTo(at)) return inMemory;
  const before = Math.min(oldest?.rev ?? last + 1, last + 1);
  const keyOf = (rev: number) => eventKey(shard, conversation, rev);
  const found = await scanRuns(store, partition, keyOf, first, before - 1);
  return found
    .flatMap(({ value }) => decodeEventRow(value))
    .filter(({ rev }) => rev >= first && rev < before)
    .concat(inMemory);
}

/** How many messages there are up to the rev, which is not after `head`. */
export async function seqAt(
  source: ReadSource,
  store: ReadStore,
  of: ConversationPlace,
  head: Head,
  rev: number,
): Promise<number> {
  if (head.rev === head.seq) return rev;
  const inMemory = eventsOf(source, of.conversation, rev);
  const run = inMemory.length > 0 ? inMemory : await newestRun(source, store, of, rev);
  const last = run.findLast((event) => event.rev <= rev);
  return last === undefined ? rev : rev - (last.rev - last.seq);
}

/** The rev of a message, which is not after `head`; 0 of 0. Also where the message itself is gone. */
export async function revAt(
  source: ReadSource,
  store: ReadStore,
  of: ConversationPlace,
  head: Head,
  seq: number,
): Promise<number> {
  if (head.rev === head.seq || seq === 0) return seq;
  const inMemory = eventsOf(source, of.conversation, head.rev);
  let last = inMemory.findLast((event) => event.seq < seq);
  let low = 1;
  let high =
    last !== undefined ? 0 : Math.min(seq + head.rev - head.seq, inMemory[0]?.rev ?? head.rev);
  for (let probe = high; low <= high; probe = Math.floor((low + high) / 2)) {
    const run = await newestRun(source, store, of, probe);
    const [first] = run;
    if (first === undefined) low = probe + 1;
    else if (first.seq >= seq) high = first.rev - 1;
    else {
      last = run.findLast((event) => event.seq < seq);
      if (last !== run.at(-1)) break;
      low = Math.max(probe, last?.rev ?? 0) + 1;
    }
  }
  return last === undefined ? seq : seq + (last.rev - last.seq);
}

function eventsOf({ rows }: ReadSource, conversation: string, last: number): EventPlace[] {
  return rows.eventsInMemory(conversation, 1, last);
}

/** The events of the newest run on disk that begins at or before `rev`; none: []. */
async function newestRun(
  { partition }: ReadSource,
  store: ReadStore,
  { conversation, shard }: ConversationPlace,
  rev: number,
): Promise<EventPlace[]> {
  const keyOf = (each: number) => eventKey(shard, conversation, each);
  const holder = await holderOf(store, partition, keyOf, rev);
  return holder === undefined ? [] : decodeEventRow(holder.value);
}

type KeyOf = (number: number) => Uint8Array;

/** Rows that may hold first..last: the one that begins at or before `first`, and those that follow. */
async function scanRuns(
  store: ReadStore,
  partition: number,
  keyOf: KeyOf,
  first: number,
  last: number,
) {
  if (last < first) return [];
  const holder = await holderOf(store, partition, keyOf, first);
  const from = holder === undefined ? keyOf(first) : holder.key;
  const range = { from, to: keyOf(last + 1), limit: last - first + 2 };
  return store.scanRows(partition, range);
}

async function holderOf(store: ReadStore, partition: number, keyOf: KeyOf, number: number) {
  const range = { from: keyOf(0), to: keyOf(number + 1), limit: 1, reverse: true };
  const [holder] = await store.scanRows(partition, range);
  return holder;
}
