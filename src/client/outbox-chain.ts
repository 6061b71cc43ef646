// One conversation in the outbox: which of its kept messages are in memory, which are out, and what each
// follows. Pure. Messages go out oldest first, in rounds: after anything that was not stored nothing goes out
// until all that is out came back; then what did not end goes out again, in order.
//
// A message kept from an earlier epoch may be stored already, and then it is no link of this epoch's chain.
// So until one of them was newly stored, they go out one at a time.
import { assert } from '../assert.ts';
import { PacelineError } from '../errors.ts';
import type { ChainRow, KeptMessage } from './outbox-store.ts';

export interface Item {
  readonly kept: KeptMessage;
  /** 'ended': the app has its answer; it stays until those before it have theirs, unlinked or not. */
  state: 'waiting' | 'out' | 'ended';
  /** An attempt, perhaps of an earlier process, may have stored it. */
  isUnknown: boolean;
  /** The next one follows it. */
  isLink: boolean;
  /** The server's chain was seen here, though no message that is kept has this number. */
  afterAtLeast: number;
  /** Answers that blame neither the message nor its order. */
  faults: number;
  abort: AbortController | null;
}

/** Before the next round, at least. */
export interface Pause {
  readonly nowMs: number;
  readonly atLeastMs: number;
  /** After that many rounds without success. */
  readonly growingMs: (failures: number) => number;
}

export class Chain {
  readonly conversation: string;
  readonly epoch: number;
  /** Messages that have not ended. */
  open: number;
  /** The store has all up to here. */
  durable: number;
  /** Nothing is handed out while this many refused ones are being removed. */
  removing = 0;
  isReading = false;
  resumeAtMs = 0;
  /** The newest of an earlier process. */
  private readonly before: number;
  private last: number;
  private linked: number;
  private kept: number;
  /** The oldest kept, as many as there was room for; the first has not ended. */
  private readonly window: Item[] = [];
  /** In the window, what is next in this round. */
  private cursor = 0;
  private out = 0;
  /** All kept up to here are, or were, in the window. */
  private loaded: number;
  private isBroken = false;
  private failures = 0;
  /** One from an earlier epoch was stored in this one: so the later ones were not in the earlier. */
  private isAhead = false;

  constructor(row: ChainRow, epoch: number) {
    this.conversation = row.conversation;
    this.epoch = epoch;
    this.before = row.last;
    this.last = row.last;
    this.linked = row.epoch === epoch ? row.linked : 0;
    this.kept = row.kept;
    this.open = row.kept;
    this.durable = row.last;
    this.loaded = row.kept > 0 ? row.linked : row.last;
  }

  get row(): ChainRow {
    const { conversation, epoch, last, linked, kept } = this;
    return { conversation, epoch, last, linked, kept };
  }

  get lastClientSeq(): number {
    return this.last;
  }

  /** The number of a new message. */
  number(): number {
    this.last += 1;
    this.kept += 1;
    this.open += 1;
    return this.last;
  }

  // What is in memory.

  get loadedCount(): number {
    return this.window.length;
  }

  /** Messages to be read begin after it; null: there are none. */
  get readAfter(): number | null {
    return this.loaded < this.durable ? this.loaded : null;
  }

  /** A new message was made durable. False: it has to be read in its turn. */
  offer(kept: KeptMessage, hasRoom: boolean): boolean {
    assert(kept.clientSeq > this.durable, 'messages become durable in order');
    const isNext = this.loaded === this.durable;
    this.durable = kept.clientSeq;
    if (!isNext || !hasRoom) return false;
    this.load(kept);
    return true;
  }

  /** What was read after `readAfter`, when `durable` was `upTo`. */
  takePage(page: readonly KeptMessage[], upTo: number): KeptMessage[] {
    const taken = page.filter(({ clientSeq }) => clientSeq <= upTo);
    for (const kept of taken) this.load(kept);
    if (taken.length === 0) this.loaded = upTo;
    return taken;
  }

  private load(kept: KeptMessage): void {
    assert(kept.clientSeq > this.loaded, 'messages are taken in order');
    this.loaded = kept.clientSeq;
    const isUnknown = kept.clientSeq <= this.before;
    const fresh = { afterAtLeast: 0, faults: 0, abort: null, isLink: true };
    this.window.push({ kept, state: 'waiting', isUnknown, ...fresh });
  }

  hasEnded(clientSeq: number): boolean {
    const item = this.window.find(({ kept }) => kept.clientSeq === clientSeq);
    return item === undefined ? clientSeq <= this.linked : item.state === 'ended';
  }

  /** Nothing is sent any more, and so many were taken from what is kept. */
  discard(open: number, kept: number): void {
    this.open -= open;
    this.kept -= kept;
  }

  // What goes out.

  /** The next to be handed out, if one may be now. */
  next(nowMs: number): Item | null {
    if (this.isBroken || this.removing > 0 || this.resumeAtMs > nowMs) return null;
    while (this.window[this.cursor]?.state === 'ended') this.cursor += 1;
    const item = this.window[this.cursor];
    if (item === undefined || (this.out > 0 && this.isProbing)) return null;
    return item;
  }

  handOut(item: Item): { prevClientSeq: number; signal: AbortSignal } {
    assert(item === this.window[this.cursor] && item.state === 'waiting', 'out in order');
    const prevClientSeq = this.linkOf(this.cursor);
    const abort = new AbortController();
    item.state = 'out';
    item.abort = abort;
    this.out += 1;
    this.cursor += 1;
    return { prevClientSeq, signal: abort.signal };
  }

  private get isProbing(): boolean {
    const [first] = this.window;
    return !this.isAhead && first !== undefined && first.kept.epoch < this.epoch;
  }

  private linkOf(place: number): number {
    const atLeast = this.window[place]?.afterAtLeast ?? 0;
    for (let before = place - 1; before >= 0; before--) {
      const item = this.window[before];
      if (item?.isLink) return Math.max(item.kept.clientSeq, atLeast);
    }
    return Math.max(this.linked, atLeast);
  }

  // What comes back.

  /** Stored, or past saying: later ones follow it. Returns those that may be forgotten, in order. */
  end(item: Item, answer: 'stored' | 'duplicate' | 'passed'): Item[] {
    this.back(item);
    item.state = 'ended';
    this.open -= 1;
    const isCarried = item.kept.epoch < this.epoch;
    item.isLink = !(isCarried && answer === 'duplicate');
    if (isCarried && answer === 'stored') this.isAhead = true;
    if (answer !== 'passed') this.failures = 0;
    return this.shift();
  }

  /** Refused for ever: later ones follow the one before it. Returns those that may be forgotten. */
  drop(item: Item): Item[] {
    this.back(item);
    const place = this.window.indexOf(item);
    this.window.splice(place, 1);
    if (this.cursor > place) this.cursor -= 1;
    this.open -= 1;
    this.kept -= 1;
    return this.shift();
  }

  /** It goes out again in the next round; the round was broken before. */
  again(item: Item): void {
    item.state = 'waiting';
    this.back(item);
  }

  /** The chain of the server ends before what the oldest one follows: it follows that end from now on. */
  relinkOldest(item: Item, after: number): void {
    const place = this.window.indexOf(item);
    if (place !== 0 || after >= this.linkOf(place)) return;
    this.linked = after;
    item.afterAtLeast = 0;
  }

  /** Nothing goes out before all is back (the one that came back last, too) and the pause is over. */
  breakRound({ nowMs, atLeastMs, growingMs }: Pause): void {
    assert(this.out > 0, 'a round is broken by what comes back');
    const begins = !this.isBroken;
    this.isBroken = true;
    const pauseMs = Math.max(atLeastMs, begins ? growingMs(this.failures++) : 0);
    this.resumeAtMs = Math.max(this.resumeAtMs, nowMs + pauseMs);
    if (begins) this.abortAll();
  }

  /** The newest first, so that none overtakes one before it. */
  abortAll(): void {
    for (const { abort } of [...this.window].reverse()) abort?.abort(overtaken);
  }

  private back(item: Item): void {
    item.abort = null;
    this.out -= 1;
    if (!this.isBroken || this.out > 0) return;
    this.isBroken = false;
    this.cursor = 0;
  }

  /** Those at the front that have ended leave. */
  private shift(): Item[] {
    const held = this.window.findIndex(({ state }) => state !== 'ended');
    const ended = this.window.splice(0, held < 0 ? this.window.length : held);
    for (const { isLink, kept } of ended) if (isLink) this.linked = kept.clientSeq;
    this.cursor = Math.max(0, this.cursor - ended.length);
    this.kept -= ended.length;
    return ended;
  }
}

const overtaken = new PacelineError({
  reason: 'SESSION_ORDER',
  message: 'an earlier message of the conversation has to go first',
});
