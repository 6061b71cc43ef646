// What a leader believes: of its followers only what they have said to it in its term, and what is on their
// disks; of its lease only what no election contradicts. What is wrong here does harm only much later, if
// at all in a run, but is seen at once.
import { entryChainOf } from '../entry.ts';
import type { FollowerView } from '../raft/types.ts';
import { entryKey, firstGeneration } from '../storage/keys.ts';
import type { PeerBatch } from '../transport/types.ts';
import type { Sayings } from './said.ts';
import type { SeenNode, SeenReplica } from './seen-node.ts';
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
  downs: number;
}

interface Partition {
  /** The newest term in which anyone has led. */
  newestTerm: number;
  /** By leader, then by follower. */
  readonly known: Map<SeenNode, Map<SeenNode, Known>>;
  readonly leases: Map<SeenNode, number>;
}

/** An append of the leader's own term, after this entry, was refused. */
interface Refused {
  readonly by: number;
  readonly prevIndex: number;
}

export class LeaderChecker {
  private readonly world: World;
  private readonly nodes: readonly SeenNode[];
  private readonly sayings: Sayings;
  private readonly partitions: Partition[] = [];
  /** By leader and partition: what has arrived in this step. */
  private readonly refused = new Map<SeenNode, Refused[][]>();

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
      const all = this.refused.get(node) ?? [];
      this.refused.set(node, all);
      all[partition] ??= [];
      all[partition].push({ by: message.from, prevIndex: message.prevIndex });
    }
  }

  /** After every step of a node. */
  look(node: SeenNode, replica: SeenReplica): void {
    if (replica.raft.role === 'leader') this.lookAtFollowers(node, replica);
    const refused = this.refused.get(node)?.[replica.partition];
    if (refused !== undefined && refused.length > 0) refused.length = 0;
  }

  private lookAtFollowers(node: SeenNode, replica: SeenReplica): void {
    const { raft, partition } = replica;
    const { known, leases } = this.of(partition);
    let followers = known.get(node);
    if (followers === undefined) {
      followers = new Map();
      known.set(node, followers);
    }
    for (const other of this.nodes) {
      const view = raft.follower(other.id);
      if (view !== null) this.lookAtFollower({ node, replica, other, view, followers });
    }
    if (leases.get(node) === raft.leaseUntilMs) return;
    leases.set(node, raft.leaseUntilMs);
    this.lookAtLease(node, replica);
  }

  private lookAtFollower(seen: Seen): void {
    const { node, replica, other, view, followers } = seen;
    const { term } = replica.raft;
    const downs = node.downs.get(other.id) ?? 0;
    const { match, next, probing, round } = view;
    const before = followers.get(other);
    if (before?.term !== term) {
      followers.set(other, { term, match, next, probing, round, downs });
      if (match > 0 || round > 0) this.lookAtAnswers(seen);
      return;
    }
    if (match !== before.match || round !== before.round) this.lookAtAnswers(seen);
    if (match < before.match) {
      const detail = `counts entry ${match} of ${other.name} after entry ${before.match}`;
      this.broken(rules.kept, node, replica, detail);
    }
    const isBack = probing && (!before.probing || next < before.next);
    if (isBack && downs === before.downs) this.lookAtRefusals(seen);
    Object.assign(before, { match, next, probing, round, downs });
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
    const key = entryKey({ partition, generation: firstGeneration }, match);
    const stored = other.disk.rows.get(key.toString('latin1'));
    if (stored !== undefined && entryChainOf(stored).equals(chain)) return;
    this.broken(rules.disk, node, replica, `counts entry ${match} of ${other.name}`);
  }

  /** Of what was acknowledged since, a refusal says nothing. */
  private lookAtRefusals({ node, replica, other, view }: Seen): void {
    const refused = this.refused.get(node)?.[replica.partition] ?? [];
    if (refused.some(({ by, prevIndex }) => by === other.id && prevIndex > view.match)) return;
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
      found = { newestTerm: 0, known: new Map(), leases: new Map() };
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
  readonly followers: Map<SeenNode, Known>;
}

interface Counted extends Pick<Seen, 'node' | 'replica' | 'other'> {
  readonly match: number;
}
