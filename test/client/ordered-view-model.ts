// An OrderedView told slowly: remembers all that ever came, and counts every wait a millisecond at a
// time. Knows all numbers that there are, so what is missing needs no links.
import type {
  OrderedViewEvent,
  OrderedViewItem,
  PutResult,
} from '../../src/client/ordered-view.ts';

interface Known<T> {
  readonly item: Required<OrderedViewItem<T>>;
  where: 'waiting' | 'blocked' | 'late-pending' | 'gone';
  outcome: 'released' | 'rejected' | null;
  waitedMs: number;
  mark: Mark | null;
}

interface Mark {
  readonly after: number;
  readonly before: number;
  isForgotten: boolean;
}

interface Limits {
  readonly waitMs: number;
  readonly bufferMax: number;
  readonly after: number;
}

export class OrderedViewModel<T> {
  readonly events: OrderedViewEvent<T>[] = [];
  /** When each of them was said. */
  readonly saidAtMs: number[] = [];
  private readonly limits: Limits;
  private readonly places: readonly number[];
  private readonly known = new Map<number, Known<T>>();
  private readonly marks: Mark[] = [];
  /** Shown or marked, or blocked. */
  private reached: number;
  private nowMs = 0;

  constructor(places: readonly number[], limits: Limits) {
    this.places = places;
    this.limits = limits;
    this.reached = limits.after;
  }

  get held(): number {
    return [...this.known.values()].filter(({ where }) => where !== 'gone').length;
  }

  put(item: Required<OrderedViewItem<T>>): PutResult {
    const { place } = item;
    if (this.known.has(place) || place <= this.limits.after) return 'duplicate';
    const isFull = this.held === this.limits.bufferMax;
    const outcome = item.state === 'normal' ? 'released' : null;
    const known: Known<T> = { item, where: 'waiting', outcome, waitedMs: 0, mark: null };
    if (place <= this.reached) return this.putLate(known, isFull);
    const first = this.known.get(Math.min(place, this.first?.item.place ?? place)) ?? known;
    if (isFull && (this.isBlocked || first.outcome === null)) return 'full';
    this.known.set(place, known);
    this.showLinked();
    if (this.held > this.limits.bufferMax) this.markFirst();
    return 'taken';
  }

  resolve(place: number, outcome: 'released' | 'rejected'): boolean {
    const known = this.known.get(place);
    if (known === undefined || known.outcome !== null) return false;
    known.outcome = outcome;
    if (known.where === 'late-pending') this.show(known);
    if (known.where === 'blocked') {
      this.show(known);
      this.showLinked();
    }
    return true;
  }

  passTo(atMs: number): void {
    while (this.nowMs < atMs) {
      // What has waited long enough behind an item that has since ended waits no millisecond more.
      this.markDue();
      this.nowMs += 1;
      // Nothing waits behind a pending item.
      for (const each of this.isBlocked ? [] : this.waiting) each.waitedMs += 1;
      this.markDue();
    }
  }

  private markDue(): void {
    const isDue = () => this.waiting.some(({ waitedMs }) => waitedMs >= this.limits.waitMs);
    while (!this.isBlocked && isDue()) this.markFirst();
  }

  private putLate(known: Known<T>, isFull: boolean): PutResult {
    const { place } = known.item;
    if (isFull && known.outcome === null) return 'full';
    known.mark = this.marks.find(({ after, before }) => after < place && place < before) ?? null;
    if (known.mark?.isForgotten) known.mark = null;
    this.known.set(place, known);
    known.where = 'late-pending';
    if (known.outcome !== null) this.show(known);
    return 'taken';
  }

  private get waiting(): Known<T>[] {
    const all = [...this.known.values()].filter(({ where }) => where === 'waiting');
    return all.sort((a, b) => a.item.place - b.item.place);
  }

  private get first(): Known<T> | undefined {
    return this.waiting[0];
  }

  private get isBlocked(): boolean {
    return [...this.known.values()].some(({ where }) => where === 'blocked');
  }

  private showLinked(): void {
    const { first } = this;
    if (first === undefined || this.isBlocked || first.item.previous > this.reached) return;
    this.reached = first.item.place;
    if (first.outcome === null) {
      first.where = 'blocked';
      this.say({ kind: 'pending', place: first.item.place });
    } else {
      this.show(first);
      this.showLinked();
    }
  }

  private show(known: Known<T>): void {
    const { place, value } = known.item;
    const gap = known.mark && { after: known.mark.after, before: known.mark.before };
    const isLate = known.where === 'late-pending';
    if (isLate && known.outcome === 'rejected') {
      this.say({ kind: 'late-rejected', place, gap });
    } else if (isLate) this.say({ kind: 'late', place, value, gap });
    else if (known.outcome === 'rejected') this.say({ kind: 'rejected', place });
    else this.say({ kind: 'released', place, value });
    known.where = 'gone';
  }

  private markFirst(): void {
    const { first } = this;
    if (first === undefined) return;
    const mark = { after: this.reached, before: first.item.place, isForgotten: false };
    this.say({ kind: 'gap', after: mark.after, before: mark.before });
    this.marks.push(mark);
    const remembered = this.marks.filter((each) => this.isOpen(each) && !each.isForgotten);
    const [oldest] = remembered;
    if (oldest !== undefined && remembered.length > 16) oldest.isForgotten = true;
    this.reached = first.item.previous;
    this.showLinked();
  }

  private say(event: OrderedViewEvent<T>): void {
    this.events.push(event);
    this.saidAtMs.push(this.nowMs);
  }

  private isOpen({ after, before }: Mark): boolean {
    return this.places.some((each) => after < each && each < before && !this.known.has(each));
  }
}
