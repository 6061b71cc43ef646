// Time as the node is given it; the lab gives its own.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Never falls, unrelated to the wall; for every timeout and lease. */
  monotonicMs(): number;
  /** ms since 1970 as this machine believes; only ever a reading among several. */
  wallMs(): number;
  /** Calls once, not before `delayMs` from now. */
  after(delayMs: number, call: () => void): Timer;
  /** Calls once, as soon as what is at hand (sockets included) was taken in. */
  soon(call: () => void): void;
}

/** The machine's own. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, call) {
    const handle = setTimeout(call, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (call) => {
    setImmediate(call);
  },
};
