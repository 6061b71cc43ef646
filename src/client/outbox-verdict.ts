// What an answer other than "stored" means to the outbox: whether the message goes out again, and behind
// what, or ends. What an earlier attempt may have stored ends only by a refusal that can never turn.
import { PacelineError, type Reason, type Refusal } from '../errors.ts';
import { retryable } from './types.ts';

/** One attempt. */
export interface Attempt {
  readonly clientSeq: number;
  readonly prevClientSeq: number;
  readonly expectedSeq: number;
  /** An attempt before this one may have stored it. */
  readonly isUnknown: boolean;
  /** Earlier answers that blame neither the message nor its order. */
  readonly faults: number;
}

export type Verdict =
  | { readonly kind: 'again'; readonly isUnknown: boolean; readonly atLeastMs: number }
  | { readonly kind: 'fault' }
  /** The server's chain ends at `actual`. */
  | { readonly kind: 'gap' | 'ahead'; readonly actual: number }
  | { readonly kind: 'passed' | 'refused' | 'fenced'; readonly error: PacelineError };

/** Then a fault is taken for an answer. */
const faultsMax = 100;

/** Not the message's fault: another try may find them gone. */
const faults: ReadonlySet<Reason> = new Set(['INTERNAL', 'CORRUPT', 'NOT_CAUGHT_UP']);

/** The same for every attempt, so that no earlier one was stored; beside those that name the message itself. */
const sameForAll: ReadonlySet<Reason> = new Set([
  'IDEMPOTENCY_MISMATCH',
  'BAD_CONVERSATION',
  'BAD_SENDER',
  'BAD_KEY',
  'BAD_COMMAND',
  'BAD_REQUEST',
  'TOO_LARGE',
]);

export function judge(error: Error, attempt: Attempt): Verdict {
  if (!(error instanceof PacelineError)) return judgeFault(internal(error), attempt);
  const { reason, actual = 0, retryAfterMs = 0 } = error;
  if (reason === 'EPOCH_FENCED') return { kind: 'fenced', error };
  if (reason === 'SENDER_GAP') return { kind: 'gap', actual };
  if (reason === 'CHAIN_PASSED') return judgePassed(actual, attempt);
  if (retryable.has(reason)) {
    const isUnknown = reason === 'OUTCOME_UNKNOWN' || reason === 'UNREACHABLE';
    return { kind: 'again', isUnknown, atLeastMs: retryAfterMs };
  }
  if (faults.has(reason)) return judgeFault(error, attempt);
  const isSure = sameForAll.has(reason) || isMismatchForEver(error, attempt);
  if (!attempt.isUnknown || isSure) return { kind: 'refused', error };
  return { kind: 'refused', error: unknownAfter(error) };
}

/** A chain that ends before this message never stored it, nor anything after what it follows. */
function judgePassed(actual: number, { clientSeq, prevClientSeq }: Attempt): Verdict {
  if (actual > prevClientSeq && actual < clientSeq) return { kind: 'ahead', actual };
  const message = 'the chain has passed this message: it may or may not be stored';
  return { kind: 'passed', error: unknown(message) };
}

function judgeFault(error: PacelineError, { faults: before }: Attempt): Verdict {
  if (before < faultsMax) return { kind: 'fault' };
  return { kind: 'refused', error: unknownAfter(error) };
}

function isMismatchForEver({ reason, actual = 0 }: Refusal, { expectedSeq }: Attempt): boolean {
  return reason === 'EXPECTED_SEQ_MISMATCH' && actual > expectedSeq;
}

function unknownAfter({ reason, message }: Refusal): PacelineError {
  return unknown(`after an attempt without an answer: ${reason}, ${message}`);
}

function unknown(message: string): PacelineError {
  return new PacelineError({ reason: 'OUTCOME_UNKNOWN', message });
}

function internal(error: Error): PacelineError {
  return new PacelineError({ reason: 'INTERNAL', message: error.message });
}
