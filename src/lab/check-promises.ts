// What a message promises is on the disk of who sends it, before it leaves: the entries of an
// acknowledgement, the vote of a grant, the vote and the log of a request. And what was promised once is
// kept over every restart: a store that has forgotten it does not serve.
import { entryChainOf } from '../entry.ts';
import type { PeerBatch, PeerMessage } from '../transport/types.ts';
import type { SeenNode } from './seen-node.ts';
import { storedEntry, storedHardState } from './stored-rows.ts';
import type { World } from './world.ts';

const onDisk = 'what a message promises is on the disk';
const kept = 'what was promised is kept';
const noHardState = { term: 0, votedFor: 0 } as const;

/** By node and partition. */
interface Promised {
  /** The highest that a promise was made in. */
  term: number;
  /** By term. */
  readonly votes: Map<number, number>;
}

type VoteMessage = Extract<PeerMessage, { type: 'Vote' | 'VoteReply' }>;
type AckMessage = Extract<PeerMessage, { type: 'AppendOk' }>;

export class PromiseChecker {
  private readonly world: World;
  private readonly promised = new Map<string, Promised>();

  constructor(world: World) {
    this.world = world;
  }

  /** A batch that is about to leave. */
  look(node: SeenNode, { partitions, messages }: PeerBatch): void {
    for (const [i, message] of messages.entries()) {
      const partition = partitions[i] ?? 0;
      if (message.type === 'AppendOk') this.lookAtAck(node, partition, message);
      else if (message.type === 'Vote' || (message.type === 'VoteReply' && message.granted)) {
        this.lookAtVote(node, partition, message);
      }
    }
  }

  /** At a start, before anything is sent: `term` is what the store gave back. */
  started(node: SeenNode, partition: number, term: number): void {
    const promised = this.of(node, partition);
    if (term >= promised.term) return;
    const who = `${node.name}, partition ${partition}`;
    this.world.break(kept, `${who}: is in term ${term} after a promise in term ${promised.term}`);
  }

  private lookAtAck(node: SeenNode, partition: number, { term, match }: AckMessage): void {
    const promised = this.of(node, partition);
    promised.term = Math.max(promised.term, term);
    if (node.disk.damaged || match === 0) return;
    const who = `${node.name}, partition ${partition}`;
    const raft = node.node?.replicas[partition]?.raft;
    // In a later term the log may have been cut off since.
    if (raft?.term === term) {
      const stored = storedEntry(node, partition, match);
      const chain = raft.chainAt(match);
      if (stored === undefined || (chain !== null && !entryChainOf(stored).equals(chain))) {
        this.world.break(onDisk, `${who}: acknowledges entry ${match} of term ${term}`);
      }
    }
    const hard = storedHardState(node, partition) ?? noHardState;
    if (hard.term < term) {
      const detail = `${who}: acknowledges in term ${term}, its disk is in term ${hard.term}`;
      this.world.break(onDisk, detail);
    }
  }

  private lookAtVote(node: SeenNode, partition: number, message: VoteMessage): void {
    const { term, from, to } = message;
    const vote = message.type === 'Vote' ? from : to;
    const who = `${node.name}, partition ${partition}`;
    const promised = this.of(node, partition);
    const before = promised.votes.get(term);
    if (before !== undefined && before !== vote) {
      const detail = `${who}: votes for node ${vote} in term ${term}, after node ${before}`;
      this.world.break(kept, detail);
    }
    promised.votes.set(term, vote);
    promised.term = Math.max(promised.term, term);
    if (node.disk.damaged) return;
    const hard = storedHardState(node, partition) ?? noHardState;
    if (hard.term < term || (hard.term === term && hard.votedFor !== vote)) {
      const has = `its disk has node ${hard.votedFor} in term ${hard.term}`;
      this.world.break(onDisk, `${who}: votes for node ${vote} in term ${term}, ${has}`);
    }
    if (message.type !== 'Vote' || message.lastIndex === 0) return;
    const raft = node.node?.replicas[partition]?.raft;
    // One that has given way since may have cut off its log.
    if (raft?.term !== term || raft.role !== 'candidate') return;
    if (storedEntry(node, partition, message.lastIndex) !== undefined) return;
    this.world.break(onDisk, `${who}: asks for votes with entry ${message.lastIndex}`);
  }

  private of(node: SeenNode, partition: number): Promised {
    const name = `${node.id} ${partition}`;
    let promised = this.promised.get(name);
    if (promised === undefined) {
      promised = { term: 0, votes: new Map() };
      this.promised.set(name, promised);
    }
    return promised;
  }
}
