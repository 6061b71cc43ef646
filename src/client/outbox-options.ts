// What an outbox is told, and what holds where it is not.
import type { Clock } from '../clock.ts';
import type { PacelineError } from '../errors.ts';
import type { Append, Appended } from './append.ts';
import type { KeptMessage, OutboxStore } from './outbox-store.ts';

/** What became of a message: it has left the outbox. */
export type OutboxEnd = { readonly kept: KeptMessage } & (
  | { readonly kind: 'stored'; readonly appended: Appended }
  | { readonly kind: 'failed'; readonly error: PacelineError }
);

export interface OutboxOptions {
  /** The outbox's from now on: it closes it. */
  readonly store: OutboxStore;
  /**
   * Appends one message, as `PacelineClient.start` does: one of the two is called, once, in the end. After
   * the signal (an earlier one of the conversation failed) it must not send what it has not sent.
   */
  readonly append: (
    append: Append,
    resolve: (appended: Appended) => void,
    reject: (error: Error) => void,
    signal: AbortSignal,
  ) => void;
  readonly sender: string;
  /** At most 64 bytes; '' = the only one. */
  readonly device: string;
  /** Of that device, from `registerDevice`; at least what the store was opened with before. */
  readonly epoch: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly uuid: () => string;
  /** Of every message, those of earlier processes included. */
  readonly onEnd?: (end: OutboxEnd) => void;
  /** Messages kept, beyond which `send` is BUSY; 1,000,000 where not given. */
  readonly messagesMax?: number;
  /** Messages in memory of one conversation; 1,024 where not given. */
  readonly conversationWindowMax?: number;
  /** Messages in memory; 16,384 where not given. */
  readonly windowMax?: number;
  /** Bytes of bodies in memory; 16 MiB where not given. */
  readonly windowBytesMax?: number;
  /** The longest pause between two tries; 10 s where not given. */
  readonly pauseMaxMs?: number;
}

const defaults = {
  messagesMax: 1_000_000,
  conversationWindowMax: 1024,
  windowMax: 16_384,
  windowBytesMax: 16 * 1024 * 1024,
  pauseMaxMs: 10_000,
};

export type FullOutboxOptions = OutboxOptions & typeof defaults;

/** An option that is there and undefined is not given. */
export function withDefaults(options: OutboxOptions): FullOutboxOptions {
  return {
    ...options,
    messagesMax: options.messagesMax ?? defaults.messagesMax,
    conversationWindowMax: options.conversationWindowMax ?? defaults.conversationWindowMax,
    windowMax: options.windowMax ?? defaults.windowMax,
    windowBytesMax: options.windowBytesMax ?? defaults.windowBytesMax,
    pauseMaxMs: options.pauseMaxMs ?? defaults.pauseMaxMs,
  };
}
