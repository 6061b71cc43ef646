// One simulated machine with one process on it: it can die, be started again, be stopped for a while, and
// its clocks can run fast or slow and be set. What was to happen to a process that died never happens.
import type { Clock, Timer } from '../clock.ts';
import type { Random } from './random.ts';
import type { Actor, World } from './world.ts';

/** 2026-01-01, in ms. */
export const wallStartMs = 1_767_225_600_000;

export class Machine implements Actor, Clock {
  readonly name: string;
  readonly world: World;
  readonly random: Random;
  alive = false;
  incarnation = 0;
  private stoppedUntilMs = 0;
  /** Of the monotonic clock: ms it shows for each that passes. */
  private rate = 1;
  private shownMs: number;
  private shownAtMs = 0;
  private wallOffsetMs = 0;
  /** As far as it is usually off. */
  private readonly skewMs: number;
  /** Called at the death of each incarnation. */
  private readonly mourners = new Set<() => void>();

  constructor(world: World, name: string, skewMaxMs = 0) {
    this.world = world;
    this.name = name;
    this.random = world.random.fork();
    this.skewMs = skewMaxMs * (2 * this.random.next() - 1);
    this.shownMs = this.random.between(1_000, 1_000_000);
  }

  heldUntilMs(incarnation: number): number | null {
    if (!this.alive || incarnation !== this.incarnation) return Infinity;
    return this.isStopped ? this.stoppedUntilMs : null;
  }

  get isStopped(): boolean {
    return this.stoppedUntilMs > this.world.nowMs;
  }

  start(): void {
    this.alive = true;
    this.incarnation += 1;
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.stoppedUntilMs = 0;
    const mourners = [...this.mourners];
    this.mourners.clear();
    for (const mourn of mourners) mourn();
  }

  /** Once, when this incarnation dies. */
  onDeath(call: () => void): () => void {
    this.mourners.add(call);
    return () => this.mourners.delete(call);
  }

  /** SIGSTOP, and SIGCONT after `ms`. */
  stop(ms: number): void {
    this.stoppedUntilMs = Math.max(this.stoppedUntilMs, this.world.nowMs + ms);
  }

  setRate(rate: number): void {
    this.shownMs = this.monotonicMs();
    this.shownAtMs = this.world.nowMs;
    this.rate = rate;
  }

  stepWall(ms: number): void {
    this.wallOffsetMs += ms;
  }

  setWallRight(): void {
    this.wallOffsetMs = 0;
  }

  // Clock

  monotonicMs(): number {
    return this.shownMs + (this.world.nowMs - this.shownAtMs) * this.rate;
  }

  wallMs(): number {
    return Math.floor(wallStartMs + this.world.nowMs + this.skewMs + this.wallOffsetMs);
  }

  after(delayMs: number, call: () => void): Timer {
    return this.world.after(Math.max(0, delayMs) / this.rate, this, call);
  }

  /** Resolves after so much of its time; never for a process that has died. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  soon(call: () => void): void {
    this.world.after(0, this, call);
  }
}
