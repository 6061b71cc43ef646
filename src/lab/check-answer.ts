// What can be judged as soon as an operation is answered.
import type { Append, Appended } from '../client/append.ts';
import type { PacelineError } from '../errors.ts';
import { wallStartMs } from './machine.ts';

/** Log time may be ahead of the right time by so much: clocks drift while they are not heard. */
const aheadMaxMs = 5000;

export interface AnswerFault {
  readonly rule: string;
  readonly detail: string;
}

export function answerFault(
  { expectedSeq, key }: Pick<Append, 'expectedSeq' | 'key'>,
  { seq, duplicate, timeMs }: Pick<Appended, 'seq' | 'duplicate' | 'timeMs'>,
  nowMs: number,
): AnswerFault | null {
  if (expectedSeq !== undefined && !duplicate && seq !== expectedSeq + 1) {
    const detail = `${key} expected ${expectedSeq} and is seq ${seq}`;
    return { rule: 'an append is stored only where its expected seq is the head', detail };
  }
  const aheadMs = Math.round(timeMs - wallStartMs - nowMs);
  if (aheadMs <= aheadMaxMs) return null;
  const rule = 'log time follows the clocks of a majority';
  return { rule, detail: `${key} is ${aheadMs} ms ahead` };
}

/** An operation may be refused, not met by something that nobody thought of. */
export function refusalFault({ reason, message }: PacelineError): AnswerFault | null {
  if (reason !== 'INTERNAL') return null;
  return { rule: 'no answer is a fault of the node', detail: message };
}
