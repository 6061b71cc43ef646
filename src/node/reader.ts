// Reads of one conversation from one replica: where the messages stand (memory, then index rows), then
// the entries they stand in (memory, then the store), then slices of those.
import { assert } from '../assert.ts';
import { type LogEntry, payloadCommands, payloadHeader } from '../entry.ts';
import { commandAt, decodeCommandsHeader } from '../order/header.ts';
import { floorKey, headKey, indexKey, indexKeyFirstSeq } from '../order/row-keys.ts';
import {
  decodeFloor,
  decodeHead,
  decodeIndexRow,
  type Head,
  headOf,
  type Place,
} from '../order/row-values.ts';
import type { Store } from '../storage/types.ts';
import { type PageRange, resolveRange } from './page-range.ts';
import type { Replica } from './replica.ts';

export const pageLimits = { messages: 1000, bytes: 1024 * 1024 } as const;
const entriesAtOnce = { first: 4, max: 64 } as const;

export interface PageRequest {
  readonly conversation: string;
  readonly shard: number;
  readonly range: PageRange;
  /** 1 to pageLimits.messages. */
  readonly limit: number;
  /** One message at least; pageLimits.bytes where not given. */
  readonly bytesMax?: number;
}

export interface StoredMessage {
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
  readonly timeMs: number;
  readonly index: number;
  readonly slot: number;
  /** The wire form of its AppendCommand. */
  readonly command: Uint8Array;
}

export interface MessagePage {
  /** In order of seq. */
  readonly messages: readonly StoredMessage[];
  readonly head: Head;
  /** Oldest seq that can be read. */
  readonly minSeq: number;
  readonly appliedIndex: number;
}

/** What a conversation has on this replica. */
export interface Extent {
  readonly head: Head;
  readonly minSeq: number;
}

/** One page, as of what the replica had applied at the call. Errors: TRIMMED, IN_FUTURE, CORRUPT. */
export async function readPage(
  replica: Replica,
  store: Store,
  request: PageRequest,
): Promise<MessagePage> {
  const appliedIndex = replica.raft.applied;
  const { conversation, shard, range, limit, bytesMax = pageLimits.bytes } = request;
  const { head, minSeq } = await readExtent(replica, store, conversation, shard);
  const { first, last, nearest } = resolveRange(range, limit, minSeq, head.seq);
  const newest = placesFromHead(replica, conversation, head, first, last);
  const before = newest[0]?.seq ?? last + 1;
  const onDisk = await fetchPlaces(store, replica.partition, request, first, before - 1);
  const places = [...onDisk, ...newest];
  assertDense(places, first, last);
  // Where the page's bytes do not suffice for all, those nearest to what was asked for stay.
  places.sort((a, b) => Math.abs(a.seq - nearest) - Math.abs(b.seq - nearest));
  const messages = await fetchMessages(replica, store, places, bytesMax);
  return {
    messages: messages.sort((a, b) => a.seq - b.seq),
    head,
    minSeq: head.seq === 0 ? 0 : minSeq,
    appliedIndex,
  };
}

/** Of first..last those that no index row holds: what memory has, or the head's own. */
function placesFromHead(
  replica: Replica,
  conversation: string,
  head: Head,
  first: number,
  last: number,
): Place[] {
  if (last < first) return [];
  const inMemory = replica.rows.placesInMemory(conversation, first, last);
  if (inMemory.length > 0 || last < head.seq) return inMemory;
  return [{ seq: head.seq, index: head.index, slot: head.slot }];
}

/** Head and floor: from memory, or both from the store at once. */
export async function readExtent(
  replica: Replica,
  store: Store,
  conversation: string,
  shard: number,
): Promise<Extent> {
  const { rows, partition, floors } = replica;
  const known = rows.head(conversation);
  const floor = floors.get(conversation);
  if (known !== undefined && floor !== undefined) {
    return { head: headOf(known), minSeq: floor };
  }
  const head = known === undefined ? null : headOf(known);
  const keys = [floorKey(shard, conversation), headKey(shard, conversation)];
  const [floorRow, headRow] = await store.getRows(partition, keys);
  const minSeq = decodeFloor(floorRow ?? null);
  floors.set(conversation, minSeq);
  return { head: head ?? decodeHead(headRow ?? null), minSeq };
}

/** Places of first..last from index rows: the row that holds the first, and what follows. */
async function fetchPlaces(
  store: Store,
  partition: number,
  { conversation, shard }: PageRequest,
  first: number,
  last: number,
): Promise<Place[]> {
  if (last < first) return [];
  const keyOf = (seq: number) => indexKey(shard, conversation, seq);
  const [holder] = await store.scanRows(partition, {
    from: keyOf(0),
    to: keyOf(first + 1),
    limit: 1,
    reverse: true,
  });
  const from = holder === undefined ? keyOf(first) : holder.key;
  const to = keyOf(last + 1);
  const found = await store.scanRows(partition, { from, to, limit: pageLimits.messages + 1 });
  const places = found.flatMap(({ key, value }) => decodeIndexRow(value, indexKeyFirstSeq(key)));
  return places.filter(({ seq }) => seq >= first && seq <= last);
}

function assertDense(places: readonly Place[], first: number, last: number): void {
  assert(places.length === Math.max(0, last - first + 1), 'every seq up to the head has a place');
  for (const [i, place] of places.entries()) {
    assert(place.seq === first + i, 'places are in order of seq, without a hole');
  }
}

/** At least one message, then as many as fit in the page's bytes. */
async function fetchMessages(
  replica: Replica,
  store: Store,
  places: readonly Place[],
  bytesMax: number,
): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  let count: number = entriesAtOnce.first;
  for (let start = 0; start < places.length; ) {
    const some = places.slice(start, start + count);
    start += count;
    const entries = await fetchEntries(replica, store, some);
    for (const place of some) {
      const entry = entries.get(place.index);
      assert(entry !== undefined, 'the entry of a place was fetched');
      const message = messageAt(entry, place.slot);
      assert(message.seq === place.seq, 'the slot of a place holds its seq');
      bytes += message.command.length;
      if (bytes > bytesMax && messages.length > 0) return messages;
      messages.push(message);
    }
    // As many as are likely to fit: of large bodies only a few more than the page takes.
    const likely = Math.ceil(((bytesMax - bytes) * messages.length) / bytes);
    count = Math.max(1, Math.min(likely, entriesAtOnce.max));
  }
  return messages;
}

async function fetchEntries(
  replica: Replica,
  store: Store,
  places: readonly Place[],
): Promise<Map<number, LogEntry>> {
  const entries = new Map<number, LogEntry>();
  const missing = new Set<number>();
  for (const { index } of places) {
    const entry = replica.entry(index);
    if (entry !== null) entries.set(index, entry);
    else missing.add(index);
  }
  if (missing.size === 0) return entries;
  const fetched = await store.getEntries(replica.partition, [...missing]);
  for (const entry of fetched) entries.set(entry.index, entry);
  return entries;
}

function messageAt(entry: LogEntry, slot: number): StoredMessage {
  const columns = decodeCommandsHeader(payloadHeader(entry.payload));
  const { seqs, revs, idAheadMs, idCounters, shards } = columns;
  return {
    seq: seqs[slot] ?? 0,
    rev: revs[slot] ?? 0,
    idMs: entry.timeMs + (idAheadMs[slot] ?? 0),
    idCounter: idCounters[slot] ?? 0,
    shard: shards[slot] ?? 0,
    timeMs: entry.timeMs,
    index: entry.index,
    slot,
    command: commandAt(columns, payloadCommands(entry.payload), slot),
  };
}

/** All messages of a Commands entry from `fromSlot` on. */
export function messagesOf(entry: LogEntry, fromSlot: number): StoredMessage[] {
  const { seqs } = decodeCommandsHeader(payloadHeader(entry.payload));
  const messages: StoredMessage[] = [];
  for (let slot = fromSlot; slot < seqs.length; slot++) messages.push(messageAt(entry, slot));
  return messages;
}
