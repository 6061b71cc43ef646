// A checked command as it stands in an entry, read only as far as a fold needs it. Total: other bytes
// give some defined answer.
import { latin1 } from './bytes.ts';
import { chainName, type Link } from './command.ts';

export interface StoredIdentity {
  readonly conversation: string;
  /** Conversation, sender and key end here; 0 where there is no key. */
  readonly keyEnd: number;
  /** null: no client_seq was given. */
  readonly link: Link | null;
}

const field = {
  conversation: 1,
  sender: 2,
  key: 3,
  device: 8,
  epoch: 9,
  clientSeq: 10,
  prev: 11,
} as const;
const bytesWire = 2;

/** Of the command in bytes[start, end). */
export function readIdentity(bytes: Uint8Array, start = 0, end = bytes.length): StoredIdentity {
  const conversationEnd = textEnd(bytes, start, end, field.conversation);
  const senderEnd = textEnd(bytes, conversationEnd, end, field.sender);
  const keyEnd = textEnd(bytes, senderEnd, end, field.key);
  const conversation = textOf(bytes, start, conversationEnd);
  const deviceAt = endOfLower(bytes, keyEnd, end, field.device);
  let link: Link | null = null;
  if (deviceAt < end) {
    const sender = textOf(bytes, conversationEnd, senderEnd);
    link = readLink(bytes, deviceAt, end, conversation, sender);
  }
  return { conversation, keyEnd: keyEnd === senderEnd ? 0 : keyEnd, link };
}

/** How the chains of a command's sender in its conversation are named. */
export function readChainName(bytes: Uint8Array): string {
  const end = bytes.length;
  const conversationEnd = textEnd(bytes, 0, end, field.conversation);
  const senderEnd = textEnd(bytes, conversationEnd, end, field.sender);
  const conversation = textOf(bytes, 0, conversationEnd);
  return chainName(conversation, textOf(bytes, conversationEnd, senderEnd));
}

function readLink(
  bytes: Uint8Array,
  deviceAt: number,
  end: number,
  conversation: string,
  sender: string,
): Link | null {
  const deviceEnd = textEnd(bytes, deviceAt, end, field.device);
  const epochEnd = numberEnd(bytes, deviceEnd, end, field.epoch);
  const clientSeqEnd = numberEnd(bytes, epochEnd, end, field.clientSeq);
  const prevEnd = numberEnd(bytes, clientSeqEnd, end, field.prev);
  if (clientSeqEnd === epochEnd) return null;
  const clientSeq = numberOf(bytes, epochEnd, clientSeqEnd);
  if (clientSeq === 0) return null;
  return {
    chain: chainName(conversation, sender),
    device: textOf(bytes, deviceAt, deviceEnd),
    epoch: numberOf(bytes, deviceEnd, epochEnd),
    clientSeq,
    prev: prevEnd === clientSeqEnd ? null : numberOf(bytes, clientSeqEnd, prevEnd),
  };
}

/** Where a text field that starts at `at` ends; `at` where another one, or nothing, stands there. */
function textEnd(bytes: Uint8Array, at: number, end: number, number: number): number {
  if (at >= end || bytes[at] !== ((number << 3) | bytesWire)) return at;
  const start = varintEnd(bytes, at + 1, end);
  return Math.min(start + varint(bytes, at + 1), end);
}

/** Likewise, of a number. */
function numberEnd(bytes: Uint8Array, at: number, end: number, number: number): number {
  return at < end && bytes[at] === number << 3 ? varintEnd(bytes, at + 1, end) : at;
}

function textOf(bytes: Uint8Array, at: number, end: number): string {
  return at >= end ? '' : latin1(bytes, varintEnd(bytes, at + 1, end), end);
}

function numberOf(bytes: Uint8Array, at: number, end: number): number {
  return at >= end ? 0 : varint(bytes, at + 1);
}

/** Where the first field from `number` on stands. */
function endOfLower(bytes: Uint8Array, from: number, end: number, number: number): number {
  let at = from;
  while (at < end) {
    const tag = bytes[at] ?? 0;
    if (tag >> 3 >= number) return at;
    const valueEnd = varintEnd(bytes, at + 1, end);
    at = (tag & 7) === bytesWire ? valueEnd + varint(bytes, at + 1) : valueEnd;
  }
  return end;
}

function varint(bytes: Uint8Array, start: number): number {
  const first = bytes[start] ?? 0;
  if (first < 0x80) return first;
  let value = first & 0x7f;
  let scale = 128;
  for (let at = start + 1; at < start + 8; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    scale *= 128;
  }
  return value;
}

function varintEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < start + 7 && (bytes[at] ?? 0) >= 0x80) at += 1;
  return Math.min(at + 1, end);
}
