// Where each row lies in LevelDB. The first byte parts the store's own rows from those of
// partitions, so that no partition number can meet them. Big-endian:
//   0 | kind ...                                       store: identity, founding, batch records
//   1 | partition u16 | 0 u32 | kind u8                partition: generation, hard state
//   1 | partition u16 | generation u32 | table u8 ...  checkpoint, rows, entries by index u64
// Generations start at 1, so 0 stands for what outlives them. On LevelDB (level/) two databases hold these keys,
// and `homeOf` says which one.
import { assert } from '../assert.ts';

const storeSpace = 0;
const partitionSpace = 1;
const partitionAt = 1;
const generationAt = 3;
const tableAt = 7;
const afterTable = 8;
/** Of the beginning that all keys of a place share. */
export const placeBytes = afterTable;
const entryKeyBytes = 16;

const hardStateKind = 2;
const table = { checkpoint: 1, rows: 2, entries: 3 } as const;

export const firstGeneration = 1;
export const partitionMax = 0xffff;

export const identityKey = Buffer.from([storeSpace, 1]);
export const foundingKey = Buffer.from([storeSpace, 2]);
const newestBatchKind = 3;
const batchRingKind = 4;
export const newestBatchKey = Buffer.from([storeSpace, newestBatchKind]);

/** Which rows of a partition are meant: a snapshot fills another generation beside this one. */
export interface Place {
  readonly partition: number;
  readonly generation: number;
}

export interface KeyRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

/**
 * Where a key is kept: 'log' = what every write brings (entries, hard states, batch records), 'state' = what checkpoints
 * bring (checkpoints and rows), 'lasting' = what is written once.
 */
export type Home = 'log' | 'state' | 'lasting';

export const everything: KeyRange = { gte: Buffer.alloc(0), lt: Buffer.from([0xff]) };

export function batchRingKey(slot: number): Buffer {
  return Buffer.from([storeSpace, batchRingKind, slot >> 8, slot & 0xff]);
}

export const batchRingRange: KeyRange = {
  gte: Buffer.from([storeSpace, batchRingKind]),
  lt: Buffer.from([storeSpace, batchRingKind + 1]),
};

export function homeOf(key: Buffer): Home {
  if (key[0] === storeSpace) return isBatchRecord(key) ? 'log' : 'lasting';
  if (key.readUInt32BE(generationAt) === 0)
    return key[tableAt] === hardStateKind ? 'log' : 'lasting';
  return key[tableAt] === table.entries ? 'log' : 'state';
}

function isBatchRecord(key: Buffer): boolean {
  return key[1] === newestBatchKind || key[1] === batchRingKind;
}

/** Of a key whose home is the log. */
export function isEntryKey(key: Buffer): boolean {
  return key[0] === partitionSpace && key.readUInt32BE(generationAt) !== 0;
}

/** Of a key whose home is the log. */
export function isHardStateKey(key: Buffer): boolean {
  return key[0] === partitionSpace && !isEntryKey(key);
}

/** Of a key that begins with a space, a partition and a generation. */
export function placeOf(key: Buffer): Place {
  return { partition: key.readUInt16BE(partitionAt), generation: key.readUInt32BE(generationAt) };
}

export function generationKey(partition: number): Buffer {
  return placeKey({ partition, generation: 0 }, 1, afterTable);
}

export function hardStateKey(partition: number): Buffer {
  return placeKey({ partition, generation: 0 }, hardStateKind, afterTable);
}

export function checkpointKey(place: Place): Buffer {
  return placeKey(place, table.checkpoint, afterTable);
}

export function entryKey(place: Place, index: number): Buffer {
  const key = placeKey(place, table.entries, entryKeyBytes);
  key.writeUInt32BE(Math.floor(index / 0x1_0000_0000), afterTable);
  key.writeUInt32BE(index >>> 0, afterTable + 4);
  return key;
}

/** null where the key is not one that entryKey makes. */
export function entryIndexOf(key: Buffer): number | null {
  if (key.length !== entryKeyBytes) return null;
  const high = key.readUInt32BE(afterTable);
  const index = high * 0x1_0000_0000 + key.readUInt32BE(afterTable + 4);
  return Number.isSafeInteger(index) ? index : null;
}

/** Entries from..to (inclusive); to the end of the log without `to`. */
export function entriesRange(place: Place, from: number, to?: number): KeyRange {
  return {
    gte: entryKey(place, from),
    lt: to === undefined ? placeKey(place, table.entries + 1, afterTable) : entryKey(place, to + 1),
  };
}

export function rowKey(place: Place, key: Uint8Array): Buffer {
  const full = placeKey(place, table.rows, afterTable + key.length);
  full.set(key, afterTable);
  return full;
}

export function rowsRange(place: Place): KeyRange {
  return {
    gte: placeKey(place, table.rows, afterTable),
    lt: placeKey(place, table.rows + 1, afterTable),
  };
}

/** The key as the node named it. */
export function rowKeyOf(full: Buffer): Buffer {
  return full.subarray(afterTable);
}

/** Everything of all partitions from `partition` on. */
export function partitionsFrom(partition: number): KeyRange {
  const gte = Buffer.from([partitionSpace, partition >> 8, partition & 0xff]);
  return { gte, lt: Buffer.from([partitionSpace + 1]) };
}

export function partitionOf(key: Buffer): number {
  return key.readUInt16BE(partitionAt);
}

function placeKey(place: Place, tag: number, bytes: number): Buffer {
  const { partition, generation } = place;
  assert(
    Number.isInteger(partition) && partition >= 0 && partition <= partitionMax,
    'a partition number fits 16 bits',
  );
  const key = Buffer.allocUnsafe(bytes);
  key[0] = partitionSpace;
  key.writeUInt16BE(partition, partitionAt);
  key.writeUInt32BE(generation, generationAt);
  key[tableAt] = tag;
  return key;
}
