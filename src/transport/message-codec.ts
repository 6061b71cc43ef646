// Batches of Raft messages as bytes: msgpack, arrays with fixed positions.
//   batch   = [format version, wall clock ms, message...]
//   message = [partition, tag, from, to, term, fields of that tag...]; an append's entries come last,
//             each exactly the bytes of entry.ts.
// Decoded entries are views into the frame. Anything that is not such a batch decodes to null.
import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import { assert, unreachable } from '../assert.ts';
import { decodeEntry, encodeEntry, type LogEntry } from '../entry.ts';
import { hashBytes } from '../hash.ts';
import type { Membership } from '../raft/membership.ts';
import type { Snapshot } from '../raft/types.ts';
import type { PeerBatch, PeerMessage } from './types.ts';

const formatVersion = 1;
const partitionMax = 0xffff;
const entriesAt = 8;
const chainAt = 8;

/** On the wire: a number is never given to another message. */
const Tag = {
  PreVote: 1,
  PreVoteReply: 2,
  Vote: 3,
  VoteReply: 4,
  Append: 5,
  AppendOk: 6,
  AppendReject: 7,
  Heartbeat: 8,
  HeartbeatOk: 9,
  ReadIndex: 10,
  ReadIndexReply: 11,
  TimeoutNow: 12,
  Quiesce: 13,
  QuiesceOk: 14,
  InstallSnapshot: 15,
  Commit: 16,
} as const;

type WireField = number | boolean | null | Uint8Array | readonly number[];
type Fields = readonly unknown[];
type NumberTuple<N extends number, T extends number[] = []> = T['length'] extends N
  ? T
  : NumberTuple<N, [...T, number]>;

const packr = new Packr({ useRecords: false, int64AsType: 'number' });

/** The first `reservedBytes` (at most 255) of the result are left to the caller. */
export function encodeBatch(batch: PeerBatch, reservedBytes = 0): Buffer {
  const { wallMs, partitions, messages } = batch;
  assert(isUint(wallMs), 'a wall clock reading is a whole number of ms');
  const fields: (number | WireField[])[] = [formatVersion, wallMs];
  for (let at = 0; at < messages.length; at += 1) {
    const [partition, message] = [partitions[at], messages[at]];
    assert(partition !== undefined && message !== undefined, 'every message has its partition');
    fields.push(messageFields(partition, message));
  }
  return packr.pack(fields, RESERVE_START_SPACE | reservedBytes);
}

export function decodeBatch(bytes: Uint8Array): PeerBatch | null {
  const fields = unpackArray(bytes);
  if (fields === null || fields[0] !== formatVersion) return null;
  const wallMs = fields[1];
  if (!isUint(wallMs)) return null;
  const partitions: number[] = [];
  const messages: PeerMessage[] = [];
  for (let at = 2; at < fields.length; at += 1) {
    const message = fields[at];
    if (!Array.isArray(message)) return null;
    const partition: unknown = message[0];
    if (!isUint(partition) || partition > partitionMax) return null;
    const decoded = decodeMessage(partition, message);
    if (decoded === null) return null;
    partitions.push(partition);
    messages.push(decoded);
  }
  return { wallMs, partitions, messages };
}

function messageFields(partition: number, m: PeerMessage): WireField[] {
  const { type, from, to, term } = m;
  const tag = Tag[type];
  switch (type) {
    case 'PreVote':
      return [partition, tag, from, to, term, m.lastIndex, m.lastTerm, m.campaign];
    case 'Vote':
      return [partition, tag, from, to, term, m.lastIndex, m.lastTerm, m.campaign, m.transfer];
    case 'PreVoteReply':
    case 'VoteReply':
      return [partition, tag, from, to, term, m.granted, m.campaign];
    case 'Append': {
      const { prevIndex, prevTerm, commit, entries } = m;
      const fields: WireField[] = [partition, tag, from, to, term, prevIndex, prevTerm, commit];
      for (const entry of entries) fields.push(encodeEntry(partition, entry));
      return fields;
    }
    case 'Commit':
      return [partition, tag, from, to, term, m.prevIndex, m.prevTerm, m.commit];
    case 'AppendOk':
      return [partition, tag, from, to, term, m.match];
    case 'AppendReject':
      return [partition, tag, from, to, term, m.prevIndex, m.hintIndex, m.hintTerm];
    case 'InstallSnapshot':
      return [partition, tag, from, to, term, ...snapshotFields(m.snapshot)];
    case 'Heartbeat':
      return [partition, tag, from, to, term, m.commit, m.round];
    case 'HeartbeatOk':
      return [partition, tag, from, to, term, m.round];
    case 'TimeoutNow':
      return [partition, tag, from, to, term];
    case 'Quiesce':
      return [partition, tag, from, to, term, m.index, m.lastTerm];
    case 'QuiesceOk':
      return [partition, tag, from, to, term, m.index];
    case 'ReadIndex':
      return [partition, tag, from, to, term, m.context];
    case 'ReadIndexReply':
      return [partition, tag, from, to, term, m.context, m.index];
    default:
      return unreachable(type);
  }
}

function snapshotFields({ index, term, timeMs, chain, membership }: Snapshot): WireField[] {
  const { incoming, outgoing, learners, learnersNext, highestId, autoLeave } = membership;
  const members: WireField[] = [incoming, outgoing, learners, learnersNext, highestId, autoLeave];
  return [index, term, timeMs, Buffer.from(chain), ...members];
}

function unpackArray(bytes: Uint8Array): Fields | null {
  try {
    const value: unknown = packr.unpack(bytes);
    return Array.isArray(value) ? value : null;
  } catch {
    // msgpackr throws, of no one class, at whatever is not msgpack; the caller refuses the frame.
    return null;
  }
}

function decodeMessage(partition: number, fields: Fields): PeerMessage | null {
  switch (fields[1]) {
    case Tag.PreVote:
      return decodePreVote(fields);
    case Tag.PreVoteReply:
      return decodeVoteReply('PreVoteReply', fields);
    case Tag.Vote:
      return decodeVote(fields);
    case Tag.VoteReply:
      return decodeVoteReply('VoteReply', fields);
    case Tag.Append:
      return decodeAppend(partition, fields);
    case Tag.Commit:
      return decodeCommit(fields);
    case Tag.AppendReject:
      return decodeAppendReject(fields);
    case Tag.InstallSnapshot:
      return decodeInstallSnapshot(fields);
    case Tag.Heartbeat:
      return decodeHeartbeat(fields);
    case Tag.Quiesce:
      return decodeQuiesce(fields);
    case Tag.TimeoutNow:
      return decodeTimeoutNow(fields);
    case Tag.ReadIndexReply:
      return decodeReadIndexReply(fields);
    default:
      return decodeSingle(fields);
  }
}

function decodePreVote(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 8)) return null;
  const [, , from, to, term, lastIndex, lastTerm, campaign] = fields;
  return { type: 'PreVote', from, to, term, lastIndex, lastTerm, campaign };
}

function decodeVote(fields: Fields): PeerMessage | null {
  const transfer = fields[8];
  const asked = fields.slice(0, 8);
  if (fields.length !== 9 || typeof transfer !== 'boolean' || !areUints(asked, 8)) return null;
  const [, , from, to, term, lastIndex, lastTerm, campaign] = asked;
  return { type: 'Vote', from, to, term, lastIndex, lastTerm, campaign, transfer };
}

function decodeTimeoutNow(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 5)) return null;
  const [, , from, to, term] = fields;
  return { type: 'TimeoutNow', from, to, term };
}

function decodeVoteReply(type: 'PreVoteReply' | 'VoteReply', fields: Fields): PeerMessage | null {
  const [, , from, to, term, granted, campaign] = fields;
  if (fields.length !== 7 || typeof granted !== 'boolean') return null;
  if (!isUint(from) || !isUint(to) || !isUint(term) || !isUint(campaign)) return null;
  return { type, from, to, term, granted, campaign };
}

function decodeAppend(partition: number, fields: Fields): PeerMessage | null {
  const head = fields.slice(0, entriesAt);
  if (!areUints(head, entriesAt)) return null;
  const [, , from, to, term, prevIndex, prevTerm, commit] = head;
  const entries: LogEntry[] = [];
  for (let at = entriesAt; at < fields.length; at += 1) {
    const bytes = fields[at];
    const entry = bytes instanceof Uint8Array ? decodeEntry(partition, bytes) : null;
    if (entry === null) return null;
    entries.push(entry);
  }
  return { type: 'Append', from, to, term, prevIndex, prevTerm, entries, commit };
}

function decodeCommit(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 8)) return null;
  const [, , from, to, term, prevIndex, prevTerm, commit] = fields;
  return { type: 'Commit', from, to, term, prevIndex, prevTerm, commit };
}

function decodeAppendReject(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 8)) return null;
  const [, , from, to, term, prevIndex, hintIndex, hintTerm] = fields;
  return { type: 'AppendReject', from, to, term, prevIndex, hintIndex, hintTerm };
}

function decodeInstallSnapshot(fields: Fields): PeerMessage | null {
  const head = fields.slice(0, chainAt);
  const chain = fields[chainAt];
  const membership = decodeMembership(fields.slice(chainAt + 1));
  if (!areUints(head, chainAt) || membership === null) return null;
  if (!(chain instanceof Uint8Array) || chain.length !== hashBytes) return null;
  const [, , from, to, term, index, lastTerm, timeMs] = head;
  // A copy: it is kept for long, and the frame is not to be kept for it.
  const place = { index, term: lastTerm, timeMs, chain: new Uint8Array(chain) };
  return { type: 'InstallSnapshot', from, to, term, snapshot: { ...place, membership } };
}

function decodeMembership(fields: Fields): Membership | null {
  const [incoming, outgoing, learners, learnersNext, highestId, autoLeave] = fields;
  if (fields.length !== 6 || !isUint(highestId) || typeof autoLeave !== 'boolean') return null;
  if (!isUintArray(incoming) || !isUintArray(outgoing)) return null;
  if (!isUintArray(learners) || !isUintArray(learnersNext)) return null;
  return { incoming, outgoing, learners, learnersNext, highestId, autoLeave };
}

function decodeHeartbeat(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 7)) return null;
  const [, , from, to, term, commit, round] = fields;
  return { type: 'Heartbeat', from, to, term, commit, round };
}

function decodeQuiesce(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 7)) return null;
  const [, , from, to, term, index, lastTerm] = fields;
  return { type: 'Quiesce', from, to, term, index, lastTerm };
}

function decodeReadIndexReply(fields: Fields): PeerMessage | null {
  const [, , from, to, term, context, index] = fields;
  if (fields.length !== 7 || (index !== null && !isUint(index))) return null;
  if (!isUint(from) || !isUint(to) || !isUint(term) || !isUint(context)) return null;
  return { type: 'ReadIndexReply', from, to, term, context, index };
}

/** The messages that carry one number. */
function decodeSingle(fields: Fields): PeerMessage | null {
  if (!areUints(fields, 6)) return null;
  const [, tag, from, to, term, value] = fields;
  if (tag === Tag.AppendOk) return { type: 'AppendOk', from, to, term, match: value };
  if (tag === Tag.HeartbeatOk) return { type: 'HeartbeatOk', from, to, term, round: value };
  if (tag === Tag.QuiesceOk) return { type: 'QuiesceOk', from, to, term, index: value };
  if (tag === Tag.ReadIndex) return { type: 'ReadIndex', from, to, term, context: value };
  return null;
}

function isUint(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isUintArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isUint);
}

function areUints<N extends number>(fields: Fields, count: N): fields is Fields & NumberTuple<N> {
  return fields.length === count && fields.every(isUint);
}
