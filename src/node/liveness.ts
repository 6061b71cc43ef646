// Which peers' processes are in touch: what groups asleep rely on instead of heartbeats of their own.
// Every frame is a sign of life; while any group of this node sleeps it sends one to each peer every
// two and a half heartbeats, or a little sooner, never later.
import type { RaftConfig } from '../raft/types.ts';
import type { NodeId } from '../transport/types.ts';

/** In heartbeats: from one sign of life to the next, and the silence that wakes sleepers. */
const beatEvery = 2.5;
const silentAfter = 5.5;
/** So close to the next sign of life, it is given as soon as the node is awake for another reason. */
const nearBeat = 0.5;

export interface Sleeper {
  readonly raft: {
    readonly quiesced: boolean;
    wake(replica: NodeId, heardMs: number, nowMs: number): void;
  };
}

export class Liveness {
  /** From one sign of life to the next. */
  readonly beatMs: number;
  private readonly silentMs: number;
  private readonly nearMs: number;
  private readonly heardMs: Map<NodeId, number>;
  private beatDueMs = 0;

  constructor(peers: Iterable<NodeId>, { heartbeatMs }: Pick<RaftConfig, 'heartbeatMs'>) {
    this.beatMs = heartbeatMs * beatEvery;
    this.silentMs = heartbeatMs * silentAfter;
    this.nearMs = heartbeatMs * nearBeat;
    this.heardMs = new Map([...peers].map((peer) => [peer, -Infinity]));
  }

  heard(peer: NodeId, nowMs: number): void {
    this.heardMs.set(peer, nowMs);
  }

  isBeatNear(nowMs: number): boolean {
    return nowMs >= this.beatDueMs - this.nearMs;
  }

  /** Wakes who relies on a silent peer. Returns whether a sign of life is due before the next tick. */
  tick(nowMs: number, replicas: readonly Sleeper[], nextTickMs: number): boolean {
    const asleep = replicas.filter(({ raft }) => raft.quiesced);
    if (asleep.length === 0) return false;
    for (const [peer, heardMs] of this.heardMs) {
      if (nowMs - heardMs > this.silentMs) this.wake(peer, nowMs, asleep);
    }
    if (nowMs + nextTickMs <= this.beatDueMs) return false;
    this.beatDueMs = nowMs + this.beatMs;
    return true;
  }

  /** A connection with it came or went: it may be another process now, that leads nothing. */
  wake(peer: NodeId, nowMs: number, replicas: readonly Sleeper[]): void {
    const heardMs = this.heardMs.get(peer) ?? -Infinity;
    for (const { raft } of replicas) if (raft.quiesced) raft.wake(peer, heardMs, nowMs);
  }
}
