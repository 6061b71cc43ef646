// The values of storage's own rows: msgpack, positional arrays. Each decoder returns null where the
// bytes are not of exactly the shape its encoder makes; record-codec.ts turns that into CORRUPT.
import { pack, unpack } from 'msgpackr';
import { assert } from '../assert.ts';
import { hashBytes } from '../hash.ts';
import type { HardState } from '../raft/types.ts';
import type { Checkpoint, StoreIdentity } from './types.ts';

export const uuidBytes = 16;
export const saltBytes = 8;

/** Written with every batch, so that a batch which LevelDB's recovery skipped is missed. */
export interface BatchRecord {
  /** Rises by 1 from 1. */
  readonly number: number;
  /** hash128 of the encoded record before; zeros in the first. */
  readonly previous: Uint8Array;
  /** Random, so that two histories with equal numbers differ in their hashes. */
  readonly salt: Uint8Array;
}

export function encodeIdentity(identity: StoreIdentity): Buffer {
  return pack([identity.formatVersion, asBuffer(identity.uuid)]);
}

export function decodeIdentity(value: Buffer): StoreIdentity | null {
  const fields = unpackArray(value);
  if (fields === null) return null;
  // A later format may add fields: its number must stay readable, to be named in the refusal.
  const [formatVersion, uuid] = fields;
  if (!isCount(formatVersion) || !isBytes(uuid, uuidBytes)) return null;
  return { formatVersion, uuid };
}

export function encodeBatchRecord(record: BatchRecord): Buffer {
  return pack([record.number, asBuffer(record.previous), asBuffer(record.salt)]);
}

export function decodeBatchRecord(value: Buffer): BatchRecord | null {
  const fields = unpackArray(value, 3);
  if (fields === null) return null;
  const [number, previous, salt] = fields;
  if (!isCount(number) || !isBytes(previous, hashBytes) || !isBytes(salt, saltBytes)) return null;
  return { number, previous, salt };
}

export function encodeGeneration(generation: number): Buffer {
  return pack([generation]);
}

export function decodeGeneration(value: Buffer): number | null {
  const [generation] = unpackArray(value, 1) ?? [];
  return isCount(generation) && generation > 0 ? generation : null;
}

export function encodeHardState(state: HardState): Buffer {
  return pack([state.term, state.votedFor, state.commit]);
}

export function decodeHardState(value: Buffer): HardState | null {
  const fields = unpackArray(value, 3);
  if (fields === null) return null;
  const [term, votedFor, commit] = fields;
  if (!isCount(term) || !isCount(votedFor) || !isCount(commit)) return null;
  return { term, votedFor, commit };
}

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const { index, term, timeMs, chain, terms, state } = checkpoint;
  assert(areTermRuns(terms), 'the term runs of a checkpoint ascend');
  assert(index === 0 || terms.at(-1)?.[1] === term, 'the last term run is that of the checkpoint');
  return pack([index, term, timeMs, asBuffer(chain), terms, asBuffer(state)]);
}

export function decodeCheckpoint(value: Buffer): Checkpoint | null {
  const fields = unpackArray(value, 6);
  if (fields === null) return null;
  const [index, term, timeMs, chain, terms, state] = fields;
  if (!isCount(index) || !isCount(term) || !isCount(timeMs)) return null;
  if (!isBytes(chain, hashBytes) || !areTermRuns(terms) || !isBytes(state)) return null;
  return { index, term, timeMs, chain, terms, state };
}

/** msgpackr writes only a Buffer as plain bytes. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function unpackArray(value: Buffer, length?: number): readonly unknown[] | null {
  let fields: unknown;
  try {
    fields = unpack(value);
  } catch {
    return null;
  }
  if (!Array.isArray(fields)) return null;
  return length === undefined || fields.length === length ? fields : null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isBytes(value: unknown, length?: number): value is Uint8Array {
  return value instanceof Uint8Array && (length === undefined || value.length === length);
}

function areTermRuns(value: unknown): value is Checkpoint['terms'] {
  if (!Array.isArray(value)) return false;
  let [indexBefore, termBefore] = [-1, -1];
  for (const run of value) {
    if (!Array.isArray(run) || run.length !== 2) return false;
    const [index, term] = run;
    if (!isCount(index) || !isCount(term)) return false;
    if (index <= indexBefore || term <= termBefore) return false;
    [indexBefore, termBefore] = [index, term];
  }
  return true;
}
