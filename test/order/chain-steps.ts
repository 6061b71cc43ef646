// The words in which histories of chains are told: commands, steps, answers and stored slots as
// plain values, their bytes, and how they read in a report. Theory: ordering.md, "Append".
import type { ErrorDetails, Reason } from '../../src/errors.ts';
import {
  AppendCommand,
  type AppendCommandInput,
  GapAction,
  OrderPolicy,
} from '../../src/gen/proto.ts';

/** One attempt to append. An absent field is not sent. */
export interface Sent {
  /** Of this attempt, not of the message: a retry has another. Unique in its history, from 1. */
  readonly id: number;
  readonly conversation: string;
  readonly sender: string;
  readonly key?: string;
  readonly body?: string;
  /** The body is repeated up to this length. */
  readonly bodyBytes?: number;
  readonly contentType?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly expectedSeq?: number;
  readonly device?: string;
  readonly epoch?: number;
  readonly clientSeq?: number;
  /** prev_client_seq: makes it a link; then below clientSeq. */
  readonly prev?: number;
  readonly seenSeq?: number;
  readonly pending?: boolean;
  readonly event?: Event;
}

export type GapActionName = 'MARK' | 'REJECT' | 'SKIP';

export type Event =
  | {
      readonly kind: 'policy';
      readonly order?: 'SENDER_FIFO' | 'SERVER';
      readonly action?: GapActionName;
      readonly waitMs?: number;
    }
  | { readonly kind: 'release' | 'reject'; readonly seq: number }
  | { readonly kind: 'device'; readonly device: string }
  | {
      readonly kind: 'marker';
      readonly device: string;
      readonly epoch: number;
      readonly after: number;
      readonly before: number;
    };

/** Steps count from 1; `through` names what was proposed in the steps up to that one. */
export type Step =
  /** Sequenced in this order, in one go. */
  | { readonly kind: 'append'; readonly sent: readonly Sent[] }
  /** On the leader's monotonic clock (and log time). Waits end in these steps only. */
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'commit'; readonly through: number }
  | { readonly kind: 'checkpoint' }
  /** `through` is not below what is committed, and committed from now on; the rest is lost. */
  | { readonly kind: 'leader'; readonly through: number }
  /** Whatever can be read again from disk leaves memory. */
  | { readonly kind: 'evict' };

export type Outcome =
  | {
      readonly kind: 'stored';
      /** 0: an event. */
      readonly seq: number;
      readonly rev: number;
      readonly late: boolean;
      readonly lateFor: number;
      /** Of RegisterDevice, else 0. */
      readonly epoch: number;
    }
  | {
      readonly kind: 'duplicate';
      readonly seq: number;
      readonly rev: number;
      readonly epoch: number;
    }
  /** Not the last word: a second answer follows. */
  | { readonly kind: 'held'; readonly resendFrom: number; readonly want: number }
  | Refused;

export interface Refused extends ErrorDetails {
  readonly kind: 'refused';
  readonly reason: Reason;
}

export interface Answer {
  /** Of the attempt. */
  readonly id: number;
  readonly outcome: Outcome;
}

/** What stands at a rev of a conversation, proposed or committed. */
export interface Stored {
  readonly seq: number;
  readonly rev: number;
  readonly late: boolean;
  readonly lateFor: number;
  /** The AppendCommand as stored. */
  readonly command: Uint8Array;
}

/** The model's memory of what stands at a rev: a message (seq > 0) or an event (seq 0). */
export interface Slot {
  /** In which it was proposed. */
  readonly step: number;
  readonly sent: Sent;
  readonly conversation: string;
  readonly seq: number;
  readonly rev: number;
  readonly late: boolean;
  readonly lateFor: number;
  /** Given by a RegisterDevice, else 0. */
  readonly epoch: number;
}

export interface Policy {
  readonly order: 'SENDER_FIFO' | 'SERVER';
  readonly action: GapActionName;
  readonly waitMs: number;
}

/** What a conversation's newest policy event, or none, says. */
export function policyOf(conversation: string, event: Event | undefined): Policy {
  const isShort = conversation.startsWith('p:') || conversation.startsWith('s:');
  const { order, action, waitMs } = event?.kind === 'policy' ? event : {};
  return {
    order: order ?? 'SENDER_FIFO',
    action: action ?? 'MARK',
    waitMs: waitMs ?? (isShort ? 2000 : 500),
  };
}

export function inputOf(sent: Sent): AppendCommandInput {
  const { expectedSeq, prev } = sent;
  return {
    conversation: sent.conversation,
    sender: sent.sender,
    ...(sent.key ? { key: sent.key } : {}),
    ...(sent.body ? { body: bodyOf(sent.body, sent.bodyBytes) } : {}),
    ...(sent.contentType ? { contentType: sent.contentType } : {}),
    ...(sent.headers ? { headers: sent.headers.map(([name, value]) => ({ name, value })) } : {}),
    ...(expectedSeq === undefined ? {} : { expectedSeq }),
    ...(sent.device ? { device: sent.device } : {}),
    ...(sent.epoch ? { epoch: sent.epoch } : {}),
    ...(sent.clientSeq ? { clientSeq: sent.clientSeq } : {}),
    ...(prev === undefined ? {} : { prevClientSeq: prev }),
    ...(sent.seenSeq ? { seenSeq: sent.seenSeq } : {}),
    ...(sent.pending ? { pending: true } : {}),
    ...(sent.event ? eventInput(sent.event) : {}),
  };
}

const bytesKnown = new WeakMap<Sent, Uint8Array>();

export function bytesOf(sent: Sent): Uint8Array {
  const bytes = bytesKnown.get(sent) ?? AppendCommand.encode(inputOf(sent));
  bytesKnown.set(sent, bytes);
  return bytes;
}

export function isSameChain(a: Sent, b: Sent): boolean {
  return isSameSender(a, b) && (a.device ?? '') === (b.device ?? '');
}

function isSameSender(a: Sent, b: Sent): boolean {
  return a.conversation === b.conversation && a.sender === b.sender;
}

export function isSameKey(a: Sent, b: Sent): boolean {
  return isSameSender(a, b) && (a.key ?? '') === (b.key ?? '');
}

export function isSameClientSeq(a: Sent, b: Sent): boolean {
  const isSameEpoch = (a.epoch ?? 0) === (b.epoch ?? 0);
  return isSameChain(a, b) && isSameEpoch && a.clientSeq === b.clientSeq;
}

/** Body, content type, headers, and what an event says. */
export function isSamePayload(a: Sent, b: Sent): boolean {
  const payload = ({ body, bodyBytes, contentType, headers, event }: Sent) =>
    JSON.stringify([body ?? '', bodyBytes, contentType ?? '', headers ?? [], event]);
  return payload(a) === payload(b);
}

export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'stored': {
      const late = outcome.late ? ` late for ${outcome.lateFor}` : '';
      return `stored ${placeText(outcome)}${late}${epochText(outcome)}`;
    }
    case 'duplicate':
      return `duplicate of ${placeText(outcome)}${epochText(outcome)}`;
    case 'held':
      return `HELD resend from ${outcome.resendFrom} want ${outcome.want}`;
    case 'refused': {
      const { actual, want, max, field, limit } = outcome;
      const facts = Object.entries({ actual, want, max, field, limit })
        .filter(([, fact]) => fact !== undefined)
        .map(([name, fact]) => ` ${name} ${fact}`);
      return outcome.reason + facts.join('');
    }
  }
}

export function storedText({ seq, rev, late, lateFor, command }: Stored): string {
  const { sender, device, epoch, clientSeq, prevClientSeq, gapMarker, key, body } =
    AppendCommand.decode(command);
  const place = placeText({ seq, rev });
  if (gapMarker !== null) {
    const { after, before } = gapMarker;
    const chain = `${sender}/${gapMarker.device} epoch ${gapMarker.epoch}`;
    return `${place}: marker of ${chain} after ${after} before ${before}`;
  }
  const link = `${device} epoch ${epoch} ${prevClientSeq} -> ${clientSeq}`;
  const start = Buffer.from(body.subarray(0, 8)).toString('latin1');
  const what = `${sender}/${link} key '${key}' body '${start}' (${body.length})`;
  return `${place}${late ? ` late for ${lateFor}` : ''}: ${what}`;
}

export function stepText(step: Step): string {
  switch (step.kind) {
    case 'append':
      return `append\n${step.sent.map((sent) => `      ${JSON.stringify(sent)}`).join('\n')}`;
    case 'pass':
      return `pass ${step.ms} ms`;
    case 'commit':
      return `commit through step ${step.through}`;
    case 'leader':
      return `change leader, steps through ${step.through} survive`;
    case 'checkpoint':
    case 'evict':
      return step.kind;
  }
}

function placeText({ seq, rev }: { seq: number; rev: number }): string {
  return seq === 0 ? `event rev ${rev}` : `seq ${seq} rev ${rev}`;
}

function epochText({ epoch }: { epoch: number }): string {
  return epoch === 0 ? '' : ` epoch ${epoch}`;
}

function bodyOf(text: string, bytes = text.length): Uint8Array {
  return Buffer.alloc(bytes, text);
}

function eventInput(event: Event): AppendCommandInput {
  switch (event.kind) {
    case 'policy': {
      const { order, action, waitMs } = event;
      const setPolicy = {
        ...(order ? { order: OrderPolicy[`ORDER_POLICY_${order}`] } : {}),
        ...(action ? { gapAction: GapAction[`GAP_ACTION_${action}`] } : {}),
        ...(waitMs === undefined ? {} : { gapWaitMs: waitMs }),
      };
      return { setPolicy };
    }
    case 'release':
      return { release: { seq: event.seq } };
    case 'reject':
      return { reject: { seq: event.seq } };
    case 'device':
      return { registerDevice: { device: event.device } };
    case 'marker': {
      const { device, epoch, after, before } = event;
      return { gapMarker: { device, epoch, after, before } };
    }
  }
}
