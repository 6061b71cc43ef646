// Reads of one conversation from one replica: where messages and events stand, then the entries they
// stand in (memory, then the store), then slices of those.
import { assert } from '../assert.ts';
import type { EventPlace, Head, Place } from '../order/row-values.ts';
import { type PageRange, resolveRange } from './page-range.ts';
import { eventPlaces, messagePlaces, type RevPlace } from './places.ts';
import { fetchSlots } from './slots.ts';
import { type ConversationPlace, type ReadSource, type ReadStore, readExtent } from './source.ts';
import { completed, type StoredMessage, withStates } from './stored-message.ts';

export const pageLimits = { messages: 1000, bytes: 1024 * 1024 } as const;

export interface PageRequest extends ConversationPlace {
  readonly range: PageRange;
  /** 1 to pageLimits.messages. */
  readonly limit: number;
}

export interface MessagePage {
  /** In order of seq. */
  readonly messages: readonly StoredMessage[];
  readonly head: Head;
  /** Oldest seq that can be read. */
  readonly minSeq: number;
  readonly appliedIndex: number;
}

/**
 * One page of messages, as of what the replica had applied at the call; their states are not older.
 * Errors: TRIMMED, IN_FUTURE, CORRUPT.
 */
export async function readPage(
  source: ReadSource,
  store: ReadStore,
  request: PageRequest,
): Promise<MessagePage> {
  const appliedIndex = source.raft.applied;
  const { head, minSeq } = await readExtent(source, store, request);
  const { first, last, nearest } = resolveRange(request.range, request.limit, minSeq, head.seq);
  const places = await messagePlaces(source, store, request, head, first, last);
  // Where the page's bytes do not suffice for all, those nearest to what was asked for stay.
  places.sort((a, b) => Math.abs(a.seq - nearest) - Math.abs(b.seq - nearest));
  const slots = await fetchSlots(source, store, places, pageLimits.bytes);
  slots.sort((a, b) => a.seq - b.seq);
  return {
    messages: await withStates(source, store, slots),
    head,
    minSeq: head.seq === 0 ? 0 : minSeq,
    appliedIndex,
  };
}

/** The messages and events after `at`, in order of rev, without a hole; one at least where there is one. */
export async function readRevs(
  source: ReadSource,
  store: ReadStore,
  of: ConversationPlace,
  head: Head,
  at: RevPlace,
  { limit, bytesMax }: { readonly limit: number; readonly bytesMax: number },
): Promise<readonly StoredMessage[]> {
  const last = Math.min(head.rev, at.rev + limit);
  const events = await eventPlaces(source, store, of, head, at, last);
  const lastSeq = at.seq + (last - at.rev) - events.length;
  const messages = await messagePlaces(source, store, of, head, at.seq + 1, lastSeq);
  const slots = await fetchSlots(source, store, inOrder(events, messages), bytesMax);
  for (const [i, { rev }] of slots.entries()) {
    assert(rev === at.rev + 1 + i, 'events are in order of rev, without a hole');
  }
  return completed(source, store, slots, bytesMax);
}

/** An event comes after the message that was the newest then. */
function inOrder(events: readonly EventPlace[], messages: readonly Place[]): Place[] {
  const places: Place[] = [];
  let next = 0;
  for (const message of messages) {
    for (let event = events[next]; event && event.seq < message.seq; event = events[next]) {
      places.push(event);
      next += 1;
    }
    places.push(message);
  }
  return places.concat(events.slice(next));
}
