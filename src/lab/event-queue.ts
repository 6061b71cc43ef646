// What will happen, in the order of its time, and at the same time in the order in which it was put here: a
// heap. Most of what is put here is a timer that is cancelled long before its time; those are taken out all
// at once, when they are many and more than half.

export interface Queued {
  readonly atMs: number;
  readonly order: number;
  /** Of one that stands here. */
  readonly isCancelled: boolean;
}

/** Fewer are not worth a sweep. */
const cancelledMin = 32;

export class EventQueue<Event extends Queued> {
  private heap: Event[] = [];
  private cancelledCount = 0;

  /** What comes next; it may have been cancelled. */
  get first(): Event | undefined {
    return this.heap[0];
  }

  push(event: Event): void {
    this.heap.push(event);
    this.rise(event, this.heap.length - 1);
  }

  /** Takes out what comes next. */
  pop(): void {
    const { heap } = this;
    if (heap[0]?.isCancelled) this.cancelledCount -= 1;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.sink(last, 0);
  }

  /** Called after an event that stands here was cancelled. */
  noteCancelled(): void {
    this.cancelledCount += 1;
    const { heap, cancelledCount } = this;
    if (cancelledCount < cancelledMin || cancelledCount * 2 <= heap.length) return;
    this.heap = heap.filter(({ isCancelled }) => !isCancelled);
    this.cancelledCount = 0;
    for (let at = (this.heap.length >> 1) - 1; at >= 0; at -= 1) {
      const event = this.heap[at];
      if (event !== undefined) this.sink(event, at);
    }
  }

  private rise(event: Event, from: number): void {
    const { heap } = this;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  private sink(event: Event, from: number): void {
    const { heap } = this;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      let least = heap[child];
      if (least === undefined) break;
      if (right !== undefined && isBefore(right, least)) {
        least = right;
        child += 1;
      }
      if (!isBefore(least, event)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = event;
  }
}

function isBefore(one: Queued, other: Queued): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
