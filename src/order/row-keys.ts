// Keys of the rows that order keeps, relative to their partition: the shard before the conversation,
// so that a later split halves a range. Pages of dedupe keys belong to the whole partition.
//   shard (2) | kind (1) | conversation text | 0 | number (8)
//   0xffff | kind (1) | page (8) | block (2), or due time (8) | shard (2) | conversation text | 0 | seq (8)
import { assert } from '../assert.ts';

const kind = {
  head: 1,
  index: 2,
  dedupe: 3,
  floor: 4,
  chain: 5,
  event: 6,
  state: 7,
  due: 8,
} as const;
const partitionWide = 0xffff;
const dueNameAt = 13;
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
  return numberedKey(shard, kind.index, conversation, firstSeq);
}

export function indexKeyFirstSeq(key: Uint8Array): number {
  const view = Buffer.from(key.buffer, key.byteOffset, key.length);
  return readUInt53(view, key.length - 8);
}

/** Of the sender's chains in a conversation: `chain` names both. */
export function chainKey(shard: number, chain: string): Uint8Array {
  return conversationKey(shard, kind.chain, chain, 0);
}

/** Of the places of a run of events that starts at `firstRev`. */
export function eventKey(shard: number, conversation: string, firstRev: number): Uint8Array {
  return numberedKey(shard, kind.event, conversation, firstRev);
}

export function stateKey(shard: number, conversation: string, seq: number): Uint8Array {
  return numberedKey(shard, kind.state, conversation, seq);
}

/** Of what ends by itself, in the order of time. `conversation` '': before all of that time. */
export function dueKey(
  dueMs: number,
  shard: number,
  conversation: string,
  seq: number,
): Uint8Array {
  const key = Buffer.alloc(dueNameAt + conversation.length + 9);
  key.writeUInt16BE(partitionWide, 0);
  key[2] = kind.due;
  writeUInt53(key, dueMs, 3);
  key.writeUInt16BE(shard, 11);
  key.write(conversation, dueNameAt, 'latin1');
  writeUInt53(key, seq, key.length - 8);
  return key;
}

export function readDueKey(bytes: Uint8Array) {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    dueMs: readUInt53(key, 3),
    shard: key.readUInt16BE(11),
    conversation: key.toString('latin1', dueNameAt, key.length - 9),
    seq: readUInt53(key, key.length - 8),
  };
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

function readUInt53(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

function numberedKey(shard: number, of: number, conversation: string, number: number): Uint8Array {
  const key = conversationKey(shard, of, conversation, 8);
  writeUInt53(key, number, key.length - 8);
  return key;
}
