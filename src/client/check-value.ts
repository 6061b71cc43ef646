// Single values as callers without types may give them. Each throws PacelineError with the field's name; where
// nothing is wrong, which is on the path of every append, they allocate nothing.
import {
  type BadName,
  type ConversationName,
  isBadName,
  parseConversation,
} from '../conversation.ts';
import { PacelineError, type Reason } from '../errors.ts';

export const uint32Max = 0xffff_ffff;

export function checkText(reason: Reason, field: string, value: unknown): void {
  if (typeof value !== 'string') throw refused(reason, field, `${field} is not a string`);
}

/** An integer; absent is fine. */
export function checkNumber(
  field: string,
  value: unknown = 0,
  reason: Reason = 'BAD_COMMAND',
  max = Number.MAX_SAFE_INTEGER,
): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return;
  const most = max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : max === uint32Max ? '2^32 - 1' : max;
  throw refused(reason, field, `${field} is not an integer from 0 to ${most}`);
}

/** Where a node listens. */
export function checkServer(field: string, server: unknown): void {
  const port = /^[^\s,]+:(\d{1,5})$/.exec(String(server))?.[1];
  if (typeof server === 'string' && port !== undefined && Number(port) <= 65_535) return;
  throw refused('BAD_REQUEST', field, `${field}: "${server}" is not HOST:PORT`);
}

/** No end at all may be meant. */
export function checkAmount(field: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return;
  throw refused('BAD_REQUEST', field, `${field} is not a number from 0 on`);
}

export function checkSignal(signal: AbortSignal): void {
  const isSignal = typeof signal?.addEventListener === 'function' && 'aborted' in signal;
  if (!isSignal) throw refused('BAD_REQUEST', 'signal', 'signal is not an AbortSignal');
}

/** One of these; absent is fine. */
export function checkWord(
  reason: Reason,
  field: string,
  word: unknown,
  words: readonly string[],
): void {
  if (word === undefined || (typeof word === 'string' && words.includes(word))) return;
  throw refused(reason, field, `${field} is none of ${words.join(', ')}`);
}

/** The name, parsed; what appends name is known to the map. */
export function checkConversation(text: string, field = 'conversation'): ConversationName {
  checkText('BAD_CONVERSATION', field, text);
  const name = parseConversation(text);
  if (isBadName(name)) throw badName(name, field);
  return name;
}

/** As a node says it. */
export function badName({ problem, limit }: BadName, field = 'conversation'): PacelineError {
  return refused('BAD_CONVERSATION', field, `${field}: ${problem}`, limit);
}

export function refused(
  reason: Reason,
  field: string,
  message: string,
  limit?: number,
): PacelineError {
  return new PacelineError({ reason, field, message, ...(limit === undefined ? {} : { limit }) });
}
