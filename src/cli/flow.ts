// How fast `import` and `append --lines` may go: appends that are open at once, and messages a second.

/** Bounds what was started and has not ended, in number and in bytes. */
export class OpenAppends {
  private readonly countMax: number;
  private readonly bytesMax: number;
  private count = 0;
  private bytes = 0;
  private waiting: (() => void) | null = null;

  constructor(countMax: number, bytesMax: number) {
    this.countMax = countMax;
    this.bytesMax = bytesMax;
  }

  get isFull(): boolean {
    return this.count >= this.countMax || this.bytes >= this.bytesMax;
  }

  enter(bytes: number): void {
    this.count += 1;
    this.bytes += bytes;
  }

  leave(bytes: number): void {
    this.count -= 1;
    this.bytes -= bytes;
    if (this.isFull) return;
    this.waiting?.();
    this.waiting = null;
  }

  /** Resolves once it is not full. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }
}

/** What a timer that came late may catch up. */
const debtMsMax = 100;

/** How long to wait before the next message, in ms; even, without a burst after a stall. */
export function createPace(perSecond: number, nowMs: () => number): () => number {
  let nextMs = nowMs();
  return () => {
    const now = nowMs();
    nextMs = Math.max(nextMs, now - debtMsMax);
    const waitMs = Math.max(0, nextMs - now);
    nextMs += 1000 / perSecond;
    return waitMs;
  };
}
