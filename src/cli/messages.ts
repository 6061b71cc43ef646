// How commands show a message: a line for people, or an object for --json that holds every byte.
import type { Policy } from '../client/event-append.ts';
import type { Message } from '../client/message.ts';
import type { ConversationEvent } from '../client/subscription-events.ts';

/** `seq  sender: body`, one line whatever the body holds; (pending), (rejected) and (late) behind it. */
export function messageLine(message: Message, withTime = false): string {
  const { seq, timeMs, sender, late } = message;
  const marks = late ? ['(late)'] : [];
  const text = [`${sender}:`, ...textOf(message), ...marks].join(' ');
  return line(String(seq), withTime ? timeMs : null, text);
}

/** What stands where a message stands, in one line; `-` in place of its seq. */
export function eventLine(event: ConversationEvent, withTime = false): string {
  return line('-', withTime ? event.timeMs : null, eventText(event));
}

/** With its log time, in UTC, where that is asked for. */
function line(place: string, timeMs: number | null, text: string): string {
  const time = timeMs === null ? '' : `${new Date(timeMs).toISOString()}  `;
  return `${place.padStart(6)}  ${time}${visible(text)}`;
}

/** Its body; of a message that is not shown to this reader, what it is. */
export function shownBody(message: Message): Uint8Array {
  return isHidden(message) ? Buffer.from(`(${message.state})`) : message.body;
}

/** Pending or rejected, and read by another than its sender: nothing of it came. */
export function isHidden({ state, body, key, contentType, headers }: Message): boolean {
  const isBare = key === '' && body.length + contentType.length + headers.length === 0;
  return state !== 'normal' && isBare;
}

function textOf(message: Message): string[] {
  const mark = message.state === 'normal' ? [] : [`(${message.state})`];
  return isHidden(message) ? mark : [Buffer.from(message.body).toString(), ...mark];
}

function eventText(event: ConversationEvent): string {
  const { sender } = event;
  switch (event.kind) {
    case 'gap': {
      const { device, after, before } = event;
      const who = device === '' ? sender : `${sender}, ${device}`;
      return `gap: messages of ${who} are missing, after ${after} and before ${before}`;
    }
    case 'released': {
      const { seq, message } = event;
      if (message === null) return `${seq} released by ${sender}`;
      return `${seq} released by ${sender}: ${message.sender}: ${textOf(message).join(' ')}`;
    }
    case 'rejected':
      return `${event.seq} rejected by ${sender}`;
    case 'policy':
      return `policy by ${sender}: ${policyText(event.policy)}`;
    case 'device':
      return `device ${event.device} of ${sender}: epoch ${event.epoch}`;
    case 'unknown':
      return 'an event of a kind that this version does not know';
  }
}

function policyText({ order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd }: Policy): string {
  const wait = gapWaitMs === undefined ? '' : ` after ${gapWaitMs} ms`;
  const ttl = pendingTtlMs === undefined ? '' : ` after ${pendingTtlMs} ms`;
  return `order ${order}, gaps ${gapAction}${wait}, pending ${pendingEnd}${ttl}`;
}

/** For JSON.stringify by `sayJson`; empty fields are left out, but for the body. */
export function messageJson(message: Message): Readonly<Record<string, unknown>> {
  const { seq, rev, id, timeMs, sender, key, contentType, headers, prevClientSeq } = message;
  const { state, late, lateFor, device, epoch, clientSeq, clientTimeMs } = message;
  return {
    seq,
    rev,
    id,
    timeMs,
    sender,
    ...(state === 'normal' ? {} : { state }),
    ...(late ? { late, lateFor } : {}),
    ...(device === '' ? {} : { device }),
    ...(epoch === 0 ? {} : { epoch }),
    ...(clientSeq === 0 ? {} : { clientSeq }),
    ...(prevClientSeq === null ? {} : { prevClientSeq }),
    ...(clientTimeMs === 0 ? {} : { clientTimeMs }),
    ...(key === '' ? {} : { key }),
    ...(contentType === '' ? {} : { contentType }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(isHidden(message) ? {} : bodyForJson(Buffer.from(message.body))),
  };
}

/** An `event` line: its kind, its place, and what it says. */
export function eventJson(event: ConversationEvent): Readonly<Record<string, unknown>> {
  const { kind, conversation, index, slot, ...rest } = event;
  if (event.kind !== 'released') return { event: kind, ...rest };
  const { message } = event;
  return { event: kind, ...rest, message: message === null ? null : messageJson(message) };
}

/** Text where it is UTF-8, base64 where not: nothing is lost. */
function bodyForJson(body: Buffer): { body: string } | { bodyBase64: string } {
  const text = body.toString();
  return Buffer.from(text).equals(body) ? { body: text } : { bodyBase64: body.toString('base64') };
}

/** Control characters but the tab as \xXX: what somebody wrote must not steer the reader's terminal. */
function visible(text: string): string {
  return text.replace(/(?!\t)\p{Cc}/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
