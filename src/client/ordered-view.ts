// Puts in order what arrives in disorder, twice or not at all, for receivers of a raw channel: waits
// a bounded time for what is missing, in bounded memory, and says by name what it did not wait for.
// It never shows an item before an older one without a mark, and never loses one without a word.
// Knows no network; a `Subscription` needs none of this, it is in order.
import { assert, unreachable } from '../assert.ts';
import type { Clock, Timer } from '../clock.ts';
import { type Gap, MarkedGaps } from './marked-gaps.ts';

export interface OrderedViewOptions<T> {
  readonly clock: Clock;
  /** How long an item waits for what is missing before it, 0 to 2,147,483,647; 500 where absent. */
  readonly waitMs?: number;
  /** Items held at most, 1 to 65,536; 256 where absent. */
  readonly bufferMax?: number;
  /** The last place already shown; 0 where absent. */
  readonly after?: number;
  /** Called in order, after the view has taken the change in: it may call the view again. */
  readonly onEvent: (event: OrderedViewEvent<T>) => void;
}

export interface OrderedViewItem<T> {
  /** Rising number of the item, from 1: a seq, or a sender's clientSeq; may jump. */
  readonly place: number;
  /** The place before it, 0 = none; place - 1 where absent. It is believed: nothing lies between. */
  readonly previous?: number;
  readonly value: T;
  /** 'pending': waits for moderation, see `resolve`; 'normal' where absent. */
  readonly state?: 'normal' | 'pending';
}

export type OrderedViewEvent<T> =
  | { readonly kind: 'released'; readonly place: number; readonly value: T }
  /** A mark: what lies between did not come inside the wait, or no more could be held. */
  | ({ readonly kind: 'gap' } & Gap)
  /**
   * Came after `gap` was marked in its place; null = too old to say for which. Of a pending item: once
   * it is released. Repeats itself only in a view with over 256 gaps and parts of gaps.
   */
  | {
      readonly kind: 'late';
      readonly place: number;
      readonly value: T;
      readonly gap: Gap | null;
    }
  /** Its turn has come, but it is pending: it and everything behind it wait for `resolve`. */
  | { readonly kind: 'pending'; readonly place: number }
  /** Stands in its place, without a value. */
  | { readonly kind: 'rejected'; readonly place: number }
  /** A pending item that came late, as above, and is not to be shown. */
  | { readonly kind: 'late-rejected'; readonly place: number; readonly gap: Gap | null };

/**
 * taken: shown or held. duplicate: came before, or its place was said not to exist. full: not taken, nor
 * its place known; what is pending has to end first, or the item be read from the log. closed: not taken.
 */
export type PutResult = 'taken' | 'duplicate' | 'full' | 'closed';

interface Held<T> {
  readonly place: number;
  readonly previous: number;
  /** When the first item at this place or behind it was put; on the view's own time. */
  readonly sinceMs: number;
  value: T;
  state: 'normal' | 'pending' | 'rejected';
}

interface LatePending<T> {
  readonly value: T;
  readonly gap: Gap | null;
}

const waitMsDefault = 500;
/** What a timer of this machine can hold. */
const waitMsMax = 2 ** 31 - 1;
const bufferMaxDefault = 256;
const bufferMaxMax = 65_536;

/**
 * One view, of one conversation or of one sender's chain.
 *
 * ```ts
 * import { OrderedView, systemClock } from 'paceline/client';
 *
 * const view = new OrderedView<string>({
 *   clock: systemClock,
 *   waitMs: 500,
 *   onEvent(event) {
 *     if (event.kind === 'released') console.log(event.place, event.value);
 *     if (event.kind === 'gap') console.log(`missing after ${event.after}, before ${event.before}`);
 *   },
 * });
 * view.put({ place: 30, previous: 20, value: 'three' });
 * view.put({ place: 10, previous: 0, value: 'one' });
 * view.put({ place: 20, previous: 10, value: 'two' });
 * view.close();
 * ```
 *
 * No item is held longer than `waitMs`, but behind a pending one: while that waits, so does the
 * wait for what is missing behind it, and goes on where it stood. Full, the view marks the oldest gap at
 * once; behind a pending item that would free nothing, so the item is refused with 'full'.
 */
export class OrderedView<T> {
  private readonly clock: Clock;
  private readonly waitMs: number;
  private readonly bufferMax: number;
  private readonly onEvent: (event: OrderedViewEvent<T>) => void;
  private readonly gaps = new MarkedGaps();
  /** Rising, all above `reached`; while nothing is blocked the first is not linked to it. */
  private buffer: Held<T>[] = [];
  /** Everything up to here was shown, marked, or stands in `blocked`. */
  private reached: number;
  /** The pending item whose turn it is. */
  private blocked: Held<T> | null = null;
  /** Pending items that came late hold nothing up, and are not shown before they are resolved. */
  private readonly latePending = new Map<number, LatePending<T>>();
  private timer: { readonly dueMs: number; readonly timer: Timer } | null = null;
  /** The view's own time stands still while it is blocked. */
  private blockedSinceMs = 0;
  private blockedMs = 0;
  private duplicateCount = 0;
  private events: OrderedViewEvent<T>[] = [];
  private isSaying = false;
  private isClosed = false;

  /** Throws RangeError. */
  constructor(options: OrderedViewOptions<T>) {
    const { clock, onEvent, waitMs, bufferMax, after } = options;
    this.clock = clock;
    this.onEvent = onEvent;
    this.waitMs = check('waitMs', waitMs ?? waitMsDefault, 0, waitMsMax);
    this.bufferMax = check('bufferMax', bufferMax ?? bufferMaxDefault, 1, bufferMaxMax);
    this.reached = check('after', after ?? 0, 0, Number.MAX_SAFE_INTEGER);
  }

  /** Items in memory. */
  get held(): number {
    return this.buffer.length + (this.blocked === null ? 0 : 1) + this.latePending.size;
  }

  /** Items that `put` called duplicates. */
  get duplicates(): number {
    return this.duplicateCount;
  }

  /** Throws RangeError. */
  put(item: OrderedViewItem<T>): PutResult {
    const { value, state = 'normal' } = item;
    const place = check('place', item.place, 1, Number.MAX_SAFE_INTEGER);
    const previous = check('previous', item.previous ?? place - 1, 0, place - 1);
    checkOneOf('state', state, ['normal', 'pending']);
    if (this.isClosed) return 'closed';
    const at = this.buffer.findLastIndex((each) => each.place < place) + 1;
    const next = this.buffer[at];
    const sinceMs = next?.sinceMs ?? this.viewMs();
    const held: Held<T> = { place, previous, value, state, sinceMs };
    const isKnown = place <= this.reached ? !this.gaps.has(place) : next?.place === place;
    if (isKnown) {
      this.duplicateCount += 1;
      return 'duplicate';
    }
    if (place <= this.reached) return this.putLate(held);
    if (this.held === this.bufferMax && !this.canFree(held)) return 'full';
    this.buffer.splice(at, 0, held);
    this.advance();
    if (this.held > this.bufferMax) this.markFirst();
    assert(this.held <= this.bufferMax, 'a view holds no more than its limit');
    this.finish();
    return 'taken';
  }

  /**
   * The end of a pending item, before its turn or in it; its new value where one is given. False: no such
   * item is held; where it has overtaken its item, say it again after the put. Throws RangeError.
   */
  resolve(place: number, outcome: 'released' | 'rejected', value?: T): boolean {
    check('place', place, 1, Number.MAX_SAFE_INTEGER);
    checkOneOf('outcome', outcome, ['released', 'rejected']);
    const late = this.latePending.get(place);
    if (late !== undefined) {
      const { gap } = late;
      this.latePending.delete(place);
      if (outcome === 'rejected') this.events.push({ kind: 'late-rejected', place, gap });
      else
        this.events.push({
          kind: 'late',
          place,
          value: value === undefined ? late.value : value,
          gap,
        });
      this.finish();
      return true;
    }
    const held = this.blocked?.place === place ? this.blocked : this.findBuffered(place);
    if (held?.state !== 'pending') return false;
    held.state = outcome === 'released' ? 'normal' : 'rejected';
    if (value !== undefined) held.value = value;
    if (held === this.blocked) this.unblock(held);
    this.finish();
    return true;
  }

  /** Drops what is held; no event follows. */
  close(): void {
    this.isClosed = true;
    this.timer?.timer.cancel();
    this.timer = null;
    this.buffer = [];
    this.blocked = null;
    this.latePending.clear();
    this.events = [];
  }

  /** Its place is marked. */
  private putLate({ place, previous, value, state }: Held<T>): PutResult {
    if (state === 'pending' && this.held === this.bufferMax) return 'full';
    const gap = this.gaps.close(place, previous);
    assert(gap !== 'none', 'a late item is missing in a marked gap');
    if (state === 'pending') this.latePending.set(place, { value, gap });
    else this.events.push({ kind: 'late', place, value, gap });
    this.finish();
    return 'taken';
  }

  /** With this item: whether the first of all would leave the buffer, if need be behind a mark. */
  private canFree(item: Held<T>): boolean {
    const [first = item] = this.buffer;
    const { state } = item.place < first.place ? item : first;
    return this.blocked === null && state !== 'pending';
  }

  private findBuffered(place: number): Held<T> | undefined {
    return this.buffer.find((each) => each.place === place);
  }

  /** Shows what is linked to what was shown, up to the first that is pending. */
  private advance(): void {
    let taken = 0;
    for (const item of this.buffer) {
      if (this.blocked !== null || item.previous > this.reached) break;
      taken += 1;
      this.reached = item.place;
      this.show(item);
    }
    this.buffer.splice(0, taken);
  }

  private show(item: Held<T>): void {
    const { place, value, state } = item;
    switch (state) {
      case 'normal':
        this.events.push({ kind: 'released', place, value });
        break;
      case 'rejected':
        this.events.push({ kind: 'rejected', place });
        break;
      case 'pending':
        this.blockedSinceMs = this.clock.monotonicMs();
        this.blocked = item;
        this.events.push({ kind: 'pending', place });
        break;
      default:
        unreachable(state);
    }
  }

  private unblock(item: Held<T>): void {
    this.blockedMs += this.clock.monotonicMs() - this.blockedSinceMs;
    this.blocked = null;
    this.show(item);
    this.advance();
  }

  private viewMs(): number {
    const nowMs = this.blocked === null ? this.clock.monotonicMs() : this.blockedSinceMs;
    return nowMs - this.blockedMs;
  }

  /** The oldest gap is not waited for any longer. */
  private markFirst(): void {
    const [first] = this.buffer;
    if (first === undefined) return;
    const gap = { after: this.reached, before: first.place };
    this.events.push({ kind: 'gap', ...gap });
    this.gaps.open(gap, first.previous);
    this.reached = first.previous;
    this.advance();
  }

  /** When the wait for the oldest gap ends; null = there is none, or its wait stands still. */
  private get dueMs(): number | null {
    const [first] = this.buffer;
    return first === undefined || this.blocked !== null ? null : first.sinceMs + this.waitMs;
  }

  /** Marks every gap whose wait has ended by then. */
  private expire(nowMs: number): void {
    this.timer = null;
    while (this.dueMs !== null && this.dueMs <= nowMs) this.markFirst();
    this.finish();
  }

  /** The timer as the buffer now is, then what there is to say. */
  private finish(): void {
    const { dueMs } = this;
    if (dueMs !== this.timer?.dueMs) {
      this.timer?.timer.cancel();
      this.timer = dueMs === null ? null : { dueMs, timer: this.startTimer(dueMs) };
    }
    this.say();
  }

  private startTimer(dueMs: number): Timer {
    const delayMs = Math.max(0, dueMs - this.viewMs());
    // The clock's word counts, not a second reading of it, which may differ in the last bit.
    return this.clock.after(delayMs, () => this.expire(Math.max(dueMs, this.viewMs())));
  }

  /** What `onEvent` throws goes to the caller; the events after that one are said soon. */
  private say(): void {
    if (this.isSaying) return;
    this.isSaying = true;
    try {
      for (let next = this.events.shift(); next !== undefined; next = this.events.shift()) {
        this.onEvent(next);
      }
    } finally {
      this.isSaying = false;
      if (this.events.length > 0) this.clock.soon(() => this.say());
    }
  }
}

function check(field: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${field} must be an integer from ${min} to ${max}, not ${String(value)}`);
}

/** For callers without types: a misspelt state must not show what is pending. */
function checkOneOf(field: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new RangeError(`${field} must be ${allowed.join(' or ')}, not ${String(value)}`);
}
