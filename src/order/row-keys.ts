// Keys of the rows that order keeps, relative to their partition: the shard before the conversation,
// so that a later split halves a range. Pages of dedupe keys belong to the whole partition.
//   shard (2) | kind (1) | conversation text | 0 | first seq (8)      and      0xffff | 3 | page (8) | block (2)
import { assert } from '../assert.ts';

const kind = { head: 1, index: 2, dedupe: 3, floor: 4 } as const;
const partitionWide = 0xffff;
/** The block number under which a page's filter stands. */
const filterBlock = 0xffff;

export function headKey(shard: number, conversation: string): Uint8Array {
  return conversationKey(shard, kind.head, conversation, 0);
}

/** Of the oldest seq of a conversation that can be read; no row: 1. */
export function floorKey(shard: number, conversation: string): Uint8Array {
  return conversationKey(shard, kind.floor, conversation, 0);
}

/** Of the oldest index of the partition's log that can be read; no row: 1. */
export function firstIndexKey(): Uint8Array {
  return Buffer.from([partitionWide >> 8, partitionWide & 0xff, kind.floor]);
}

/** Of the places of a run of seqs that starts at `firstSeq`. */
export function indexKey(shard: number, conversation: string, firstSeq: number): Uint8Array {
  const key = conversationKey(shard, kind.index, conversation, 8);
  writeUInt53(key, firstSeq, key.length - 8);
  return key;
}

export function indexKeyFirstSeq(key: Uint8Array): number {
  const view = Buffer.from(key.buffer, key.byteOffset, key.length);
  const at = key.length - 8;
  return view.readUInt32BE(at) * 0x1_0000_0000 + view.readUInt32BE(at + 4);
}

export function blockKey(page: number, block: number): Uint8Array {
  assert(block < filterBlock, 'a page has fewer blocks than the filter number');
  return pageKey(page, block);
}

export function filterKey(page: number): Uint8Array {
  return pageKey(page, filterBlock);
}

function pageKey(page: number, block: number): Uint8Array {
  const key = Buffer.alloc(13);
  key.writeUInt16BE(partitionWide, 0);
  key[2] = kind.dedupe;
  writeUInt53(key, page, 3);
  key.writeUInt16BE(block, 11);
  return key;
}

function conversationKey(shard: number, of: number, conversation: string, extra: number): Buffer {
  const key = Buffer.allocUnsafe(4 + conversation.length + extra);
  key.writeUInt16BE(shard, 0);
  key[2] = of;
  key.write(conversation, 3, 'latin1');
  key[3 + conversation.length] = 0;
  return key;
}

function writeUInt53(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}
