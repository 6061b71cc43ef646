// The event within an AppendCommand (proto: fields 16 to 20), read and checked. Canonical as the command
// itself: ascending fields, minimal varints, no defaults.
import { isUtf8 } from 'node:buffer';
import type { Refusal } from './errors.ts';

/** As in the proto: 0 = the default. */
export interface Policy {
  readonly order: number;
  readonly gapAction: number;
  /** null: the default of the conversation's type. */
  readonly gapWaitMs: number | null;
  readonly pendingTtlMs: number | null;
  readonly pendingEnd: number;
}

export type CommandEvent =
  | { readonly kind: 'set-policy'; readonly policy: Policy }
  | { readonly kind: 'release' | 'reject'; readonly seq: number }
  | { readonly kind: 'register-device'; readonly device: string };

export const eventFields = { first: 16, last: 20 } as const;
export const policyLimits = { gapWaitMs: 60_000, ttlMinMs: 100, ttlMaxMs: 86_400_000 } as const;
const field = { setPolicy: 16, release: 17, reject: 18, registerDevice: 19 } as const;
const policyField = { order: 1, gapAction: 2, gapWait: 3, ttl: 4, end: 5 } as const;
const deviceBytesMax = 64;
/** More than any event that passes has. */
const eventBytesMax = 256;

interface Parts {
  /** By field number. */
  readonly numbers: ReadonlyMap<number, number>;
  readonly texts: ReadonlyMap<number, string>;
  readonly canonical: boolean;
}

export function scanEvent(
  number: number,
  bytes: Uint8Array,
): { readonly event: CommandEvent; readonly canonical: boolean } | Refusal {
  if (bytes.length > eventBytesMax) {
    const message = `an event has ${bytes.length} bytes, the limit is ${eventBytesMax}`;
    return { ...bad('event', message), limit: eventBytesMax, actual: bytes.length };
  }
  const parts = readParts(bytes, number === field.setPolicy);
  if (parts === null) return bad('event', 'malformed protobuf in the event');
  const event = eventOf(number, parts);
  return 'reason' in event ? event : { event, canonical: parts.canonical };
}

function eventOf(number: number, parts: Parts): CommandEvent | Refusal {
  switch (number) {
    case field.setPolicy:
      return setPolicy(parts);
    case field.release:
    case field.reject: {
      const isRelease = number === field.release;
      const seq = parts.numbers.get(1) ?? 0;
      if (hasOther(parts, 1, 0) || seq === 0)
        return bad(isRelease ? 'release' : 'reject', 'no seq');
      return { kind: isRelease ? 'release' : 'reject', seq };
    }
    case field.registerDevice: {
      const device = parts.texts.get(1) ?? '';
      if (hasOther(parts, 0, 1)) return bad('register_device', 'a field is not known');
      if (device === '' || device.length > deviceBytesMax)
        return { ...bad('device', 'device has 1 to 64 bytes'), limit: deviceBytesMax };
      // Nobody could decode it again who reads the log.
      if (!isUtf8(Buffer.from(device, 'latin1'))) return bad('device', 'device is not valid UTF-8');
      return { kind: 'register-device', device };
    }
    default:
      return bad('gap_marker', 'gap markers are written by the leader only');
  }
}

function setPolicy(parts: Parts): CommandEvent | Refusal {
  const { numbers } = parts;
  const at = (number: number) => numbers.get(number) ?? 0;
  const [order, gapAction, pendingEnd] = [
    at(policyField.order),
    at(policyField.gapAction),
    at(policyField.end),
  ];
  const gapWaitMs = numbers.get(policyField.gapWait) ?? null;
  const pendingTtlMs = numbers.get(policyField.ttl) ?? null;
  if (hasOther(parts, policyField.end, 0)) return bad('set_policy', 'a field is not known');
  if (order > 2) return bad('set_policy.order', `order ${order} is not known`);
  if (gapAction > 3) return bad('set_policy.gap_action', `gap_action ${gapAction} is not known`);
  if (pendingEnd > 2)
    return bad('set_policy.pending_end', `pending_end ${pendingEnd} is not known`);
  const { gapWaitMs: waitMax, ttlMinMs, ttlMaxMs } = policyLimits;
  if ((gapWaitMs ?? 0) > waitMax) {
    const message = `gap_wait_ms is ${gapWaitMs}, the limit is ${waitMax}`;
    return { ...bad('set_policy.gap_wait_ms', message), limit: waitMax };
  }
  const ttl = pendingTtlMs ?? ttlMaxMs;
  if (ttl < ttlMinMs || ttl > ttlMaxMs) {
    const message = `pending_ttl_ms is ${ttl}, it is ${ttlMinMs} to ${ttlMaxMs}`;
    return { ...bad('set_policy.pending_ttl_ms', message), limit: ttlMaxMs };
  }
  return { kind: 'set-policy', policy: { order, gapAction, gapWaitMs, pendingTtlMs, pendingEnd } };
}

/** Whether a field stands there that this version does not know. */
function hasOther({ numbers, texts }: Parts, numbersUpTo: number, textsUpTo: number): boolean {
  const isBeyond = (limit: number) => (number: number) => number > limit;
  return (
    [...numbers.keys()].some(isBeyond(numbersUpTo)) || [...texts.keys()].some(isBeyond(textsUpTo))
  );
}

/** null: not protobuf of varints and texts. */
function readParts(bytes: Uint8Array, hasOptional: boolean): Parts | null {
  const numbers = new Map<number, number>();
  const texts = new Map<number, string>();
  let canonical = true;
  let last = 0;
  let at = 0;
  while (at < bytes.length) {
    const key = readVarint(bytes, at);
    const value = key === null ? null : readVarint(bytes, key.end);
    if (key === null || value === null) return null;
    const number = Math.floor(key.value / 8);
    if (number <= last || !key.minimal || !value.minimal) canonical = false;
    const isOptional =
      hasOptional && (number === policyField.gapWait || number === policyField.ttl);
    if (value.value === 0 && !isOptional) canonical = false;
    last = number;
    at = value.end;
    if (key.value % 8 === 0) numbers.set(number, value.value);
    else if (key.value % 8 === 2 && at + value.value <= bytes.length) {
      texts.set(number, Buffer.prototype.latin1Slice.call(bytes, at, at + value.value));
      at += value.value;
    } else return null;
  }
  return { numbers, texts, canonical };
}

function readVarint(
  bytes: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number; readonly minimal: boolean } | null {
  let value = 0;
  let scale = 1;
  for (let at = start; at < bytes.length && at < start + 8; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      const minimal = byte !== 0 || at === start;
      return Number.isSafeInteger(value) ? { value, end: at + 1, minimal } : null;
    }
    scale *= 128;
  }
  return null;
}

function bad(name: string, message: string): Refusal {
  return { reason: 'BAD_COMMAND', field: name, message };
}
