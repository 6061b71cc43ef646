// An entry's header: what the leader decided, in columns, one value a slot. The commands follow in
// the entry one after the other, without anything between them.
import { Packr } from 'msgpackr';
import { assert } from '../assert.ts';

const headerVersion = 1;
const packr = new Packr({ useRecords: false });

/** Columns of one length: slot i of the entry is seqs[i], revs[i], ... */
export interface CommandsHeader {
  /** Bytes of each command. */
  readonly lengths: number[];
  readonly seqs: number[];
  readonly revs: number[];
  /** The id's ms minus the entry's log time. */
  readonly idAheadMs: number[];
  readonly idCounters: number[];
  readonly shards: number[];
  /** Entries back to the message before in the conversation, and its slot there; 0, 0 for the first. */
  readonly previousBack: number[];
  readonly previousSlots: number[];
}

export interface CheckpointHeader {
  /** Dedupe pages with this name (a checkpoint's index) or a lower one are dropped; 0 = none. */
  readonly dropPagesUpTo: number;
}

export function createColumns(): CommandsHeader {
  return {
    lengths: [],
    seqs: [],
    revs: [],
    idAheadMs: [],
    idCounters: [],
    shards: [],
    previousBack: [],
    previousSlots: [],
  };
}

export function encodeCommandsHeader(header: CommandsHeader): Uint8Array {
  const { lengths, seqs, revs, idAheadMs, idCounters, shards } = header;
  const { previousBack, previousSlots } = header;
  const ids = [idAheadMs, idCounters, shards];
  return packr.pack([headerVersion, lengths, seqs, revs, ...ids, previousBack, previousSlots]);
}

/** Total: bytes that are no header read as one without slots. */
export function decodeCommandsHeader(bytes: Uint8Array): CommandsHeader {
  const fields = unpackArray(bytes);
  if (fields === null || fields[0] !== headerVersion) return createColumns();
  const columns = fields.slice(1).filter(isNumbers);
  const [lengths, seqs, revs, idAheadMs, idCounters, shards, previousBack, previousSlots] = columns;
  const isWhole = fields.length === 9 && columns.length === 8;
  if (!isWhole || !lengths || !seqs || !revs || !idAheadMs || !idCounters) return createColumns();
  if (!shards || !previousBack || !previousSlots) return createColumns();
  if (columns.some((column) => column.length !== lengths.length)) return createColumns();
  return { lengths, seqs, revs, idAheadMs, idCounters, shards, previousBack, previousSlots };
}

export function encodeCheckpointHeader(header: CheckpointHeader): Uint8Array {
  return packr.pack([headerVersion, header.dropPagesUpTo]);
}

export function decodeCheckpointHeader(bytes: Uint8Array): CheckpointHeader {
  const fields = unpackArray(bytes);
  const upTo = fields?.[1];
  return { dropPagesUpTo: typeof upTo === 'number' && fields?.[0] === headerVersion ? upTo : 0 };
}

/** Slot `slot`'s command within an entry's command bytes. */
export function commandAt(header: CommandsHeader, commands: Uint8Array, slot: number): Uint8Array {
  let start = 0;
  for (let before = 0; before < slot; before++) start += header.lengths[before] ?? 0;
  return commands.subarray(start, start + (header.lengths[slot] ?? 0));
}

/** msgpackr's packer for everything order keeps; positional arrays only. */
export function pack(fields: readonly unknown[]): Uint8Array {
  const bytes = packr.pack(fields);
  assert(bytes.length > 0, 'a packed array is never empty');
  return bytes;
}

/** null where the bytes are not one msgpack array. */
export function unpackArray(bytes: Uint8Array): unknown[] | null {
  try {
    const value: unknown = packr.unpack(bytes);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

export function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const item of value) if (typeof item !== 'number') return false;
  return true;
}
