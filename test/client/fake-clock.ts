// Time that passes only when a test says so: timers, `soon` and promises run until nothing is left.
import type { Clock, Timer } from '../../src/clock.ts';

interface Due {
  readonly atMs: number;
  readonly call: () => void;
}

/** Deeper than any chain of promises in the client. */
const promiseDepth = 20;

export class FakeClock implements Clock {
  private nowMs = 0;
  private due: Due[] = [];
  private soonCalls: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, call: () => void): Timer {
    const due = { atMs: this.nowMs + delayMs, call };
    this.due.push(due);
    return { cancel: () => this.remove(due) };
  }

  soon(call: () => void): void {
    this.soonCalls.push(call);
  }

  /** Everything that needs no time. */
  async settle(): Promise<void> {
    do {
      for (const call of this.soonCalls.splice(0)) call();
      for (let i = 0; i < promiseDepth; i++) await Promise.resolve();
    } while (this.soonCalls.length > 0);
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.due.reduce<Due | null>(
        (first, each) => (first === null || each.atMs < first.atMs ? each : first),
        null,
      );
      if (next === null || next.atMs > endMs) break;
      this.remove(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.call();
      await this.settle();
    }
    this.nowMs = endMs;
  }

  private remove(due: Due): void {
    this.due = this.due.filter((each) => each !== due);
  }
}
