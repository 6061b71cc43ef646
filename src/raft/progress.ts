// What a leader knows of one follower's log, and what it has sent to it. While probing, one append at a
// time looks for the place where the logs agree; while replicating, `next` advances optimistically as
// appends leave, within the inflight limits. A rejected or lost append leads back to probing.

import { assert } from '../assert.ts';
import { Inflights } from './inflights.ts';
import type { Entry, LoadRequest, RaftConfig, ReplicaId, ReplicaProgress } from './types.ts';

/** Entries that are no longer in memory come from the shell, one request at a time. */
export type Load<P> =
  | { readonly phase: 'none' }
  | { readonly phase: 'asked'; readonly request: LoadRequest }
  | { readonly phase: 'loaded'; readonly entries: readonly Entry<P>[] }
  | { readonly phase: 'failed'; readonly retryMs: number };

export class Progress<P> {
  readonly id: ReplicaId;
  readonly #heartbeatMs: number;
  readonly #inflights: Inflights;
  #mode: 'probe' | 'replicate' = 'probe';
  /** A probe was sent and not answered yet. */
  #awaiting = false;
  /** An empty append is due that finds out whether what was sent has arrived. */
  #checkDue = false;
  #match = 0;
  #next: number;
  /** The newest commit index that an append told the follower. */
  #commitTold = 0;
  #sentMs: number;
  load: Load<P> = { phase: 'none' };
  /** The newest read round that the follower answered. */
  round = 0;
  /** When it last answered in a way that shows it well, for checkQuorum. */
  heardMs: number;

  constructor(id: ReplicaId, next: number, config: RaftConfig, nowMs: number) {
    this.id = id;
    this.#next = next;
    this.#heartbeatMs = config.heartbeatMs;
    this.#inflights = new Inflights(config.inflightAppendsMax, config.inflightBytesMax);
    this.#sentMs = nowMs;
    this.heardMs = nowMs;
  }

  get match(): number {
    return this.#match;
  }

  get next(): number {
    return this.#next;
  }

  get probing(): boolean {
    return this.#mode === 'probe';
  }

  /** Nothing more may be sent until something is answered. */
  get paused(): boolean {
    return this.probing ? this.#awaiting : this.#inflights.full;
  }

  view(): Omit<ReplicaProgress, 'id' | 'learner'> {
    const { match, next, paused } = this;
    return { match, next, mode: this.#mode, paused, inflight: this.#inflights.count };
  }

  /** An append without entries is worth sending: to tell of commits, or to find out about a loss. */
  wantsEmptyAppend(commit: number): boolean {
    if (this.#checkDue) return true;
    return !this.paused && Math.min(commit, this.#next - 1) > this.#commitTold;
  }

  /** `count` entries from `next` on leave, with the leader's commit index. */
  sent(count: number, bytes: number, commit: number, nowMs: number): void {
    const lastIndex = this.#next + count - 1;
    this.#commitTold = Math.max(this.#commitTold, Math.min(commit, lastIndex));
    this.#sentMs = nowMs;
    this.#checkDue = false;
    if (this.probing) {
      this.#awaiting = true;
    } else if (count > 0) {
      this.#inflights.add(lastIndex, bytes);
      this.#next = lastIndex + 1;
    }
  }

  /** The follower has everything up to `match` on disk. Returns whether that is news. */
  acknowledged(match: number): boolean {
    const isNews = match > this.#match;
    this.#match = Math.max(this.#match, match);
    if (this.probing) {
      this.#mode = 'replicate';
      this.#awaiting = false;
      this.#next = this.#match + 1;
    } else {
      this.#inflights.freeUpTo(match);
      this.#next = Math.max(this.#next, this.#match + 1);
    }
    this.#assertOrder();
    return isNews;
  }

  /** The append after `prevIndex` did not fit; the logs may agree at `agreement`. */
  rejected(prevIndex: number, agreement: number): void {
    // A late or doubled reject tells of an append that was overtaken long ago.
    const isStale = this.probing ? prevIndex !== this.#next - 1 : prevIndex <= this.#match;
    if (isStale) return;
    this.#probeFrom(Math.max(this.#match + 1, Math.min(prevIndex, agreement + 1)));
  }

  /** What was sent is lost: the follower's process has died. */
  lost(): void {
    this.#probeFrom(this.#match + 1);
  }

  /** The follower lives. Where it has been silent about appends for long, they may be lost. */
  alive(lastIndex: number, nowMs: number): void {
    // One whose disk hangs still answers heartbeats: while it owes an answer, only that counts.
    const owesAnswer = this.probing ? this.#awaiting : this.#inflights.count > 0;
    if (!owesAnswer) this.heardMs = nowMs;
    if (nowMs - this.#sentMs < this.#heartbeatMs) return;
    if (this.probing) this.#awaiting = false;
    // One that is probed is asked even where nothing is missing: only an answer ends the probing.
    if (this.probing || this.#match < lastIndex) this.#checkDue = true;
  }

  #probeFrom(next: number): void {
    this.#mode = 'probe';
    this.#awaiting = false;
    this.#checkDue = false;
    this.#next = next;
    this.#inflights.reset();
    this.#assertOrder();
  }

  #assertOrder(): void {
    assert(this.#match >= 0 && this.#match < this.#next, '0 <= match < next');
  }
}
