// After failures leadership lies wherever it fell. It goes back to the node each partition prefers, so
// that every node leads its share: one partition at a time, to a node that is up for a while and lacks
// little.
import type { EntryPayload } from '../entry.ts';
import type { Raft } from '../raft/types.ts';
import type { NodeId } from '../transport/types.ts';

const betweenMs = 1000;
/** A node that has just come back has to catch up, and may go again. */
const settledMs = 10_000;
const lagMax = 256;

export interface Balanced {
  readonly partition: number;
  readonly raft: Pick<
    Raft<EntryPayload>,
    'ready' | 'quiesced' | 'self' | 'commit' | 'transferee' | 'follower'
  >;
  transferLeadership(to: NodeId): Promise<void>;
}

export class Balance {
  private readonly preferred: (partition: number) => NodeId;
  /** Since when each other node is connected. */
  private readonly sinceMs = new Map<NodeId, number>();
  private nextMs = 0;

  constructor(preferred: (partition: number) => NodeId) {
    this.preferred = preferred;
  }

  tick(nowMs: number, replicas: readonly Balanced[], isConnected: (node: NodeId) => boolean): void {
    if (nowMs < this.nextMs) return;
    this.nextMs = nowMs + betweenMs;
    const given = replicas.find((replica) => this.mayGive(replica, nowMs, isConnected));
    // Where it fails leadership stays, and it is tried again.
    given?.transferLeadership(this.preferred(given.partition)).catch(() => {});
  }

  private mayGive(
    { raft, partition }: Balanced,
    nowMs: number,
    isConnected: (node: NodeId) => boolean,
  ): boolean {
    const to = this.preferred(partition);
    if (to === raft.self || !raft.ready || raft.transferee !== 0) return false;
    if (!this.isSettled(to, nowMs, isConnected(to))) return false;
    const follower = raft.follower(to);
    if (follower === null) return false;
    // Asleep, all were well when they agreed, and nothing was said since.
    if (!raft.quiesced && nowMs - follower.heardMs > betweenMs) return false;
    return raft.commit - follower.match <= lagMax;
  }

  private isSettled(node: NodeId, nowMs: number, connected: boolean): boolean {
    if (!connected) {
      this.sinceMs.delete(node);
      return false;
    }
    const since = this.sinceMs.get(node) ?? nowMs;
    this.sinceMs.set(node, since);
    return nowMs - since >= settledMs;
  }
}
