// A stored message as callers get it: plain numbers where they fit, one bigint for the id.
import type Long from 'long';
import { type ChatMessage, MessageState, type ReadResponse } from '../gen/proto.ts';

export interface Message {
  readonly conversation: string;
  /** 1..n in its conversation. */
  readonly seq: number;
  readonly rev: number;
  /** 64 bits, rising. */
  readonly id: bigint;
  /** Log time, ms since 1970. */
  readonly timeMs: number;
  readonly sender: string;
  /**
   * pending: it waits for its release. rejected: it is never shown. Others than its sender then get
   * no key, body, content type or headers. A released one is normal.
   */
  readonly state: 'normal' | 'pending' | 'rejected';
  /** It came after a later one of its sender had been stored: it stands at the end. */
  readonly late: boolean;
  /** With late: the rev of the gap in its place; 0 = none. */
  readonly lateFor: number;
  /** Idempotency key; '' = it had none. */
  readonly key: string;
  readonly body: Uint8Array;
  /** '' = none was given. */
  readonly contentType: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Which of the sender's devices said it; '' = the only one. */
  readonly device: string;
  /** Of that device; 0 = none was given. */
  readonly epoch: number;
  /** The sender's own number of it; 0 = none was given. */
  readonly clientSeq: number;
  /** The clientSeq before it; null: it is no link of a chain. */
  readonly prevClientSeq: number | null;
  /** The sender's clock; 0 = not given. */
  readonly clientTimeMs: number;
  /** Raft index of its entry, and its place there: the order of a partition. */
  readonly index: number;
  readonly slot: number;
}

export interface Page {
  /** In order of seq. */
  readonly messages: readonly Message[];
  /** Newest seq on the replica that answered; 0 = the conversation has no message. */
  readonly headSeq: number;
  readonly headRev: number;
  /** Oldest seq that can be read; 0 = none. */
  readonly minSeq: number;
  /** Node id of the replica that answered. */
  readonly servedBy: number;
  readonly appliedIndex: number;
  /** How long ago that replica heard of a commit index that it has now applied, ms. */
  readonly lagMs: number;
}

const states = new Map<number, Message['state']>([
  [MessageState.MESSAGE_STATE_PENDING, 'pending'],
  [MessageState.MESSAGE_STATE_REJECTED, 'rejected'],
]);

/** Of an unsigned one, and not by way of its text: an append's answer has one. */
export function bigintOf({ high, low }: Long): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

export function toMessage(message: ChatMessage): Message {
  const { command } = message;
  if (command === null) throw new TypeError('a stored message has its command');
  const { conversation, sender, key, body, contentType, headers, device } = command;
  return {
    conversation,
    seq: message.seq.toNumber(),
    rev: message.rev.toNumber(),
    id: bigintOf(message.id),
    timeMs: message.timeMs.toNumber(),
    sender,
    state: states.get(message.state) ?? 'normal',
    late: message.late,
    lateFor: message.lateFor.toNumber(),
    key,
    body,
    contentType,
    // One without a value has none of its own.
    headers: headers.map(({ name, value }) => ({ name, value })),
    device,
    epoch: command.epoch.toNumber(),
    clientSeq: command.clientSeq.toNumber(),
    prevClientSeq: Object.hasOwn(command, 'prevClientSeq')
      ? command.prevClientSeq.toNumber()
      : null,
    clientTimeMs: command.clientTimeMs.toNumber(),
    index: message.index.toNumber(),
    slot: message.slot,
  };
}

export function toPage(response: ReadResponse): Page {
  return {
    messages: response.messages.map(toMessage),
    headSeq: response.headSeq.toNumber(),
    headRev: response.headRev.toNumber(),
    minSeq: response.minSeq.toNumber(),
    servedBy: response.servedBy,
    appliedIndex: response.appliedIndex.toNumber(),
    lagMs: response.lagMs,
  };
}
