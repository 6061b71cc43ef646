// A page of dedupe keys: records sorted by hash, cut into blocks that are read one at a time, and a
// Bloom filter that stays in memory, so that a new key is known as new without a disk read.
// Record: hash (16) | seq (6) | index (6) | slot (2), big-endian.
import { xxh64 } from '../shard.ts';

export const recordBytes = 30;
export const hashBytes = 16;
const seqAt = 16;
const indexAt = 22;
const slotAt = 28;
const blockRecords = 128;
/** 16 bits a key and 8 probes: 0.06 % false positives, so that 40 pages cost a read in 2 % of new keys. */
const filterBitsPerKey = 16;
const filterProbes = 8;
/** Bits that one pass of the sort looks at: three passes see 32, and their 2,048 counters stay in the first cache. */
const digitBits = 11;
const digits = 2 ** digitBits;
const secondSeed = 0x9e3779b97f4a7c15n;
/** What is hashed stands in the view of its length, so that a short identity leaves no object behind. */
const identityBytes = Buffer.alloc(256);
const identities = Array.from({ length: identityBytes.length + 1 }, (_, length) =>
  identityBytes.subarray(0, length),
);

/** Where the message of a key stands. */
export interface KeyPlace {
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
}

export interface Page {
  /** Sorted blocks. */
  readonly blocks: readonly Uint8Array[];
  /** The first 48 bits of each block's first hash. */
  readonly fences: readonly number[];
  readonly filter: Uint8Array;
  readonly count: number;
}

/**
 * 128 bits of (conversation, sender, key); equal hashes are told apart by comparing what is stored.
 * Through a view: Buffer's own writing of 64 bits takes longer than the hash.
 */
export function writeHash(target: DataView, at: number, identity: Uint8Array): void {
  target.setBigUint64(at, xxh64(identity));
  target.setBigUint64(at + 8, xxh64(identity, secondSeed));
}

/** To be hashed before the next is asked for. */
export function identityOfText(text: string): Uint8Array {
  const identity = identities[text.length];
  if (identity === undefined) return Buffer.from(text, 'latin1');
  identity.write(text, 'latin1');
  return identity;
}

/** Likewise, bytes[start, end). */
export function identityOfBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const identity = identities[end - start];
  if (identity === undefined) return bytes.subarray(start, end);
  for (let at = start; at < end; at++) identity[at - start] = bytes[at] ?? 0;
  return identity;
}

/** As many as a record's slot can tell apart. */
export const slotsMax = 65_536;

/** Into the record at `at`. */
export function writePlace(records: Buffer, at: number, { seq, index, slot }: KeyPlace): void {
  records.writeUIntBE(seq, at + seqAt, 6);
  records.writeUIntBE(index, at + indexAt, 6);
  records.writeUInt16BE(slot, at + slotAt);
}

/** Of the record at `at`. */
export function placeAt(records: Buffer, at: number): KeyPlace {
  return {
    seq: records.readUIntBE(at + seqAt, 6),
    index: records.readUIntBE(at + indexAt, 6),
    slot: records.readUInt16BE(at + slotAt),
  };
}

/** Sorts records (any number of them, from anywhere) into one page. */
export function buildPage(records: Uint8Array): Page {
  const sorted = sortRecords(asBuffer(records));
  const count = sorted.length / recordBytes;
  const blocks: Buffer[] = [];
  const fences: number[] = [];
  for (let start = 0; start < count; ) {
    let end = Math.min(start + blockRecords, count);
    // Equal prefixes stay in one block, so that a fence names one block only.
    while (end < count && prefixAt(sorted, end) === prefixAt(sorted, end - 1)) end++;
    blocks.push(sorted.subarray(start * recordBytes, end * recordBytes));
    fences.push(prefixAt(sorted, start));
    start = end;
  }
  return { blocks, fences, filter: buildFilter(sorted), count };
}

/** The block that would hold the hash at `hashAt`; null: it is before the first. */
export function blockOf(fences: readonly number[], hash: Buffer, hashAt: number): number | null {
  const prefix = hash.readUIntBE(hashAt, 6);
  let low = 0;
  let high = fences.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((fences[middle] ?? 0) <= prefix) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? null : low - 1;
}

export function findInBlock(block: Uint8Array, hash: Buffer, hashAt: number): KeyPlace | null {
  const records = asBuffer(block);
  let low = 0;
  let high = records.length / recordBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareHash(records, middle * recordBytes, hash, hashAt) < 0) low = middle + 1;
    else high = middle;
  }
  const at = low * recordBytes;
  if (at >= records.length || compareHash(records, at, hash, hashAt) !== 0) return null;
  return placeAt(records, at);
}

export function mayContain(filter: Uint8Array, hash: Buffer, hashAt: number): boolean {
  const bits = bitsOf(filter);
  const step = uint32At(hash, hashAt + 4) | 1;
  let probe = uint32At(hash, hashAt);
  for (let i = 0; i < filterProbes; i++) {
    const bit = probe % bits;
    if (((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    probe = (probe + step) >>> 0;
  }
  return true;
}

/** As unsigned 32 bits, so that the rest of a division by it stays one of whole numbers. */
function bitsOf(filter: Uint8Array): number {
  return (filter.length * 8) >>> 0;
}

function buildFilter(records: Buffer): Uint8Array {
  const count = records.length / recordBytes;
  const filter = new Uint8Array(Math.ceil((count * filterBitsPerKey) / 8) + 8);
  const bits = bitsOf(filter);
  for (let at = 0; at < records.length; at += recordBytes) {
    const step = uint32At(records, at + 4) | 1;
    let probe = uint32At(records, at);
    for (let i = 0; i < filterProbes; i++) {
      const bit = probe % bits;
      filter[bit >>> 3] = (filter[bit >>> 3] ?? 0) | (1 << (bit & 7));
      probe = (probe + step) >>> 0;
    }
  }
  return filter;
}

/** By their first 32 bits, which tell most of them apart; the few that share these are then compared whole. */
function sortRecords(records: Buffer): Buffer {
  const count = records.length / recordBytes;
  const firstBits = new Uint32Array(count);
  for (let i = 0; i < count; i++) firstBits[i] = uint32At(records, i * recordBytes);
  const order = radixSort(firstBits);
  const firstBitsAt = (at: number) => firstBits[order[at] ?? 0];
  for (let start = 0; start < count; ) {
    let end = start + 1;
    while (end < count && firstBitsAt(end) === firstBitsAt(start)) end++;
    if (end > start + 1) order.subarray(start, end).sort((a, b) => compareRecord(records, a, b));
    start = end;
  }
  const sorted = Buffer.allocUnsafe(records.length);
  for (let i = 0; i < count; i++) {
    copyRecord(records, (order[i] ?? 0) * recordBytes, sorted, i * recordBytes);
  }
  return sorted;
}

/** The places of the numbers in their order, found digit by digit from the last one on. */
function radixSort(numbers: Uint32Array): Uint32Array {
  let from = numbers.map((_, i) => i);
  let to = new Uint32Array(numbers.length);
  for (let shift = 0; shift < 32; shift += digitBits) {
    const digitOf = (place: number) => ((numbers[place] ?? 0) >>> shift) & (digits - 1);
    const starts = new Uint32Array(digits + 1);
    for (const place of from) starts[digitOf(place) + 1] = (starts[digitOf(place) + 1] ?? 0) + 1;
    for (let digit = 1; digit <= digits; digit++) {
      starts[digit] = (starts[digit] ?? 0) + (starts[digit - 1] ?? 0);
    }
    for (const place of from) {
      const digit = digitOf(place);
      const at = starts[digit] ?? 0;
      starts[digit] = at + 1;
      to[at] = place;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Byte by byte: a call for so few takes longer. */
function copyRecord(from: Buffer, fromAt: number, to: Buffer, toAt: number): void {
  for (let i = 0; i < recordBytes; i++) to[toAt + i] = from[fromAt + i] ?? 0;
}

/** By hash, then the newer (higher index) first: a lookup finds the first. */
function compareRecord(records: Buffer, a: number, b: number): number {
  const byHash = compareHash(records, a * recordBytes, records, b * recordBytes);
  if (byHash !== 0) return byHash;
  const indexOf = (i: number) => records.readUIntBE(i * recordBytes + indexAt, 6);
  return indexOf(b) - indexOf(a);
}

/** The first 32 bits tell most apart without a call out of JavaScript. */
export function compareHash(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const byFirst = uint32At(a, aAt) - uint32At(b, bAt);
  if (byFirst !== 0) return byFirst;
  return a.compare(b, bAt, bAt + hashBytes, aAt, aAt + hashBytes);
}

function prefixAt(records: Buffer, record: number): number {
  const at = record * recordBytes;
  return uint32At(records, at) * 0x1_0000 + (records[at + 4] ?? 0) * 256 + (records[at + 5] ?? 0);
}

/** Big-endian; a whole number of 32 bits all the way, where Buffer's own reading makes a float. */
export function uint32At(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

export function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
