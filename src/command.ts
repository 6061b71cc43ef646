// The wire form of one AppendCommand, read without unpacking it: the edge checks it once, the
// sequencer and the folds then only look where the parts are. Canonical = the fields of the proto in
// ascending order, minimal varints, no defaults, nothing unknown.

import { isUtf8 } from 'node:buffer';
import { latin1 } from './bytes.ts';
import { type CommandEvent, eventFields, scanEvent } from './command-event.ts';
import type { Refusal } from './errors.ts';

export const commandLimits = {
  senderBytes: 128,
  keyBytes: 64,
  deviceBytes: 64,
  contentTypeBytes: 128,
  bodyBytes: 256 * 1024,
  headerPairs: 32,
  headerBytes: 4096,
  /** Also of such as are given again, of which the last counts: what has more is not read further. */
  fields: 1024,
} as const;

/** Offsets are into `bytes`; an absent field is empty. */
export interface Command {
  readonly bytes: Uint8Array;
  readonly conversation: string;
  /** What a retry by key is known by, bytes[0, identityEnd) as Latin-1; empty without a key. */
  readonly identity: string;
  /** bytes[0, identityEnd) are conversation, sender and key: what a retry has in common. */
  readonly identityEnd: number;
  /** bytes[identityEnd, payloadEnd) are body, content type and headers: what a retry must repeat. */
  readonly payloadEnd: number;
  /** null: not asked for. */
  readonly expectedSeq: number | null;
  /** null: none of device, epoch, client_seq and prev_client_seq is given. */
  readonly link: Link | null;
  /** 0 = not given. */
  readonly seenSeq: number;
  readonly pending: boolean;
  /** null: a message. */
  readonly event: CommandEvent | null;
}

/** A sender's own number of a message, and where it stands in the sender's chain. */
export interface Link {
  /** conversation and sender, as memory and rows name the chains of both. */
  readonly chain: string;
  readonly device: string;
  readonly epoch: number;
  /** 0 = not given. */
  readonly clientSeq: number;
  /** null: it is in no chain, client_seq is only kept. */
  readonly prev: number | null;
}

const tag = {
  conversation: 1,
  sender: 2,
  key: 3,
  body: 4,
  contentType: 5,
  header: 6,
  expected: 7,
  device: 8,
  epoch: 9,
  clientSeq: 10,
  prev: 11,
  clientTime: 12,
  seenSeq: 13,
  pending: 14,
};
/** Sent even where they are 0. */
const explicit: ReadonlySet<number> = new Set([tag.expected, tag.prev]);
const nothing = new Uint8Array(0);
const wireVarint = 0;
const wireBytes = 2;

/** Why bytes are not taken as they are. 'reorder': valid protobuf, but not canonical: decode and encode again. */
export type Scanned =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'reorder' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Reads and checks one command; all limits but the conversation's name, which `shard` reads. */
export function scanCommand(bytes: Uint8Array): Scanned {
  return scanner.scan(bytes);
}

class Scanner {
  private bytes: Uint8Array = nothing;
  private at = 0;
  private lastField = 0;
  private canonical = true;
  private conversation = '';
  private senderBytes = 0;
  private keyBytes = 0;
  private identityEnd = 0;
  private bodyBytes = 0;
  private payloadEnd = 0;
  private contentTypeBytes = 0;
  private headers = 0;
  private headerBytes = 0;
  private expectedSeq: number | null = null;
  private senderStart = 0;
  private device = '';
  private numbers: Record<number, number> | null = null;
  private event: CommandEvent | null = null;

  scan(bytes: Uint8Array): Scanned {
    this.begin(bytes);
    for (let fields = 1; this.at < this.bytes.length; fields += 1) {
      const problem =
        over('command', 'BAD_COMMAND', fields, commandLimits.fields, 'fields') ?? this.field();
      if (problem !== null) return { kind: 'refused', refusal: problem };
    }
    const problem = this.limits();
    if (problem !== null) return { kind: 'refused', refusal: problem };
    if (!this.canonical) return { kind: 'reorder' };
    return { kind: 'command', command: this.command() };
  }

  private begin(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.at = 0;
    this.lastField = 0;
    this.canonical = true;
    this.conversation = '';
    this.senderBytes = 0;
    this.keyBytes = 0;
    this.identityEnd = 0;
    this.bodyBytes = 0;
    this.payloadEnd = 0;
    this.contentTypeBytes = 0;
    this.headers = 0;
    this.headerBytes = 0;
    this.expectedSeq = null;
    this.senderStart = 0;
    this.device = '';
    this.numbers = null;
    this.event = null;
  }

  private command(): Command {
    return {
      bytes: this.bytes,
      conversation: this.conversation,
      identity: this.keyBytes > 0 ? latin1(this.bytes, 0, this.identityEnd) : '',
      identityEnd: this.identityEnd,
      payloadEnd: Math.max(this.payloadEnd, this.identityEnd),
      expectedSeq: this.expectedSeq,
      link: this.link(),
      seenSeq: this.number(tag.seenSeq),
      pending: this.number(tag.pending) === 1,
      event: this.event,
    };
  }

  private link(): Link | null {
    const { device, numbers } = this;
    if (device === '' && numbers === null) return null;
    const [epoch, clientSeq] = [this.number(tag.epoch), this.number(tag.clientSeq)];
    if (device === '' && epoch === 0 && clientSeq === 0) return null;
    const prev = numbers?.[tag.prev] ?? null;
    const senderEnd = this.senderStart + this.senderBytes;
    const sender = latin1(this.bytes, this.senderStart, senderEnd);
    const chain = chainName(this.conversation, sender);
    return { chain, device, epoch, clientSeq, prev };
  }

  private number(field: number): number {
    return this.numbers?.[field] ?? 0;
  }

  private field(): Refusal | null {
    const key = this.varint();
    if (key === null) return malformed('a field tag');
    const field = Math.floor(key / 8);
    const wire = key % 8;
    const isNumber = field >= tag.expected && field <= tag.pending && field !== tag.device;
    if (isNumber && wire === wireVarint) return this.takeNumber(field);
    const isBytes = field >= tag.conversation && field <= tag.device && field !== tag.expected;
    const isEvent = field >= eventFields.first && field <= eventFields.last;
    if (wire !== wireBytes || !(isBytes || isEvent)) return unknown(field);
    const length = this.varint();
    if (length === null || this.at + length > this.bytes.length) return malformed(`field ${field}`);
    const start = this.at;
    this.at += length;
    const repeated = field === tag.header && this.lastField === tag.header;
    if (field <= this.lastField && !repeated) this.canonical = false;
    if (length === 0 && field !== tag.header && !isEvent) this.canonical = false;
    this.lastField = field;
    return isEvent ? this.takeEvent(field, start) : this.take(field, start, length);
  }

  private take(field: number, start: number, length: number): Refusal | null {
    switch (field) {
      case tag.conversation:
        this.conversation = latin1(this.bytes, start, this.at);
        this.identityEnd = this.at;
        return this.text(start, 'conversation', 'BAD_CONVERSATION');
      case tag.sender:
        this.senderBytes = length;
        this.senderStart = start;
        this.identityEnd = this.at;
        return this.text(start, 'sender', 'BAD_SENDER');
      case tag.key:
        this.keyBytes = length;
        this.identityEnd = this.at;
        return this.text(start, 'key', 'BAD_KEY');
      case tag.device:
        this.device = latin1(this.bytes, start, this.at);
        return this.text(start, 'device', 'BAD_COMMAND');
      case tag.body:
        this.bodyBytes = length;
        break;
      case tag.contentType:
        this.contentTypeBytes = length;
        break;
      default:
        this.headers += 1;
        this.headerBytes += length;
    }
    this.payloadEnd = this.at;
    if (field === tag.contentType) return this.text(start, 'content_type', 'BAD_COMMAND');
    return field === tag.header ? (this.headerSize() ?? this.header(start)) : null;
  }

  private takeNumber(field: number): Refusal | null {
    const value = this.varint();
    if (value === null) return malformed(`field ${field}`);
    if (field <= this.lastField || (value === 0 && !explicit.has(field))) this.canonical = false;
    this.lastField = field;
    if (field === tag.expected) this.expectedSeq = value;
    else {
      this.numbers ??= {};
      this.numbers[field] = value;
    }
    return null;
  }

  private takeEvent(field: number, start: number): Refusal | null {
    if (this.event !== null) return badEvent('a command is at most one event');
    const scanned = scanEvent(field, this.bytes.subarray(start, this.at));
    if ('reason' in scanned) return scanned;
    if (!scanned.canonical) this.canonical = false;
    this.event = scanned.event;
    return null;
  }

  private headerSize(): Refusal | null {
    return over('headers', 'TOO_LARGE', this.headerBytes, commandLimits.headerBytes);
  }

  /** A header is name (1) then value (2), both text. */
  private header(start: number): Refusal | null {
    const end = this.at;
    this.at = start;
    let last = 0;
    while (this.at < end) {
      const key = this.varint();
      const length = this.varint();
      if (key === null || length === null || this.at + length > end) return malformed('headers');
      const field = Math.floor(key / 8);
      if ((field !== 1 && field !== 2) || key % 8 !== wireBytes) return unknown(field, 'headers');
      if (field <= last || length === 0) this.canonical = false;
      if (last === 0 && field === 2) break;
      last = field;
      const from = this.at;
      this.at += length;
      const problem = this.text(from, 'headers', 'BAD_COMMAND');
      if (problem !== null) return problem;
    }
    if (last !== 0) return null;
    return { reason: 'BAD_COMMAND', field: 'headers', message: 'a header has no name' };
  }

  private text(start: number, field: string, reason: Refusal['reason']): Refusal | null {
    for (let at = start; at < this.at; at++) {
      if ((this.bytes[at] ?? 0) < 0x80) continue;
      if (isUtf8(this.bytes.subarray(start, this.at))) return null;
      return { reason, field, message: `${field} is not valid UTF-8` };
    }
    return null;
  }

  private limits(): Refusal | null {
    const max = commandLimits;
    if (this.conversation === '') {
      return {
        reason: 'BAD_CONVERSATION',
        field: 'conversation',
        message: 'conversation is missing',
      };
    }
    if (this.senderBytes === 0) {
      return { reason: 'BAD_SENDER', field: 'sender', message: 'sender is missing' };
    }
    return (
      over('sender', 'BAD_SENDER', this.senderBytes, max.senderBytes) ??
      over('key', 'BAD_KEY', this.keyBytes, max.keyBytes) ??
      over('body', 'TOO_LARGE', this.bodyBytes, max.bodyBytes) ??
      over('content_type', 'TOO_LARGE', this.contentTypeBytes, max.contentTypeBytes) ??
      over('headers', 'TOO_LARGE', this.headers, max.headerPairs, 'pairs') ??
      this.headerSize() ??
      over('device', 'TOO_LARGE', this.device.length, max.deviceBytes) ??
      this.chainRules() ??
      this.eventRules()
    );
  }

  private chainRules(): Refusal | null {
    const prev = this.numbers?.[tag.prev];
    const clientSeq = this.number(tag.clientSeq);
    if (this.number(tag.pending) > 1) {
      return { reason: 'BAD_COMMAND', field: 'pending', message: 'pending is true or false' };
    }
    if (prev === undefined || prev < clientSeq) return null;
    const message = `prev_client_seq ${prev} is not below client_seq ${clientSeq}`;
    return { reason: 'BAD_COMMAND', field: 'prev_client_seq', message, limit: clientSeq };
  }

  private eventRules(): Refusal | null {
    const { event, conversation } = this;
    if (event === null) return null;
    const hasPayload = this.bodyBytes + this.contentTypeBytes + this.headers > 0;
    if (hasPayload || this.expectedSeq !== null || this.numbers !== null || this.device !== '') {
      return badEvent('an event has conversation, sender and key, and nothing else of a message');
    }
    if (event.kind !== 'register-device' || /^(?:t[^/]+\/)?s:/.test(conversation)) return null;
    const message = 'devices are registered in s:<user>';
    return { reason: 'BAD_COMMAND', field: 'conversation', message };
  }

  /** null: not a varint below 2^53. */
  private varint(): number | null {
    let value = 0;
    let scale = 1;
    for (let taken = 0; taken < 8 && this.at < this.bytes.length; taken++) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && taken > 0) this.canonical = false;
        return Number.isSafeInteger(value) ? value : null;
      }
      scale *= 128;
    }
    return null;
  }
}

/** One for all: of each command it makes only what is kept. */
const scanner = new Scanner();

/** How the chains of a sender in a conversation are named in memory. */
export function chainName(conversation: string, sender: string): string {
  return `${conversation}\0${sender}`;
}

function badEvent(message: string): Refusal {
  return { reason: 'BAD_COMMAND', field: 'event', message };
}

function over(
  field: string,
  reason: Refusal['reason'],
  has: number,
  limit: number,
  unit = 'bytes',
): Refusal | null {
  if (has <= limit) return null;
  return { reason, field, limit, message: `${field} has ${has} ${unit}, the limit is ${limit}` };
}

function malformed(what: string): Refusal {
  return { reason: 'BAD_COMMAND', field: 'command', message: `malformed protobuf at ${what}` };
}

function unknown(field: number, within = 'command'): Refusal {
  const message = `${within} has field ${field}, which this version does not know`;
  return { reason: 'BAD_COMMAND', field: within, message };
}
