// What readers get: a slot of the log with what is so by now: whether a pending message was released or
// rejected, and with a release the message that it shows.
import { SlotKind } from '../order/header.ts';
import { stateKey } from '../order/row-keys.ts';
import { decodeState, type PendingState, type Place } from '../order/row-values.ts';
import { stateName } from '../order/rows.ts';
import { readIdentity } from '../stored-command.ts';
import { messagePlaces } from './places.ts';
import { fetchSlots, type StoredSlot } from './slots.ts';
import { type ConversationPlace, type ReadSource, type ReadStore, readExtent } from './source.ts';

/** A slot of which state and subject were looked up. */
export type StoredMessage = StoredSlot;

/** Places of a conversation that are looked up at once around a released message. */
const placesAtOnce = 256;

/**
 * The slots as readers get them, those at the end left out whose released messages do not fit in
 * `bytesMax`; one at least.
 */
export async function completed(
  source: ReadSource,
  store: ReadStore,
  slots: readonly StoredSlot[],
  bytesMax: number,
): Promise<readonly StoredMessage[]> {
  const messages = await withStates(source, store, slots);
  const releases = slots.filter(({ kind }) => kind === SlotKind.RELEASE);
  if (releases.length === 0) return messages;
  const places = await targetPlaces(source, store, releases);
  const readable = releases.filter((release) => places.has(release));
  const fetched = await fetchSlots(source, store, [...places.values()], bytesMax);
  const subjects = new Map(fetched.map((subject, i) => [readable[i], subject]));
  const cut = readable[fetched.length];
  const end = cut === undefined ? messages.length : slots.indexOf(cut);
  return messages.slice(0, end).map((message, i) => {
    const subject = subjects.get(slots[i]);
    return subject === undefined ? message : { ...message, subject };
  });
}

/** With the state of each message, all as of one moment after the call. */
export async function withStates(
  { rows, partition }: ReadSource,
  store: ReadStore,
  slots: readonly StoredSlot[],
): Promise<readonly StoredMessage[]> {
  const pending = slots.filter(({ kind }) => kind === SlotKind.PENDING);
  if (pending.length === 0) return slots;
  const asked = pending.map((slot) => {
    const { conversation } = readIdentity(slot.command);
    const name = stateName(conversation, slot.seq);
    return { slot, name, key: stateKey(slot.shard, conversation, slot.seq) };
  });
  for (;;) {
    const { version } = rows;
    const known = new Map(asked.map(({ name }) => [name, rows.states.get(name)]));
    const cold = asked.filter(({ name }) => known.get(name) === undefined);
    const values =
      cold.length === 0
        ? []
        : await store.getRows(
            partition,
            cold.map(({ key }) => key),
          );
    // A checkpoint written meanwhile moved rows out of memory, perhaps after the store was read.
    if (rows.version !== version) continue;
    for (const [i, { name }] of cold.entries()) {
      const value = values[i] ?? null;
      known.set(name, value === null ? null : decodeState(value));
    }
    const states = new Map<StoredSlot, PendingState | null | undefined>();
    for (const { slot, name } of asked) {
      const now = rows.states.get(name);
      states.set(slot, now === undefined ? known.get(name) : now);
    }
    return slots.map((slot) => {
      const state = states.get(slot)?.kind;
      return state === undefined ? slot : { ...slot, state };
    });
  }
}

/** Of each release the place of its message, where that can be read, in the order of the releases. */
async function targetPlaces(
  source: ReadSource,
  store: ReadStore,
  releases: readonly StoredSlot[],
): Promise<Map<StoredSlot, Place>> {
  const places = new Map<StoredSlot, Place>();
  const found = new Map<string, Map<number, Place>>();
  for (const release of releases) {
    const { conversation } = readIdentity(release.command);
    const of = { conversation, shard: release.shard };
    const known = found.get(conversation) ?? new Map<number, Place>();
    found.set(conversation, known);
    if (!known.has(release.target)) {
      for (const place of await placesFrom(source, store, of, release)) known.set(place.seq, place);
    }
    const place = known.get(release.target);
    if (place !== undefined) places.set(release, place);
  }
  return places;
}

/** Of the release's message and those that follow it, which other releases are likely to be about. */
async function placesFrom(
  source: ReadSource,
  store: ReadStore,
  of: ConversationPlace,
  { target, seq }: StoredSlot,
): Promise<Place[]> {
  const { head, minSeq } = await readExtent(source, store, of);
  if (target < minSeq) return [];
  return messagePlaces(source, store, of, head, target, Math.min(seq, target + placesAtOnce - 1));
}
