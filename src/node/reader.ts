// Reads of one conversation from one replica: where the messages stand (memory, then index rows), then
// the entries they stand in (memory, then the store), then slices of those.
import { assert } from '../assert.ts';
import { type LogEntry, payloadCommands, payloadHeader } from '../entry.ts';
import { commandAt, decodeCommandsHeader } from '../order/header.ts';
import { headKey, indexKey, indexKeyFirstSeq } from '../order/row-keys.ts';
import { decodeHead, decodeIndexRow, type Head, type Place } from '../order/rows.ts';
import type { Store } from '../storage/types.ts';
import type { Replica } from './replica.ts';

export const pageLimits = { messages: 1000, bytes: 1024 * 1024 } as const;

export interface PageRequest {
  readonly conversation: string;
  readonly shard: number;
  /** Exclusive. */
  readonly afterSeq: number;
  /** 1 to pageLimits.messages. */
  readonly limit: number;
}

export interface StoredMessage {
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
  readonly timeMs: number;
  /** The wire form of its AppendCommand. */
  readonly command: Uint8Array;
}

export interface MessagePage {
  readonly messages: readonly StoredMessage[];
  readonly head: Head;
  readonly appliedIndex: number;
}

/** One page, as of what the replica had applied at the call. */
export async function readPage(
  replica: Replica,
  store: Store,
  request: PageRequest,
): Promise<MessagePage> {
  const appliedIndex = replica.raft.applied;
  const { rows, partition } = replica;
  const { conversation, shard, afterSeq, limit } = request;
  const inMemory = rows.placesInMemory(conversation, afterSeq + 1, afterSeq + limit);
  const known = rows.head(conversation);
  const head = known === undefined ? null : { seq: known.seq, rev: known.rev };
  const headRow = head ?? (await fetchHead(store, partition, shard, conversation));
  const lastSeq = Math.min(afterSeq + limit, headRow.seq);
  const before = inMemory[0]?.seq ?? lastSeq + 1;
  const onDisk = await fetchPlaces(store, partition, request, before - 1);
  const places = [...onDisk, ...inMemory];
  assertDense(places, afterSeq, lastSeq);
  const messages = await fetchMessages(replica, store, places);
  return { messages, head: headRow, appliedIndex };
}

async function fetchHead(
  store: Store,
  partition: number,
  shard: number,
  conversation: string,
): Promise<Head> {
  const [value] = await store.getRows(partition, [headKey(shard, conversation)]);
  return decodeHead(value ?? null);
}

/** Places of afterSeq + 1 .. lastSeq from index rows: the row that holds the first, and what follows. */
async function fetchPlaces(
  store: Store,
  partition: number,
  request: PageRequest,
  lastSeq: number,
): Promise<Place[]> {
  const { conversation, shard, afterSeq } = request;
  if (lastSeq <= afterSeq) return [];
  const keyOf = (seq: number) => indexKey(shard, conversation, seq);
  const [holder] = await store.scanRows(partition, {
    from: keyOf(0),
    to: keyOf(afterSeq + 2),
    limit: 1,
    reverse: true,
  });
  const from = holder === undefined ? keyOf(afterSeq + 1) : holder.key;
  const to = keyOf(lastSeq + 1);
  const found = await store.scanRows(partition, { from, to, limit: pageLimits.messages + 1 });
  const places = found.flatMap(({ key, value }) => decodeIndexRow(value, indexKeyFirstSeq(key)));
  return places.filter(({ seq }) => seq > afterSeq && seq <= lastSeq);
}

function assertDense(places: readonly Place[], afterSeq: number, lastSeq: number): void {
  const expected = Math.max(0, lastSeq - afterSeq);
  assert(places.length === expected, 'every seq up to the head has a place');
  for (const [i, place] of places.entries()) {
    assert(place.seq === afterSeq + 1 + i, 'places are in order of seq, without a hole');
  }
}

/** At least one message, then as many as fit in the page's bytes. */
async function fetchMessages(
  replica: Replica,
  store: Store,
  places: readonly Place[],
): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (let start = 0; start < places.length; ) {
    const some = places.slice(start, start + 64);
    const entries = await fetchEntries(replica, store, some);
    for (const place of some) {
      const message = messageAt(entries, place);
      bytes += message.command.length;
      if (bytes > pageLimits.bytes && messages.length > 0) return messages;
      messages.push(message);
    }
    start += some.length;
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

function messageAt(entries: ReadonlyMap<number, LogEntry>, place: Place): StoredMessage {
  const entry = entries.get(place.index);
  assert(entry !== undefined, 'the entry of a place was fetched');
  const columns = decodeCommandsHeader(payloadHeader(entry.payload));
  const { seqs, revs, idAheadMs, idCounters, shards } = columns;
  const { slot } = place;
  assert(seqs[slot] === place.seq, 'the slot of a place holds its seq');
  return {
    seq: place.seq,
    rev: revs[slot] ?? 0,
    idMs: entry.timeMs + (idAheadMs[slot] ?? 0),
    idCounter: idCounters[slot] ?? 0,
    shard: shards[slot] ?? 0,
    timeMs: entry.timeMs,
    command: commandAt(columns, payloadCommands(entry.payload), slot),
  };
}
