// One subscription of a client: a stream to some node, opened again elsewhere after what was received
// last, so that the consumer sees every message and event once, in order, whichever nodes die. Holds
// at most one window of them; credits go back as the consumer takes them.
import type { Timer } from '../clock.ts';
import { PacelineError } from '../errors.ts';
import {
  type ChatMessage,
  SubscribeRequest,
  SubscribeResponse,
  type SubscribeStartInput,
} from '../gen/proto.ts';
import { subscribePath } from '../gen/services.ts';
import { checkSubscribe } from './check-subscribe.ts';
import { onAbort } from './on-abort.ts';
import { isStored, placeOf, type SubscriptionEvent, toEvent } from './subscription-events.ts';
import { type ClientOptions, mayBeRightElsewhere, type Stream } from './types.ts';

/** What to follow: a conversation, or a partition in log order. */
export type Subscribe = SubscribeTarget & {
  /** Messages and events the client may hold, 1 to 1,000,000; 1,024 where not given. */
  readonly window?: number;
  /** Who reads: sees its own pending and rejected messages whole. */
  readonly viewer?: string;
  /**
   * Where to begin. The leader hears of a commit first, any node (they are taken in turn) spreads the load.
   * Where not given: the leader for a partition, any for a conversation. After a failure it is any.
   */
  readonly prefer?: 'leader' | 'any';
  /** Follow this server only. */
  readonly server?: string;
  /**
   * Told false once no node has answered for 3 s after the stream was lost, and true as soon as one does.
   * The subscription goes on by itself.
   */
  readonly onReach?: (isReached: boolean) => void;
  readonly signal?: AbortSignal;
};

type SubscribeTarget =
  | {
      readonly conversation: string;
      /** What came after that message; 0 or absent = from the oldest. */
      readonly afterSeq?: number;
      /** Instead of afterSeq, at most one of the two; exclusive. */
      readonly afterRev?: number;
    }
  | {
      readonly partition: number;
      /** Exclusive; 0 or absent = from the oldest entry. */
      readonly afterIndex?: number;
    };

export interface SubscriptionDeps {
  readonly options: ClientOptions;
  /** The node to begin at; undefined: the next one. */
  readonly first: () => string | undefined | Promise<string | undefined>;
  /** The next node to try. */
  readonly server: () => string;
  /** It did not answer: others are tried first. */
  readonly passOver: (server: string) => void;
  /** These are all servers there are. */
  readonly areAll: (servers: ReadonlySet<string>) => boolean;
  readonly token: () => Uint8Array | undefined;
  /** What it has received, others read no older. */
  readonly learn: (partition: number, index: number, token: Uint8Array) => void;
  /** Called once, perhaps before the constructor returns. */
  readonly onClose: (closed: Subscription) => void;
}

interface Waiting {
  readonly resolve: (result: IteratorResult<SubscriptionEvent>) => void;
  readonly reject: (error: Error) => void;
}

const windowDefault = 1024;
const retryMs = { min: 10, max: 500 } as const;
/** A node says something every 10 s; after this much silence another one is tried. */
const silenceMs = 25_000;
/** Far more than it takes to find another node, or another leader. */
const unreachedMs = 3000;

export class Subscription implements AsyncIterableIterator<SubscriptionEvent> {
  private readonly deps: SubscriptionDeps;
  private readonly subscribe: Subscribe;
  private readonly window: number;
  private events: SubscriptionEvent[] = [];
  private taken = 0;
  /** Messages and events of the log that are not taken. */
  private held = 0;
  private owedCredits = 0;
  private stream: Stream | null = null;
  private retry: Timer | null = null;
  private silence: Timer | null = null;
  /** Runs from the first stream that was lost until something is received. */
  private outage: Timer | null = null;
  private isReached = true;
  /** Not open, because what was received fills the window. */
  private isParked = false;
  private failures = 0;
  /** Where the stream goes, and where nothing more could be read since the last message. */
  private address = '';
  private readonly damagedAt = new Set<string>();
  private waiting: Waiting[] = [];
  private stopListening: (() => void) | null = null;
  private ended = false;
  private error: Error | null = null;
  private caughtUp = false;
  /** The newest place received; of a conversation 0 = none, and none was asked for by rev. */
  private rev: number;
  private index: number;
  private slot = -1;

  constructor(asked: Subscribe, deps: SubscriptionDeps) {
    const refusal = refusalOf(asked);
    // What is refused may be no object at all.
    const subscribe = refusal === null ? asked : { partition: 0 };
    this.subscribe = subscribe;
    this.deps = deps;
    this.window = subscribe.window ?? windowDefault;
    const isConversation = 'conversation' in subscribe;
    this.rev = isConversation ? (subscribe.afterRev ?? 0) : 0;
    this.index = isConversation ? 0 : (subscribe.afterIndex ?? 0);
    if (refusal !== null || subscribe.signal?.aborted) this.end(refusal);
    else this.begin();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<SubscriptionEvent>> {
    const event = this.events[this.taken];
    if (event !== undefined) {
      this.taken += 1;
      if (isStored(event)) this.held -= 1;
      this.give(event);
      return Promise.resolve({ done: false, value: event });
    }
    if (this.error !== null) return Promise.reject(this.error);
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** Ends it: what waits in `next`, and every later one, is done. */
  return(): Promise<IteratorResult<SubscriptionEvent>> {
    this.end(null);
    return Promise.resolve({ done: true, value: undefined });
  }

  get isOver(): boolean {
    return this.ended;
  }

  private get room(): number {
    return this.window - this.held;
  }

  private begin(): void {
    const { signal } = this.subscribe;
    if (signal !== undefined) this.stopListening = onAbort(signal, () => this.end(null));
    const first = this.deps.first();
    if (first instanceof Promise) this.openLater(first);
    else this.open(first);
  }

  private openLater(first: Promise<string | undefined>): void {
    const opened = first.then((server) => {
      if (!this.ended) this.open(server);
    });
    opened.catch((error: Error) => this.end(error));
  }

  /** Where the window is full, only once the consumer has taken something. */
  private open(first?: string): void {
    this.retry = null;
    this.isParked = this.room < 1;
    if (this.isParked) {
      this.endOutage();
      return;
    }
    this.address = this.subscribe.server ?? first ?? this.deps.server();
    const stream = this.deps.options.transport.openStream(this.address, subscribePath, {
      onResponse: (bytes) => {
        if (this.stream === stream) this.take(SubscribeResponse.decode(bytes));
      },
      onEnd: (error) => {
        if (this.stream === stream) this.lost(error);
      },
    });
    this.stream = stream;
    this.owedCredits = 0;
    stream.send(SubscribeRequest.encode({ start: { credits: this.room, ...this.start() } }));
    this.listen();
  }

  private start(): Omit<SubscribeStartInput, 'credits'> {
    const { subscribe } = this;
    const readToken = this.deps.token();
    const { viewer = '' } = subscribe;
    const more = { viewer, ...(readToken === undefined ? {} : { readToken }) };
    if ('conversation' in subscribe) {
      const { conversation, afterSeq = 0 } = subscribe;
      const place = this.rev > 0 ? { afterRev: this.rev } : { afterSeq };
      return { conversation, ...place, ...more };
    }
    // An entry that was received in part is asked for again; what is known of it is passed over.
    const afterIndex = this.slot >= 0 ? this.index - 1 : this.index;
    return { partition: subscribe.partition, afterIndex, ...more };
  }

  private take(response: SubscribeResponse): void {
    this.failures = 0;
    this.listen();
    this.endOutage();
    this.tellReach(true);
    const { messages, reset, progress } = response;
    if (reset !== null) {
      this.put({ kind: 'reset', min: reset.min.toNumber(), max: reset.max.toNumber() });
    }
    for (const message of messages) this.takeMessage(message);
    const last = messages.at(-1);
    if (last !== undefined) {
      this.damagedAt.clear();
      this.deps.learn(response.partition, last.index.toNumber(), response.readToken);
    }
    if (progress !== null) {
      const { seq, rev, index } = progress;
      const at = { seq: seq.toNumber(), rev: rev.toNumber(), index: index.toNumber() };
      // Where nothing was received yet, or what was there held nothing for us.
      this.rev = Math.max(this.rev, at.rev);
      if (at.index > this.index) {
        this.index = at.index;
        this.slot = -1;
      }
      this.put({ kind: 'progress', ...at });
    }
    if (response.caughtUp && !this.caughtUp) {
      this.caughtUp = true;
      this.put({ kind: 'caught-up' });
    }
  }

  private takeMessage(received: ChatMessage): void {
    const event = toEvent(received);
    const { rev, index, slot } = placeOf(event);
    const isKnown =
      'conversation' in this.subscribe
        ? rev <= this.rev
        : index < this.index || (index === this.index && slot <= this.slot);
    if (isKnown) {
      this.giveCredit();
      return;
    }
    this.rev = rev;
    this.index = index;
    this.slot = slot;
    this.put(event);
  }

  private put(event: SubscriptionEvent): void {
    const waiting = this.waiting.shift();
    if (waiting !== undefined) {
      this.give(event);
      waiting.resolve({ done: false, value: event });
    } else if (event.kind === 'progress' && this.newest?.kind === 'progress') {
      this.events[this.events.length - 1] = event;
    } else {
      this.events.push(event);
      if (isStored(event)) this.held += 1;
    }
  }

  /** Of those the consumer has not taken. */
  private get newest(): SubscriptionEvent | undefined {
    return this.events.length > this.taken ? this.events.at(-1) : undefined;
  }

  /** The consumer has taken it: its credit goes back, many at once. */
  private give(event: SubscriptionEvent): void {
    if (this.taken > 256 && this.taken * 2 > this.events.length) {
      this.events.splice(0, this.taken);
      this.taken = 0;
    }
    if (isStored(event)) this.giveCredit();
    if (this.isParked) this.open();
  }

  private giveCredit(): void {
    this.owedCredits += 1;
    if (this.owedCredits < this.window / 4) return;
    const credits = this.owedCredits;
    this.owedCredits = 0;
    this.stream?.send(SubscribeRequest.encode({ credits }));
  }

  private lost(error: PacelineError): void {
    this.stream = null;
    this.silence?.cancel();
    if (error.reason === 'UNREACHABLE') this.deps.passOver(this.address);
    if (!this.mayGoOnAfter(error)) {
      this.end(error);
      return;
    }
    const { clock, random } = this.deps.options;
    const pause = Math.min(retryMs.max, retryMs.min * 2 ** this.failures) * (0.5 + random() / 2);
    this.failures += 1;
    this.retry = clock.after(pause, () => this.open());
    this.outage ??= clock.after(unreachedMs, () => this.tellReach(false));
  }

  private endOutage(): void {
    this.outage?.cancel();
    this.outage = null;
  }

  private tellReach(isReached: boolean): void {
    if (isReached === this.isReached) return;
    this.isReached = isReached;
    this.subscribe.onReach?.(isReached);
  }

  /** Damage that every node answers with, or the only one that is asked, does not go away by itself. */
  private mayGoOnAfter(error: PacelineError): boolean {
    if (error.reason !== 'CORRUPT') return mayBeRightElsewhere(error);
    this.damagedAt.add(this.address);
    return this.subscribe.server === undefined && !this.deps.areAll(this.damagedAt);
  }

  private listen(): void {
    this.silence?.cancel();
    this.silence = this.deps.options.clock.after(silenceMs, () => {
      this.stream?.close();
      this.lost(new PacelineError({ reason: 'UNREACHABLE', message: 'the node is silent' }));
    });
  }

  private end(error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    this.isParked = false;
    this.stream?.close();
    this.stream = null;
    this.retry?.cancel();
    this.silence?.cancel();
    this.endOutage();
    this.stopListening?.();
    this.deps.onClose(this);
    if (error === null) this.events = [];
    for (const { resolve, reject } of this.waiting.splice(0)) {
      if (error === null) resolve({ done: true, value: undefined });
      else reject(error);
    }
  }
}

function refusalOf(subscribe: Subscribe): PacelineError | null {
  try {
    checkSubscribe(subscribe);
    return null;
  } catch (error) {
    if (error instanceof PacelineError) return error;
    throw error;
  }
}
