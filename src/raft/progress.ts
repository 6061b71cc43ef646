// What a leader knows of one follower's log, and what it has sent to it. While probing, one append at a
// time looks for the place where the logs agree; while replicating, `next` advances optimistically as
// appends leave, within the inflight limits. A rejected or lost append leads back to probing. One that
// needs what has left the leader's log gets no appends until a snapshot has brought it to what is there.

import { assert } from '../assert.ts';
import { Inflights } from './inflights.ts';
import type {
  Entry,
  LoadRequest,
  RaftConfig,
  ReplicaId,
  ReplicaProgress,
  SnapshotRequest,
} from './types.ts';

/** Entries that are no longer in memory come from the shell, one request at a time. */
export type Load<P> =
  | { readonly phase: 'none' }
  | { readonly phase: 'asked'; readonly request: LoadRequest }
  | { readonly phase: 'loaded'; readonly entries: readonly Entry<P>[] }
  | { readonly phase: 'failed'; readonly retryMs: number };

/** So many election timeouts an append may take to be answered, by a slow lane say, before its follower does not count. */
const OWED_TIMEOUTS_MAX = 10;

export class Progress<P> {
  readonly id: ReplicaId;
  readonly #heartbeatMs: number;
  readonly #electionTimeoutMs: number;
  readonly #inflights: Inflights;
  #mode: ReplicaProgress['mode'] = 'probe';
  /** A probe was sent and not answered yet. */
  #awaiting = false;
  /** An empty append is due that finds out whether what was sent has arrived. */
  #checkDue = false;
  #match = 0;
  #next: number;
  /** The newest commit index that the follower was told with a proof: in an Append, or a Commit. */
  #commitTold = 0;
  #sentMs: number;
  /** In snapshot mode, until the shell has reported. */
  #request: SnapshotRequest | null = null;
  /** No snapshot is asked for before that, after one has failed. */
  #snapshotRetryMs = -Infinity;
  /** When it answered last; not since it was lost. */
  #answeredMs = -Infinity;
  load: Load<P> = { phase: 'none' };
  /** The newest read round that the follower answered. */
  round = 0;
  /** Until then it owed no answer, or gave one. */
  #owesSinceMs: number;
  /** When it last answered in a way that shows it well, for checkQuorum. */
  heardMs: number;

  constructor(id: ReplicaId, next: number, config: RaftConfig, nowMs: number) {
    this.id = id;
    this.#next = next;
    this.#heartbeatMs = config.heartbeatMs;
    this.#electionTimeoutMs = config.electionTimeoutMs;
    this.#inflights = new Inflights(config.inflightAppendsMax, config.inflightBytesMax);
    this.#sentMs = nowMs;
    this.heardMs = nowMs;
    this.#owesSinceMs = nowMs;
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
    if (this.#mode === 'replicate') return this.#inflights.full;
    return this.#mode === 'snapshot' || this.#awaiting;
  }

  /** Since when it has not both been sent an append and answered one; always, while it is not replicating. */
  get silentSinceMs(): number {
    return this.#mode === 'replicate' ? Math.min(this.#sentMs, this.#answeredMs) : -Infinity;
  }

  view(): Omit<ReplicaProgress, 'id' | 'learner'> {
    const { match, next, paused } = this;
    const pendingSnapshot = this.#mode === 'snapshot' ? next - 1 : 0;
    const inflight = this.#inflights.count;
    return { match, next, mode: this.#mode, paused, inflight, pendingSnapshot };
  }

  /** An append without entries is worth its answer: it finds out about a loss, or where the logs agree. */
  wantsEmptyAppend(commit: number): boolean {
    return this.#checkDue || (this.probing && this.wantsCommit(commit));
  }

  /** The commit index is news to it; one that wants an empty append is told by that. */
  wantsCommit(commit: number): boolean {
    return !this.paused && Math.min(commit, this.#next - 1) > this.#commitTold;
  }

  /** A Commit leaves. As its arrival is not answered, it is no check for loss, and puts none off. */
  told(commit: number): void {
    this.#commitTold = Math.max(this.#commitTold, Math.min(commit, this.#next - 1));
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

  /** Asleep, it had nothing to answer. */
  woken(nowMs: number): void {
    this.heardMs = nowMs;
    this.#owesSinceMs = nowMs;
  }

  /** It answered an append: it lives, and its disk works. */
  answered(nowMs: number): void {
    this.heardMs = nowMs;
    this.#answeredMs = nowMs;
    this.#owesSinceMs = nowMs;
  }

  /**
   * The follower has everything up to `match` on disk. Returns whether that is news. In snapshot mode it
   * is enough that the leader's log, which begins after `boundary`, goes on from there: whichever snapshot
   * that was, and from wherever it came.
   */
  acknowledged(match: number, boundary: number): boolean {
    const isNews = match > this.#match;
    this.#match = Math.max(this.#match, match);
    if (this.#mode === 'snapshot') {
      if (this.#match >= boundary) this.#probeFrom(this.#match + 1);
      else this.#next = Math.max(this.#next, this.#match + 1);
    }
    if (this.probing) {
      this.#mode = 'replicate';
      this.#awaiting = false;
      this.#next = this.#match + 1;
    } else if (this.#mode === 'replicate') {
      this.#inflights.freeUpTo(match);
      this.#next = Math.max(this.#next, this.#match + 1);
    }
    this.#assertOrder();
    return isNews;
  }

  /** The append after `prevIndex` did not fit; the logs may agree at `agreement`. */
  rejected(prevIndex: number, agreement: number): void {
    // What was sent before says nothing of what the snapshot makes of the follower.
    if (this.#mode === 'snapshot') return;
    // A late or doubled reject tells of an append that was overtaken long ago.
    const isStale = this.probing ? prevIndex !== this.#next - 1 : prevIndex <= this.#match;
    if (isStale) return;
    this.#probeFrom(Math.max(this.#match + 1, Math.min(prevIndex, agreement + 1)));
  }

  /** What was sent is lost: the follower's process has died. */
  lost(): void {
    this.#probeFrom(this.#match + 1);
    this.#answeredMs = -Infinity;
  }

  /**
   * Where `next` is no longer in the log: whether a snapshot is to be asked for now. As that costs much,
   * it is only for one who has answered lately.
   */
  wantsSnapshot(nowMs: number): boolean {
    if (this.#mode === 'snapshot' || (this.paused && !this.#checkDue)) return false;
    if (nowMs < this.#snapshotRetryMs) return false;
    return nowMs - this.#answeredMs < this.#electionTimeoutMs;
  }

  /** It gets heartbeats only, until the request is reported on, or it acknowledges enough. */
  needsSnapshot(request: SnapshotRequest): void {
    this.#probeFrom(request.index + 1);
    this.#mode = 'snapshot';
    this.#request = request;
    this.load = { phase: 'none' };
  }

  /** Whether `request` is the one that is waited for. */
  awaits(request: SnapshotRequest): boolean {
    return this.#request === request;
  }

  /** InstallSnapshot leaves: its answer ends this mode, or its loss. */
  snapshotSent(index: number, nowMs: number): void {
    this.#request = null;
    this.#next = Math.max(index, this.#match) + 1;
    this.#awaiting = true;
    this.#sentMs = nowMs;
  }

  /** To be asked for anew, not before a heartbeat period is over. */
  snapshotFailed(nowMs: number): void {
    this.#probeFrom(this.#match + 1);
    this.#snapshotRetryMs = nowMs + this.#heartbeatMs;
  }

  /** The follower lives. Where it has been silent about appends for long, they may be lost. */
  alive(lastIndex: number, nowMs: number): void {
    this.#answeredMs = nowMs;
    // One whose disk hangs still answers heartbeats: while it owes an answer, only that counts.
    // But a slow lane looks the same for a while, and the next leader would only send it all again.
    const owesAnswer = this.#mode === 'replicate' ? this.#inflights.count > 0 : this.#awaiting;
    if (!owesAnswer) this.#owesSinceMs = nowMs;
    const owedMaxMs = this.#electionTimeoutMs * OWED_TIMEOUTS_MAX;
    if (nowMs - this.#owesSinceMs < owedMaxMs) this.heardMs = nowMs;
    // It owes none while the state is on its way.
    if (this.#request !== null || nowMs - this.#sentMs < this.#heartbeatMs) return;
    // A probe finds out whether the snapshot was installed.
    if (this.#mode === 'snapshot') this.#probeFrom(this.#next);
    if (this.probing) this.#awaiting = false;
    // One that is probed is asked even where nothing is missing: only an answer ends the probing.
    if (this.probing || this.#match < lastIndex) this.#checkDue = true;
  }

  #probeFrom(next: number): void {
    this.#mode = 'probe';
    this.#awaiting = false;
    this.#checkDue = false;
    this.#request = null;
    this.#next = next;
    this.#inflights.reset();
    this.#assertOrder();
  }

  #assertOrder(): void {
    assert(this.#match >= 0 && this.#match < this.#next, '0 <= match < next');
  }
}
