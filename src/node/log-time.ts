// Log time: the lower median of the voters' wall clocks, carried on by this node's monotonic clock,
// so that no single wrong clock moves it. Time is a stamp, never the order.
import { assert } from '../assert.ts';
import type { NodeId } from '../transport/types.ts';

/** Readings before this count as this. */
export const leastTimeMs = Date.UTC(2025, 0, 1);
/** Readings after this do not count: log time never falls, and an id's 41 bits of ms end eight months later. */
export const mostTimeMs = Date.UTC(2094, 0, 1);
const readingAgeMaxMs = 10_000;

interface Reading {
  readonly wallMs: number;
  readonly atMs: number;
}

export class LogTime {
  private readonly voters: number;
  private readonly readings = new Map<NodeId, Reading>();
  /** The newest agreed time, by which the monotonic clock carries on when readings lapse. */
  private agreed: Reading | null = null;

  constructor(voters: number) {
    this.voters = voters;
  }

  /** A voter's wall clock (this node's own included), as received at `nowMs` of the monotonic clock. */
  take(voter: NodeId, wallMs: number, nowMs: number): void {
    if (wallMs > mostTimeMs) return;
    this.readings.set(voter, { wallMs: Math.max(wallMs, leastTimeMs), atMs: nowMs });
  }

  /** ms since 1970, or null until a majority's clocks were read once. */
  now(nowMs: number): number | null {
    const fresh: number[] = [];
    for (const { wallMs, atMs } of this.readings.values()) {
      if (nowMs - atMs <= readingAgeMaxMs) fresh.push(wallMs + nowMs - atMs);
    }
    if (fresh.length > this.voters / 2) {
      fresh.sort((a, b) => a - b);
      const median = fresh[(fresh.length - 1) >> 1];
      assert(median !== undefined, 'a majority has a median');
      this.agreed = { wallMs: median, atMs: nowMs };
    }
    return this.agreed === null ? null : this.agreed.wallMs + nowMs - this.agreed.atMs;
  }
}

/** One partition's stamps: they never fall, and never stand while the log is ahead of the clocks. */
export class Stamps {
  private readonly time: LogTime;
  private anchor: Reading | null = null;

  constructor(time: LogTime) {
    this.time = time;
  }

  /** The time of an entry after one of `previousMs`; null until a majority's clocks were read. */
  next(previousMs: number, nowMs: number): number | null {
    const agreed = this.time.now(nowMs);
    if (agreed === null) return null;
    const stamp = Math.floor(agreed);
    if (stamp >= previousMs) {
      this.anchor = null;
      return stamp;
    }
    const halfSpeed = this.halfSpeed(nowMs);
    if (halfSpeed !== null && halfSpeed >= previousMs) return halfSpeed;
    // The first such stamp, or another leader stamped further since the last one.
    this.anchor = { wallMs: previousMs, atMs: nowMs };
    return previousMs;
  }

  private halfSpeed(nowMs: number): number | null {
    if (this.anchor === null) return null;
    return Math.floor(this.anchor.wallMs + (nowMs - this.anchor.atMs) / 2);
  }
}
