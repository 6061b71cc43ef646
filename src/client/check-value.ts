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

export function checkSignal(signal: AbortSignal): void {
  const isSignal = typeof signal?.addEventListener === 'function' && 'aborted' in signal;
  if (!isSignal) throw refused('BAD_REQUEST', 'signal', 'signal is not an AbortSignal');
}

/** The name, parsed. */
export function checkConversation(text: string): ConversationName {
  checkText('BAD_CONVERSATION', 'conversation', text);
  const name = parseConversation(text);
  if (isBadName(name)) throw badName(name);
  return name;
}

/** As a node says it. */
export function badName({ problem, limit }: BadName): PacelineError {
  const more = limit === undefined ? {} : { limit };
  const message = `conversation: ${problem}`;
  const field = 'conversation';
  return new PacelineError({ reason: 'BAD_CONVERSATION', field, message, ...more });
}

export function refused(reason: Reason, field: string, message: string): PacelineError {
  return new PacelineError({ reason, field, message });
}
