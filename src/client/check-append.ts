// What callers without types may get wrong in an append: of a body that is no bytes, or an order that is none,
// nothing would be sent, and nobody would hear of it. Limits are the node's to check.
import type { Append } from './append.ts';
import { checkNumber, checkText, checkWord, refused, uint32Max } from './check-value.ts';
import { type Event, type EventAppend, type Policy, policyWords } from './event-append.ts';

/** Throws PacelineError with the field. */
export function checkAppend(append: Append | EventAppend): void {
  if (typeof append !== 'object' || append === null) {
    throw refused('BAD_COMMAND', 'append', 'an append is an object');
  }
  const { conversation, sender, key } = append;
  checkText('BAD_CONVERSATION', 'conversation', conversation);
  checkText('BAD_SENDER', 'sender', sender);
  if (key !== undefined) checkKey(key);
  if ('event' in append) checkEvent(append.event);
  else checkMessage(append);
}

/** Without a key at all a retry might be stored twice. */
function checkKey(key: unknown): void {
  if (typeof key === 'string' && key !== '') return;
  throw refused(
    'BAD_KEY',
    'key',
    'key is not a string of 1 to 64 bytes; one that is left out is made',
  );
}

function checkMessage(append: Append): void {
  const { body, headers, contentType, device, clientTimeMs, pending } = append;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw refused('BAD_COMMAND', 'body', 'body is neither a string nor a Uint8Array');
  }
  if (contentType !== undefined) checkText('BAD_COMMAND', 'content_type', contentType);
  if (headers !== undefined) checkHeaders(headers);
  if (device !== undefined) checkText('BAD_COMMAND', 'device', device);
  checkNumber('expected_seq', append.expectedSeq);
  checkNumber('epoch', append.epoch);
  checkNumber('client_seq', append.clientSeq);
  checkNumber('prev_client_seq', append.prevClientSeq);
  checkNumber('seen_seq', append.seenSeq);
  if (clientTimeMs !== undefined) checkTime(clientTimeMs);
  if (pending !== undefined && typeof pending !== 'boolean') {
    throw refused('BAD_COMMAND', 'pending', 'pending is neither true nor false');
  }
}

function checkHeaders(headers: NonNullable<Append['headers']>): void {
  if (!Array.isArray(headers)) throw badHeaders();
  for (const header of headers) {
    if (typeof header?.name !== 'string' || typeof header.value !== 'string') throw badHeaders();
  }
}

function badHeaders() {
  return refused(
    'BAD_COMMAND',
    'headers',
    'headers is not an array of {name, value}, both strings',
  );
}

/** Clocks have fractions of a millisecond, which are cut off. */
function checkTime(value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return;
  throw refused('BAD_COMMAND', 'client_time_ms', 'client_time_ms is not from 0 to 2^53 - 1');
}

function checkEvent(event: Event): void {
  switch (event?.kind) {
    case 'policy':
      checkPolicy(event.policy);
      return;
    case 'release':
    case 'reject':
      checkNumber('seq', event.seq ?? null);
      return;
    case 'device':
      checkText('BAD_COMMAND', 'device', event.device);
      return;
    default:
      throw refused('BAD_COMMAND', 'event', 'event is of no kind that there is');
  }
}

function checkPolicy(policy: Policy): void {
  if (typeof policy !== 'object' || policy === null) {
    throw refused('BAD_COMMAND', 'policy', 'policy is not an object');
  }
  checkWord('BAD_COMMAND', 'order', policy.order, Object.keys(policyWords.order));
  checkWord('BAD_COMMAND', 'gap_action', policy.gapAction, Object.keys(policyWords.gapAction));
  checkWord('BAD_COMMAND', 'pending_end', policy.pendingEnd, Object.keys(policyWords.pendingEnd));
  checkNumber('gap_wait_ms', policy.gapWaitMs, 'BAD_COMMAND', uint32Max);
  checkNumber('pending_ttl_ms', policy.pendingTtlMs, 'BAD_COMMAND', uint32Max);
}
