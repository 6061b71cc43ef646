// An entry's header: what the leader decided, in columns, one value a slot. The commands follow in
// the entry one after the other, without anything between them.
import { type ChainRow, packChains, unpackChains } from './chains.ts';
import { isNumbers, pack, unpackArray } from './packing.ts';
import { type ConversationExtra, packConversation, unpackConversation } from './policy.ts';

const checkpointVersion = 1;
/** In the first one revs stood as they are. Now it is how far they are ahead of the seqs: mostly one byte for three. */
const commandsVersions = { revs: 1, revsAhead: 2 } as const;

/** What a slot is; the numbers stand on disk. */
export const SlotKind = {
  MESSAGE: 0,
  PENDING: 1,
  POLICY: 2,
  RELEASE: 3,
  REJECT: 4,
  DEVICE: 5,
  GAP: 6,
} as const;
export type SlotKind = (typeof SlotKind)[keyof typeof SlotKind];

/** Of a slot that is not a plain message: what was decided about it, and rows it leaves, whole. */
export interface SlotExtra {
  readonly kind: SlotKind;
  /** A message that stands at the end because a later one was stored before: the marker's rev, 0 = none. */
  readonly lateFor: number | null;
  /** The sender's chains after it; null: they follow from the command, or it is no link of one. */
  readonly chains: ChainRow | null;
  /** Its conversation's extra after it; null: it has none. */
  readonly conversation: ConversationExtra | null;
  /** Given by a registration. */
  readonly epoch: number;
  /** The message that a release or reject is about. */
  readonly target: number;
  /** Log time at which the pending message ends, or would have. */
  readonly dueMs: number;
}

export const plainSlot: SlotExtra = {
  kind: SlotKind.MESSAGE,
  lateFor: null,
  chains: null,
  conversation: null,
  epoch: 0,
  target: 0,
  dueMs: 0,
};

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
  /** By slot; most have none. seqs[slot] of an event is that of the newest message. */
  readonly extras: Map<number, SlotExtra>;
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
    extras: new Map(),
  };
}

export function encodeCommandsHeader(header: CommandsHeader): Uint8Array {
  const { lengths, seqs, revs, idAheadMs, idCounters, shards } = header;
  const { previousBack, previousSlots } = header;
  const ahead = revs.map((rev, slot) => rev - (seqs[slot] ?? 0));
  const columns = [
    lengths,
    seqs,
    ahead,
    idAheadMs,
    idCounters,
    shards,
    previousBack,
    previousSlots,
  ];
  const version = commandsVersions.revsAhead;
  if (header.extras.size === 0) return pack([version, ...columns]);
  return pack([version, ...columns, [...header.extras].flatMap(packExtra)]);
}

/** Total: bytes that are no header of so many bytes of commands read as one without slots. */
export function decodeCommandsHeader(bytes: Uint8Array, commandBytes: number): CommandsHeader {
  const fields = unpackArray(bytes);
  if (fields === null || fields.length > 10) return createColumns();
  const [version] = fields;
  const isAhead = version === commandsVersions.revsAhead;
  if (!isAhead && version !== commandsVersions.revs) return createColumns();
  const columns = fields.slice(1, 9).filter(isNumbers);
  const [lengths, seqs, third, idAheadMs, idCounters, shards, previousBack, previousSlots] =
    columns;
  if (!lengths || !seqs || !third || !idAheadMs || !idCounters) return createColumns();
  if (!shards || !previousBack || !previousSlots) return createColumns();
  if (columns.some((column) => column.length !== lengths.length)) return createColumns();
  if (!isSplit(lengths, commandBytes)) return createColumns();
  const revs = isAhead ? third.map((ahead, slot) => ahead + (seqs[slot] ?? 0)) : third;
  const extras = unpackExtras(fields[9]);
  return {
    lengths,
    seqs,
    revs,
    idAheadMs,
    idCounters,
    shards,
    previousBack,
    previousSlots,
    extras,
  };
}

/** Whether commands of these lengths are all of so many bytes. */
function isSplit(lengths: readonly number[], bytes: number): boolean {
  let sum = 0;
  for (const length of lengths) {
    if (!Number.isInteger(length) || length < 0) return false;
    sum += length;
  }
  return sum === bytes;
}

function packExtra([slot, extra]: [number, SlotExtra]): unknown[] {
  const { kind, lateFor, chains, conversation, epoch, target, dueMs } = extra;
  const rows = [chains && packChains(chains), conversation && packConversation(conversation)];
  return [slot, [kind, lateFor, ...rows, epoch, target, dueMs]];
}

function unpackExtras(field: unknown): Map<number, SlotExtra> {
  const extras = new Map<number, SlotExtra>();
  if (!Array.isArray(field)) return extras;
  for (let at = 0; at + 1 < field.length; at += 2) {
    const [slot, parts]: unknown[] = [field[at], field[at + 1]];
    if (typeof slot !== 'number' || !Array.isArray(parts)) continue;
    const [kind, lateFor, chains, conversation, epoch, target, dueMs]: unknown[] = parts;
    extras.set(slot, {
      kind: Object.values(SlotKind).find((each) => each === kind) ?? SlotKind.MESSAGE,
      lateFor: typeof lateFor === 'number' ? lateFor : null,
      chains: unpackChains(chains),
      conversation: unpackConversation(conversation),
      epoch: Number(epoch),
      target: Number(target),
      dueMs: Number(dueMs),
    });
  }
  return extras;
}

export function encodeCheckpointHeader(header: CheckpointHeader): Uint8Array {
  return pack([checkpointVersion, header.dropPagesUpTo]);
}

export function decodeCheckpointHeader(bytes: Uint8Array): CheckpointHeader {
  const fields = unpackArray(bytes);
  const [version, upTo] = fields ?? [];
  return { dropPagesUpTo: version === checkpointVersion && typeof upTo === 'number' ? upTo : 0 };
}

/** Slot `slot`'s command within an entry's command bytes. */
export function commandAt(header: CommandsHeader, commands: Uint8Array, slot: number): Uint8Array {
  let start = 0;
  for (let before = 0; before < slot; before++) start += header.lengths[before] ?? 0;
  return commands.subarray(start, start + (header.lengths[slot] ?? 0));
}

/** Whether a slot has a rev and no seq. */
export function isEvent(extra: Pick<SlotExtra, 'kind'> | undefined): boolean {
  return extra !== undefined && extra.kind !== SlotKind.MESSAGE && extra.kind !== SlotKind.PENDING;
}
