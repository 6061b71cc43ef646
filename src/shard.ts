// Which of the 8192 shards a conversation is in (fixed for ever, part of every id), and which
// partition holds a shard (a contiguous range, so that a split halves it).
import xxhash from 'xxhash-wasm';
import { type ConversationName, isBadName, parseConversation } from './conversation.ts';

export const shardCount = 8192;

/** Cluster config. `tt_sum` and `tt_one` place numeric pairs as the articles do; other names go by `mix`. */
export const shardMappings = ['mix', 'tt_sum', 'tt_one'] as const;
export type ShardMapping = (typeof shardMappings)[number];

const { h64Raw } = await xxhash();

/** XXH64, unsigned. */
export function xxh64(bytes: Uint8Array, seed = 0n): bigint {
  return h64Raw(bytes, seed);
}

export function shardOf(name: ConversationName, mapping: ShardMapping): number {
  const pair = name.numericPair;
  if (pair !== null && mapping !== 'mix') {
    const ruler = mapping === 'tt_sum' ? pair[0] + pair[1] : pair[0];
    return Number(ruler % BigInt(shardCount));
  }
  return Number(xxh64(name.shardSource) & BigInt(shardCount - 1));
}

/** `partitions` is a power of two, 1 to 8192. */
export function partitionOf(shard: number, partitions: number): number {
  return Math.floor((shard * partitions) / shardCount);
}

export interface Place {
  /** Canonical text. */
  readonly text: string;
  readonly shard: number;
}

/** Names already parsed: bounded, since a hot conversation is named by every append. */
export function createPlaces(mapping: ShardMapping, namesMax = 65_536) {
  const known = new Map<string, Place>();
  /** The place of a name, or what is wrong with it. */
  return (text: string): Place | ReturnType<typeof parseConversation> => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const name = parseConversation(text);
    if (isBadName(name)) return name;
    if (known.size >= namesMax) known.clear();
    const place = { text: name.text, shard: shardOf(name, mapping) };
    known.set(text, place);
    return place;
  };
}
