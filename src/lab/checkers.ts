// All that looks at the nodes of a run while it goes on: at what they tell each other, and after every step
// at what they hold.
import type { PeerBatch } from '../transport/types.ts';
import { CheckpointChecker } from './check-checkpoints.ts';
import { LeaderChecker } from './check-leader.ts';
import { PromiseChecker } from './check-promises.ts';
import { RaftChecker } from './check-raft.ts';
import { VoteChecker } from './check-votes.ts';
import { Sayings } from './said.ts';
import type { SeenNode } from './seen-node.ts';
import type { World } from './world.ts';

export class Checkers {
  readonly raft: RaftChecker;
  readonly checkpoints: CheckpointChecker;
  private readonly promises: PromiseChecker;
  private readonly votes: VoteChecker;
  private readonly leaders: LeaderChecker;
  private readonly sayings = new Sayings();

  constructor(world: World, nodes: readonly SeenNode[]) {
    this.promises = new PromiseChecker(world);
    this.votes = new VoteChecker(world);
    this.leaders = new LeaderChecker(world, nodes, this.sayings);
    const { promises, votes, leaders } = this;
    this.raft = new RaftChecker(world, nodes, { promises, votes, leaders });
    this.checkpoints = new CheckpointChecker(world);
  }

  /** A batch that is about to leave. */
  sent(node: SeenNode, batch: PeerBatch): void {
    this.promises.look(node, batch);
    this.votes.sent(node, batch);
    this.sayings.sent(batch);
  }

  /** A batch that has arrived, before the node takes it. */
  received(node: SeenNode, batch: PeerBatch): void {
    this.votes.received(node, batch);
    this.leaders.received(node, batch);
  }

  /** A node has found that the process of `peer` is dead. */
  down(node: SeenNode, peer: number): void {
    this.leaders.down(node, peer);
  }

  /** After every step of the node. */
  look(node: SeenNode): void {
    this.raft.look(node);
    this.checkpoints.look(node);
  }
}
