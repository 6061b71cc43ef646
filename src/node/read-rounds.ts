// Reads of one replica that must not be older than what was acknowledged before: each asks the core
// for an index, confirmed by a round, and waits until this replica has applied it. Where nobody can
// tell (no leader, or it changed) it asks again until its deadline.
import type { Clock } from '../clock.ts';
import { nodeStopping, PacelineError } from '../errors.ts';
import type { Raft } from '../raft/types.ts';

/** How many starts of a node are told apart, and how many reads of one. */
const starts = 2 ** 32;
const readsPerStart = 2 ** 20;

interface Read {
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: PacelineError) => void;
}

type ReadingRaft = Pick<Raft<unknown>, 'applied' | 'leader' | 'readIndex'>;

export class ReadRounds {
  private readonly raft: ReadingRaft;
  private readonly clock: Clock;
  private nextContext: number;
  private readonly asked = new Map<number, Read>();
  private unanswered: Read[] = [];
  private confirmed: { readonly index: number; readonly read: Read }[] = [];

  /** `random`, in [0, 1): an answer to a read before the last start is none to a read after it. */
  constructor(raft: ReadingRaft, clock: Clock, random: () => number) {
    this.raft = raft;
    this.clock = clock;
    this.nextContext = Math.floor(random() * starts) * readsPerStart + 1;
  }

  /** Begins a round for somebody else; its context comes out of the core's read states. */
  ask(): number {
    const context = this.nextContext++;
    this.raft.readIndex(context, this.clock.monotonicMs());
    return context;
  }

  /** Resolves once this replica has applied everything acknowledged before the call. */
  linearizable(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.start({ deadlineMs, resolve, reject });
    });
  }

  /** Resolves once `index` is applied here. Errors: NOT_CAUGHT_UP. */
  atLeast(index: number, deadlineMs: number): Promise<void> {
    if (index <= this.raft.applied) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.confirmed.push({ index, read: { deadlineMs, resolve, reject } });
    });
  }

  answered(context: number, index: number | null): void {
    const read = this.asked.get(context);
    if (read === undefined) return;
    this.asked.delete(context);
    if (index === null) this.unanswered.push(read);
    else if (index <= this.raft.applied) read.resolve();
    else this.confirmed.push({ index, read });
  }

  applied(index: number): void {
    if (this.confirmed.length === 0) return;
    const ready = this.confirmed.filter((each) => each.index <= index);
    this.confirmed = this.confirmed.filter((each) => each.index > index);
    for (const { read } of ready) read.resolve();
  }

  /** Asks again for what nobody could tell, and gives up what is over its deadline. */
  retry(): void {
    if (this.asked.size + this.unanswered.length + this.confirmed.length === 0) return;
    const nowMs = this.clock.monotonicMs();
    this.giveUpWaiting(nowMs);
    const again = this.unanswered;
    this.unanswered = [];
    for (const read of again) {
      if (read.deadlineMs <= nowMs) read.reject(noLeader());
      else this.start(read);
    }
    for (const [context, read] of this.asked) {
      if (read.deadlineMs > nowMs) continue;
      this.asked.delete(context);
      read.reject(noLeader());
    }
  }

  fail(): void {
    const all = [...this.asked.values(), ...this.unanswered, ...this.confirmed.map((c) => c.read)];
    this.asked.clear();
    this.unanswered = [];
    this.confirmed = [];
    const stopping = new PacelineError(nodeStopping);
    for (const read of all) read.reject(stopping);
  }

  private giveUpWaiting(nowMs: number): void {
    if (!this.confirmed.some(({ read }) => read.deadlineMs <= nowMs)) return;
    for (const { index, read } of this.confirmed) {
      if (read.deadlineMs <= nowMs) read.reject(this.notCaughtUp(index));
    }
    this.confirmed = this.confirmed.filter(({ read }) => read.deadlineMs > nowMs);
  }

  private notCaughtUp(index: number): PacelineError {
    const { applied, leader } = this.raft;
    const message = `this replica has applied ${applied} of ${index}; node ${leader} leads`;
    const details = { reason: 'NOT_CAUGHT_UP' as const, message, limit: index, actual: applied };
    return new PacelineError(leader === 0 ? details : { ...details, leader });
  }

  private start(read: Read): void {
    this.asked.set(this.ask(), read);
  }
}

function noLeader(): PacelineError {
  const message = 'no leader confirmed the read in time';
  return new PacelineError({ reason: 'NO_LEADER', message, retryAfterMs: 100 });
}
