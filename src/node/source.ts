// What reads need of a replica and of its store, and how a conversation is named to them.
import type { LogEntry } from '../entry.ts';
import { floorKey, headKey } from '../order/row-keys.ts';
import { decodeFloor, decodeHead, type Head, headOf } from '../order/row-values.ts';
import type { Rows } from '../order/rows.ts';
import type { Store } from '../storage/types.ts';
import type { Floors } from './floors.ts';
import type { Watchers } from './watchers.ts';

/** A replica, as it is read. */
export interface ReadSource {
  readonly partition: number;
  readonly rows: Rows;
  readonly floors: Floors;
  readonly watchers: Watchers;
  readonly raft: { readonly applied: number };
  /** An entry in memory; null: read it from the store. */
  entry(index: number): LogEntry | null;
}

export type ReadStore = Pick<Store, 'getRows' | 'scanRows' | 'getEntries' | 'readEntries'>;

export interface ConversationPlace {
  readonly conversation: string;
  readonly shard: number;
}

/** What a conversation has on this replica. */
export interface Extent {
  readonly head: Head;
  readonly minSeq: number;
}

/** Head and floor: from memory, or both from the store at once. */
export async function readExtent(
  { rows, partition, floors }: ReadSource,
  store: ReadStore,
  { conversation, shard }: ConversationPlace,
): Promise<Extent> {
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
