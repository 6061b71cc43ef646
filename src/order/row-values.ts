// The values of the rows that order keeps, packed and read again.
import { assert } from '../assert.ts';
import { type ChainRow, packChains, unpackChains } from './chains.ts';
import { isNumbers, pack, unpackArray } from './packing.ts';
import { type ConversationExtra, packConversation, unpackConversation } from './policy.ts';

/** The newest message of a conversation, where it stands, and how many events there have been. */
export interface Head {
  readonly seq: number;
  readonly rev: number;
  readonly index: number;
  readonly slot: number;
  /** null: nothing but messages so far. */
  readonly extra: ConversationExtra | null;
}

/** Where one message stands: slot `slot` of the entry at `index`. */
export interface Place {
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
}

/** Where an event stands that is no message, and the newest seq then. */
export interface EventPlace {
  readonly rev: number;
  readonly index: number;
  readonly slot: number;
  readonly seq: number;
}

/** Of a message that is, or was, pending; one that was released has none. */
export interface PendingState {
  readonly kind: 'pending' | 'rejected';
  readonly dueMs: number;
}

export const emptyHead: Head = { seq: 0, rev: 0, index: 0, slot: 0, extra: null };

const version = 1;

export function headOf({ seq, rev, index, slot, extra }: Head): Head {
  return { seq, rev, index, slot, extra };
}

export function encodeHead({ seq, rev, index, slot, extra }: Head): Uint8Array {
  const fields = [version, seq, rev, index, slot];
  return pack(extra === null ? fields : [...fields, packConversation(extra)]);
}

/** Of a head row's value; null: no row stands, the conversation is empty. */
export function decodeHead(value: Uint8Array | null): Head {
  if (value === null) return emptyHead;
  const [found, ...fields] = unpackArray(value) ?? [];
  const numbers = fields.slice(0, 4);
  const [seq, rev, index, slot] = isNumbers(numbers) ? numbers : [];
  assert(found === version, 'a head row has the version this code writes');
  assert(seq !== undefined && rev !== undefined, 'a head row holds seq and rev');
  assert(index !== undefined && slot !== undefined, 'a head row holds the newest place');
  return { seq, rev, index, slot, extra: unpackConversation(fields[4]) };
}

/** Of a floor row's value; null: no row stands, nothing is gone. */
export function decodeFloor(value: Uint8Array | null): number {
  if (value === null) return 1;
  const [found, floor] = unpackArray(value) ?? [];
  assert(found === version && typeof floor === 'number', 'a floor row holds a number');
  return floor;
}

export function encodeFloor(floor: number): Uint8Array {
  return pack([version, floor]);
}

/** Of a run of numbers: places of messages or events. */
export function encodeRun(numbers: readonly number[]): Uint8Array {
  // Not spread: that grows an array step by step.
  return pack([version].concat(numbers));
}

/** The places in an index row's value whose first seq is `firstSeq`. */
export function decodeIndexRow(value: Uint8Array, firstSeq: number): Place[] {
  const numbers = decodeRun(value);
  const decoded: Place[] = [];
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    const [index = 0, slot = 0] = numbers.slice(at, at + 2);
    decoded.push({ seq: firstSeq + at / 2, index, slot });
  }
  return decoded;
}

export function decodeEventRow(value: Uint8Array): EventPlace[] {
  return eventPlaces(decodeRun(value));
}

/** From rev, index, slot, seq, rev, ... */
export function eventPlaces(numbers: readonly number[]): EventPlace[] {
  const places: EventPlace[] = [];
  for (let at = 0; at + 3 < numbers.length; at += 4) {
    const [rev = 0, index = 0, slot = 0, seq = 0] = numbers.slice(at, at + 4);
    places.push({ rev, index, slot, seq });
  }
  return places;
}

export function encodeChainRow(row: ChainRow): Uint8Array {
  return pack([version, packChains(row)]);
}

export function decodeChainRow(value: Uint8Array): ChainRow {
  const [found, chains] = unpackArray(value) ?? [];
  const row = unpackChains(chains);
  assert(found === version && row !== null, 'a chain row holds chains');
  return row;
}

export function encodeState({ kind, dueMs }: PendingState): Uint8Array {
  return pack([version, kind === 'pending', dueMs]);
}

export function decodeState(value: Uint8Array): PendingState {
  const [found, isPending, dueMs] = unpackArray(value) ?? [];
  assert(found === version && typeof dueMs === 'number', 'a state row holds its due time');
  return { kind: isPending === true ? 'pending' : 'rejected', dueMs };
}

/** Whether it is released, not rejected, when it is due. */
export function encodeDue(releases: boolean): Uint8Array {
  return pack([version, releases]);
}

export function decodeDue(value: Uint8Array): boolean {
  const [found, releases] = unpackArray(value) ?? [];
  assert(found === version && typeof releases === 'boolean', 'a due row says how it ends');
  return releases;
}

function decodeRun(value: Uint8Array): number[] {
  const [found, ...numbers] = unpackArray(value) ?? [];
  assert(found === version && isNumbers(numbers), 'a run row holds numbers');
  return numbers;
}
