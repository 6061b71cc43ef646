// What a leader believes: of its followers only what they have said to it in its term, and what is on their
// disks; of its lease only what no election contradicts. What is wrong here does harm only much later, if
// at all in a run, but is seen at once.
import { entryChainOf } from '../entry.ts';
import type { FollowerView } from '../raft/types.ts';
import type { PeerBatch } from '../transport/types.ts';
import type { Sayings } from './said.ts';
import type { SeenNode, SeenReplica } from './seen-node.ts';
import { storedEntry } from './stored-rows.ts';
import type { World } from './world.ts';

const rules = {
  said: 'a leader counts only what it was told in its term',
  disk: 'what a leader counts is on the disk of the follower',
  kept: 'a leader keeps what was acknowledged to it',
  back: 'a leader goes back only for a refusal of its term, or for a dead process',
  lease: 'nobody else leads while a lease holds',
} as const;

/** What a leader showed of one follower when it was last looked at. */
interface Known {
  term: number;
  match: number;
  next: number;
  probing: boolean;
  round: number;
}

interface Partition {
  /** The newest term in which anyone has led. */
  newestTerm: number;
  readonly leaders: Map<SeenNode, Led>;
}

/** What a leader showed when it was last looked at. */
interface Led {
  /** In the order of the nodes. */
  readonly followers: Known[];
  leaseUntilMs: number | null;
}

/** Why a leader may go back: a follower refused what follows this entry, or its process is dead. */
interface Reason {
  readonly leader: SeenNode;
  readonly partition: number;
  readonly from: number;
  readonly prevIndex: number;
}

export class LeaderChecker {
  private readonly world: World;
  private readonly nodes: readonly SeenNode[];
  private readonly sayings: Sayings;
  private readonly partitions: Partition[] = [];
  /** What has arrived in this step. */
  private readonly reasons: Reason[] = [];

  constructor(world: World, nodes: readonly SeenNode[], sayings: Sayings) {
    this.world = world;
    this.nodes = nodes;
    this.sayings = sayings;
  }

  /** It has begun to lead. */
  elected(node: SeenNode, { raft, partition }: SeenReplica): void {
    const of = this.of(partition);
    of.newestTerm = Math.max(of.newestTerm, raft.term);
    for (const other of this.nodes) {
      const replica = other.node?.replicas[partition];
      if (other !== node && replica !== undefined) this.lookAtLease(other, replica);
    }
  }

  /** A batch that has arrived, before the node takes it. */
  received(node: SeenNode, { partitions, messages }: PeerBatch): void {
    for (const [i, message] of messages.entries()) {
      const partition = partitions[i] ?? 0;
      const raft = node.node?.replicas[partition]?.raft;
      if (message.type !== 'AppendReject' || message.term !== raft?.term) continue;
      const { from, prevIndex } = message;
      this.reasons.push({ leader: node, partition, from, prevIndex });
    }
  }

  /** The process of `peer` was found dead. */
  down(node: SeenNode, peer: number): void {
    for (const { partition } of node.node?.replicas ?? []) {
      this.reasons.push({ leader: node, partition, from: peer, prevIndex: Infinity });
    }
  }

  /** After every step in which its node leads. */
  look(node: SeenNode, replica: SeenReplica): void {
    const { raft, partition } = replica;
    const { leaders } = this.of(partition);
    let led = leaders.get(node);
    if (led === undefined) {
      led = { followers: [], leaseUntilMs: null };
      leaders.set(node, led);
    }
    const { followers } = led;
    let i = -1;
    for (const other of this.nodes) {
      i += 1;
      const view = raft.follower(other.id);
      if (view === null) continue;
      const before = followers[i];
      if (before === undefined || before.term !== raft.term) {
        const { match, next, probing, round } = view;
        followers[i] = { term: raft.term, match, next, probing, round };
        if (match > 0 || round > 0) this.lookAtAnswers({ node, replica, other, view });
      } else if (isChanged(before, view)) {
        this.lookAtFollower({ node, replica, other, view }, before);
      }
    }
    const { leaseUntilMs } = raft;
    if (led.leaseUntilMs === leaseUntilMs) return;
    led.leaseUntilMs = leaseUntilMs;
    this.lookAtLease(node, replica);
  }

  /** A node has been looked at. */
  stepEnds(): void {
    if (this.reasons.length > 0) this.reasons.length = 0;
  }

  private lookAtFollower(seen: Seen, before: Known): void {
    const { node, replica, other, view } = seen;
    const { match, next, probing, round } = view;
    if (match !== before.match || round !== before.round) this.lookAtAnswers(seen);
    if (match < before.match) {
      const detail = `counts entry ${match} of ${other.name} after entry ${before.match}`;
      this.broken(rules.kept, node, replica, detail);
    }
    if (probing && (!before.probing || next < before.next)) this.lookAtReasons(seen);
    Object.assign(before, { match, next, probing, round });
  }

  private lookAtAnswers({ node, replica, other, view }: Seen): void {
    const { raft, partition } = replica;
    const said = this.sayings.in(raft.term, partition, other.id, node.id);
    const { match, round } = view;
    if (match > (said?.match ?? 0) || round > (said?.round ?? 0)) {
      const told = `${other.name} has told of entry ${said?.match}, round ${said?.round}`;
      this.broken(rules.said, node, replica, `counts entry ${match}, round ${round}; ${told}`);
    }
    if (match > 0) this.lookAtDisk({ node, replica, other, match });
  }

  /** In a later term the log may have been cut off since. */
  private lookAtDisk({ node, replica, other, match }: Counted): void {
    const { raft, partition } = replica;
    const chain = raft.chainAt(match);
    const isLater = (other.node?.replicas[partition]?.raft.term ?? Infinity) > raft.term;
    if (chain === null || other.disk.damaged || isLater) return;
    const stored = storedEntry(other, partition, match);
    if (stored !== undefined && entryChainOf(stored).equals(chain)) return;
    this.broken(rules.disk, node, replica, `counts entry ${match} of ${other.name}`);
  }

  /** Of what was acknowledged since, a refusal says nothing. */
  private lookAtReasons({ node, replica, other, view }: Seen): void {
    const isReason = ({ leader, partition, from, prevIndex }: Reason) =>
      leader === node &&
      partition === replica.partition &&
      from === other.id &&
      prevIndex > view.match;
    if (this.reasons.some(isReason)) return;
    const goes = `goes back to entry ${view.next} with ${other.name}, which has ${view.match}`;
    this.broken(rules.back, node, replica, goes);
  }

  private lookAtLease(node: SeenNode, replica: SeenReplica): void {
    const { raft, partition } = replica;
    const { newestTerm } = this.of(partition);
    if (raft.term >= newestTerm || raft.leaseUntilMs <= node.machine.monotonicMs()) return;
    const leftMs = Math.ceil(raft.leaseUntilMs - node.machine.monotonicMs());
    const detail = `has a lease for ${leftMs} ms more while term ${newestTerm} has a leader`;
    this.broken(rules.lease, node, replica, detail);
  }

  private broken(rule: string, { name }: SeenNode, of: SeenReplica, what: string): void {
    const who = `${name}, partition ${of.partition}`;
    this.world.break(rule, `${who}: as leader of term ${of.raft.term} it ${what}`);
  }

  private of(partition: number): Partition {
    let found = this.partitions[partition];
    if (found === undefined) {
      found = { newestTerm: 0, leaders: new Map() };
      this.partitions[partition] = found;
    }
    return found;
  }
}

interface Seen {
  readonly node: SeenNode;
  readonly replica: SeenReplica;
  readonly other: SeenNode;
  readonly view: FollowerView;
}

interface Counted extends Pick<Seen, 'node' | 'replica' | 'other'> {
  readonly match: number;
}

function isChanged(before: Known, { match, next, probing, round }: FollowerView): boolean {
  return (
    match !== before.match ||
    next !== before.next ||
    probing !== before.probing ||
    round !== before.round
  );
}
