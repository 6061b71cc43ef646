// The one form of an entry: the bytes made here when it is proposed are the bytes on the way to the
// followers, on disk and (sliced) to readers. Layout, big-endian:
//   0 version, 1 kind, 4 header length (4), 8 index (8), 16 term (8), 24 log time ms (8),
//   32 salt (16), 48 payload hash (16), 64 chain (16), 80 CRC-32 of partition and all else (4),
//   84 header (order's verdicts), then commands. Payload = header and commands.
import { assert } from './assert.ts';
import { crc32 } from './checksum.ts';
import { hash128, hashBytes, randomSalt } from './hash.ts';
import type { Entry, EntryKind } from './raft/types.ts';

const formatVersion = 1;
const saltAt = 32;
const hashAt = 48;
const chainAt = 64;
const crcAt = 80;
const payloadAt = 84;
const kinds: readonly EntryKind[] = [0, 1, 2, 3];
/** By partition: of its number, computed once. */
const partitionCrcs: number[] = [];

/** What raft carries: the whole entry's bytes, of which raft fills in its part through `encodeEntry`. */
export interface EntryPayload {
  readonly bytes: Buffer;
  readonly headerBytes: number;
  /** Index, term, kind, time, chain and checksum stand in `bytes`. */
  sealed: boolean;
}

/** Bytes of header and commands. */
export function payloadBytes({ bytes }: EntryPayload): number {
  return bytes.length - payloadAt;
}

export type LogEntry = Entry<EntryPayload>;

/** The chain of index 0 where the cluster's founding record hashes to `founding`. */
export function foundingChain(founding: Uint8Array, partition: number): Uint8Array {
  return hash128([founding, Buffer.from([partition >> 8, partition & 0xff])]);
}

/** Copies header and commands once, into what will be the entry. */
export function createPayload(
  header: Uint8Array,
  commands: readonly Uint8Array[],
  commandBytes: number,
  salt: Uint8Array = randomSalt(),
): EntryPayload {
  const bytes = Buffer.allocUnsafeSlow(payloadAt + header.length + commandBytes);
  bytes.fill(0, 0, payloadAt);
  bytes[0] = formatVersion;
  bytes.writeUInt32BE(header.length, 4);
  bytes.set(salt, saltAt);
  bytes.set(header, payloadAt);
  let at = payloadAt + header.length;
  for (const command of commands) {
    bytes.set(command, at);
    at += command.length;
  }
  assert(at === bytes.length, 'commandBytes is the sum of the commands');
  const salted = [bytes.subarray(saltAt, hashAt), bytes.subarray(payloadAt)];
  bytes.set(hash128(salted), hashAt);
  return { bytes, headerBytes: header.length, sealed: false };
}

export function createEmptyPayload(salt?: Uint8Array): EntryPayload {
  return createPayload(new Uint8Array(0), [], 0, salt);
}

export function payloadHeader(payload: EntryPayload): Buffer {
  return payload.bytes.subarray(payloadAt, payloadAt + payload.headerBytes);
}

export function payloadCommands(payload: EntryPayload): Buffer {
  return payload.bytes.subarray(payloadAt + payload.headerBytes);
}

/** 128 bits of SHA-256(previous chain, index, term, kind, time, payload hash). */
export function entryChain(previous: Uint8Array, entry: Omit<LogEntry, 'chain'>): Uint8Array {
  const fields = Buffer.allocUnsafe(25);
  fields[0] = entry.kind;
  writeUInt53(fields, entry.index, 1);
  writeUInt53(fields, entry.term, 9);
  writeUInt53(fields, entry.timeMs, 17);
  return hash128([previous, fields, entry.payload.bytes.subarray(hashAt, hashAt + hashBytes)]);
}

/** The entry's bytes, completed at the first call. */
export function encodeEntry(partition: number, entry: LogEntry): Buffer {
  const { payload } = entry;
  const { bytes } = payload;
  if (payload.sealed) return bytes;
  bytes[1] = entry.kind;
  writeUInt53(bytes, entry.index, 8);
  writeUInt53(bytes, entry.term, 16);
  writeUInt53(bytes, entry.timeMs, 24);
  bytes.set(entry.chain, chainAt);
  bytes.writeUInt32BE(entryCrc(partition, bytes), crcAt);
  payload.sealed = true;
  return bytes;
}

/** Of an entry's bytes as encodeEntry made them. */
export function entryChainOf(bytes: Buffer): Buffer {
  return bytes.subarray(chainAt, chainAt + hashBytes);
}

/** null where the bytes are not exactly what encodeEntry made for this partition. */
export function decodeEntry(partition: number, source: Uint8Array): LogEntry | null {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.length);
  if (bytes.length < payloadAt || bytes[0] !== formatVersion) return null;
  const kind = decodeKind(bytes.readUInt8(1));
  const headerBytes = bytes.readUInt32BE(4);
  if (kind === null || payloadAt + headerBytes > bytes.length) return null;
  if (bytes.readUInt32BE(crcAt) !== entryCrc(partition, bytes)) return null;
  const [index, term, timeMs] = [
    readUInt53(bytes, 8),
    readUInt53(bytes, 16),
    readUInt53(bytes, 24),
  ];
  if (index === null || term === null || timeMs === null) return null;
  return {
    index,
    term,
    kind,
    timeMs,
    payload: { bytes, headerBytes, sealed: true },
    payloadBytes: bytes.length - payloadAt,
    chain: entryChainOf(bytes),
  };
}

function decodeKind(byte: number): EntryKind | null {
  return kinds.find((kind) => kind === byte) ?? null;
}

function entryCrc(partition: number, bytes: Buffer): number {
  return crc32(bytes.subarray(payloadAt), crc32(bytes.subarray(0, crcAt), partitionCrc(partition)));
}

function partitionCrc(partition: number): number {
  let crc = partitionCrcs[partition];
  if (crc === undefined) {
    crc = crc32(Buffer.from([partition >> 8, partition & 0xff]));
    partitionCrcs[partition] = crc;
  }
  return crc;
}

function writeUInt53(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'numbers in an entry are below 2^53');
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

function readUInt53(bytes: Buffer, at: number): number | null {
  const value = bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : null;
}
