// An append as callers give it, and its wire form.

import { AppendCommand, type AppendCommandInput } from '../gen/proto.ts';
import { type EventAppend, eventInput } from './event-append.ts';

export interface Append {
  /** Canonical text, such as "g:lobby". */
  readonly conversation: string;
  /** 1 to 128 bytes. */
  readonly sender: string;
  /** 0 to 262,144 bytes; text is sent as UTF-8. */
  readonly body: Uint8Array | string;
  /** Idempotency key, 1 to 64 bytes; one is made where none is given. */
  readonly key?: string;
  readonly contentType?: string;
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
  /** Refuse unless the conversation's head is this (0 = empty). */
  readonly expectedSeq?: number;
  /** Which of the sender's devices says it, at most 64 bytes; absent = the only one. */
  readonly device?: string;
  /** Of that device, from `registerDevice`. */
  readonly epoch?: number;
  /** The sender's own number of it in this conversation, device and epoch: rising, may jump. */
  readonly clientSeq?: number;
  /** The clientSeq before it, 0 = the first of the epoch: it is stored after that one, never before. */
  readonly prevClientSeq?: number;
  /** The sender's clock; kept and shown, decides nothing. */
  readonly clientTimeMs?: number;
  /** The newest seq its sender had seen. */
  readonly seenSeq?: number;
  /** Takes its seq at once, is shown to others only once it is released. */
  readonly pending?: boolean;
}

/** A stored message. */
export interface Appended {
  /** 1..n in its conversation. */
  readonly seq: number;
  readonly rev: number;
  /** 64 bits, rising. */
  readonly id: bigint;
  /** Log time, ms since 1970. */
  readonly timeMs: number;
  /** Of its conversation; index and term are those of its log. */
  readonly partition: number;
  readonly index: number;
  readonly term: number;
  /** The key was used before: these are the original's numbers. */
  readonly duplicate: boolean;
  readonly dedupeUntilMs: number;
  /** It came after a later one of its sender had been stored: it stands at the end. */
  readonly late: boolean;
  /** With late: the rev of the GapMarker in its place; 0 = none. */
  readonly lateFor: number;
  /** Of a device's registration, else 0. */
  readonly epoch: number;
}

/** The key of a client's append number `number`, where the caller gives none: short, as every message is kept with it. */
export function keyOf(clientId: string, number: number): string {
  return `${clientId}-${number.toString(36)}`;
}

/** The canonical wire form. */
export function encodeAppend(
  append: Append | EventAppend,
  conversation: string,
  key: string,
): Uint8Array {
  if ('event' in append) {
    const { sender, event } = append;
    return AppendCommand.encode({ conversation, sender, key, ...eventInput(event) });
  }
  const { sender, contentType, headers, expectedSeq } = append;
  const body = typeof append.body === 'string' ? Buffer.from(append.body) : append.body;
  const input: AppendCommandInput = { conversation, sender, key };
  if (body.length > 0) input.body = body;
  if (contentType) input.contentType = contentType;
  if (headers !== undefined) {
    input.headers = headers.map(({ name, value }) => (value === '' ? { name } : { name, value }));
  }
  if (expectedSeq !== undefined) input.expectedSeq = expectedSeq;
  if (append.device) input.device = append.device;
  if (append.epoch) input.epoch = append.epoch;
  if (append.clientSeq) input.clientSeq = append.clientSeq;
  if (append.prevClientSeq !== undefined) input.prevClientSeq = append.prevClientSeq;
  if (append.clientTimeMs) input.clientTimeMs = append.clientTimeMs;
  if (append.seenSeq) input.seenSeq = append.seenSeq;
  if (append.pending === true) input.pending = true;
  return AppendCommand.encode(input);
}
