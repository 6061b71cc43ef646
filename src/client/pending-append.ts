// An append as the client carries it, from the call until the caller has its answer, which is once.
import { PacelineError, type Refusal } from '../errors.ts';
import type { Append, Appended } from './append.ts';
import type { EventAppend } from './event-append.ts';
import { onAbort } from './on-abort.ts';

/** Where it goes and what is sent; its partition is known once the map is loaded. */
export interface Placed {
  readonly conversation: string;
  readonly partition: number;
  readonly command: Uint8Array;
}

export interface AppendCall {
  readonly append: Append | EventAppend;
  /** Rises with every append of this client: the order in which they are sent, and sent again. */
  readonly number: number;
  readonly deadlineMs: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
}

export class PendingAppend {
  readonly append: Append | EventAppend;
  readonly number: number;
  readonly deadlineMs: number;
  /** An attempt may have stored it. */
  isUnknown = false;
  /** It counts in the buffer. */
  isBuffered = false;
  /** It is in a frame that is not answered yet. */
  isOut = false;
  /** The caller has its answer. */
  ended = false;
  private placed: Placed | null = null;
  private readonly call: AppendCall;
  private readonly onEnd: (append: PendingAppend) => void;
  private stopListening: (() => void) | null = null;

  /** `onEnd` is called as it ends, before the caller hears of it. */
  constructor(call: AppendCall, onEnd: (append: PendingAppend) => void) {
    this.append = call.append;
    this.number = call.number;
    this.deadlineMs = call.deadlineMs;
    this.call = call;
    this.onEnd = onEnd;
  }

  place(placed: Placed): void {
    this.placed = placed;
  }

  get conversation(): string {
    return this.placed?.conversation ?? '';
  }

  /** -1: not known yet. */
  get partition(): number {
    return this.placed?.partition ?? -1;
  }

  get command(): Uint8Array {
    return this.placed?.command ?? noBytes;
  }

  /** Ends with the signal: what was never sent is surely not stored; of the rest nobody can tell. */
  endBy(signal: AbortSignal): void {
    const abort = () => {
      if (this.isUnknown || this.isOut) this.fail(unknownAtAbort);
      else this.end(() => this.call.reject(abortReason(signal)));
    };
    this.stopListening = onAbort(signal, abort);
  }

  finish(appended: Appended): void {
    this.end(() => this.call.resolve(appended));
  }

  fail(refusal: Refusal): void {
    this.end(() => this.call.reject(new PacelineError(refusal)));
  }

  expire(): void {
    this.fail(this.isUnknown || this.isOut ? unknownAtDeadline : notStoredAtDeadline);
  }

  private end(tell: () => void): void {
    if (this.ended) return;
    this.ended = true;
    this.stopListening?.();
    this.onEnd(this);
    try {
      tell();
    } catch (error) {
      // The caller's own: the process hears of it, the appends of others that are told with it do not.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

const noBytes = new Uint8Array();
const unknownAtDeadline: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'no answer before the deadline: the message may or may not be stored',
};
const notStoredAtDeadline: Refusal = {
  reason: 'NO_LEADER',
  message: 'no leader took the message before the deadline: it is not stored',
};
const unknownAtAbort: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'aborted after it was sent: the message may or may not be stored',
};

export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
