// A stored message as callers get it: plain numbers where they fit, one bigint for the id.
import type { ChatMessage, ReadResponse } from '../gen/proto.ts';

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
  /** Idempotency key; '' = it had none. */
  readonly key: string;
  readonly body: Uint8Array;
  /** '' = none was given. */
  readonly contentType: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
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

export function toMessage(message: ChatMessage): Message {
  const { command } = message;
  if (command === null) throw new TypeError('a stored message has its command');
  const { conversation, sender, key, body, contentType, headers } = command;
  return {
    conversation,
    seq: Number(message.seq),
    rev: Number(message.rev),
    id: BigInt(message.id.toString()),
    timeMs: Number(message.timeMs),
    sender,
    key,
    body,
    contentType,
    headers,
    index: Number(message.index),
    slot: message.slot,
  };
}

export function toPage(response: ReadResponse): Page {
  return {
    messages: response.messages.map(toMessage),
    headSeq: Number(response.headSeq),
    headRev: Number(response.headRev),
    minSeq: Number(response.minSeq),
    servedBy: response.servedBy,
    appliedIndex: Number(response.appliedIndex),
    lagMs: response.lagMs,
  };
}
