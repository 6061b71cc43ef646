// Who may campaign, and who leads: only one whom a majority has given leave to, as it hears no leader, in this
// very campaign; only one who has the votes of a majority, of this very term, its own on its disk.
import type { PeerBatch, PeerMessage } from '../transport/types.ts';
import type { SeenNode, SeenReplica } from './seen-node.ts';
import { storedHardState } from './stored-rows.ts';
import type { World } from './world.ts';

const rules = {
  leave: 'nobody campaigns without the leave of a majority',
  hears: 'who hears a leader gives no leave to campaign',
  votes: 'a leader has the votes of a majority',
} as const;

type Leave = Extract<PeerMessage, { type: 'PreVoteReply' }>;
type Request = Extract<PeerMessage, { type: 'Vote' }>;

export class VoteChecker {
  private readonly world: World;
  /** By partition, campaign and candidate: who gave leave. */
  private readonly leave = new Map<string, Set<number>>();
  /** By partition, campaign, candidate and who was asked: it heard no leader then. */
  private readonly mayGive = new Set<string>();
  /** By partition, term and candidate: who voted for it. */
  private readonly votes = new Map<string, Set<number>>();
  /** By node and partition: when it heard a leader, by its clock. */
  private readonly heardMs = new Map<SeenNode, number[]>();

  constructor(world: World) {
    this.world = world;
  }

  /** A batch that has arrived, before the node takes it: what comes first in it may end what it says. */
  received(node: SeenNode, { partitions, messages }: PeerBatch): void {
    const ended = new Set<number>();
    for (const [i, message] of messages.entries()) {
      const { type, term, from } = message;
      const partition = partitions[i] ?? 0;
      const raft = node.node?.replicas[partition]?.raft;
      if (raft === undefined) continue;
      if (type === 'Append' || type === 'Commit' || type === 'Heartbeat') {
        if (term < raft.term) continue;
        ended.delete(partition);
        this.heardBy(node)[partition] = node.machine.monotonicMs();
      } else if (type === 'PreVote') {
        const hears = !ended.has(partition) && this.hearsLeader(node, partition);
        if (!hears) this.mayGive.add(`${partition} ${message.campaign} ${from} ${node.id}`);
      } else if (term > raft.term && entersTerm(message)) {
        ended.add(partition);
      }
    }
  }

  /** A batch that is about to leave. */
  sent(node: SeenNode, { partitions, messages }: PeerBatch): void {
    for (const [i, message] of messages.entries()) {
      const partition = partitions[i] ?? 0;
      if (message.type === 'PreVoteReply' && message.granted) {
        this.lookAtLeave(node, partition, message);
      } else if (message.type === 'Vote') {
        this.lookAtRequest(node, partition, message);
      } else if (message.type === 'VoteReply' && message.granted) {
        put(this.votes, `${partition} ${message.term} ${message.to}`, node.id);
      }
    }
  }

  /** It has begun to lead. */
  elected(node: SeenNode, { raft, partition }: SeenReplica): void {
    const others = this.votes.get(`${partition} ${raft.term} ${node.id}`)?.size ?? 0;
    const hasOwn = node.disk.damaged || this.hasOwnVote(node, partition, raft.term);
    if ((others + (hasOwn ? 1 : 0)) * 2 > node.config.nodes.size) return;
    const own = hasOwn ? 'its own' : 'its own is not on its disk';
    this.broken(rules.votes, node, partition, `leads term ${raft.term} by ${others} votes, ${own}`);
  }

  private lookAtLeave(node: SeenNode, partition: number, { to, campaign, term }: Leave): void {
    if (!this.mayGive.has(`${partition} ${campaign} ${to} ${node.id}`)) {
      const detail = `gives node ${to} leave to campaign in term ${term}`;
      this.broken(rules.hears, node, partition, detail);
    }
    put(this.leave, `${partition} ${campaign} ${to}`, node.id);
  }

  /** Whoever a leader has told to campaign needs nobody's leave. */
  private lookAtRequest(node: SeenNode, partition: number, request: Request): void {
    const { transfer, campaign, from, term } = request;
    if (transfer || !node.config.raft.preVote) return;
    const given = this.leave.get(`${partition} ${campaign - 1} ${from}`)?.size ?? 0;
    if ((given + 1) * 2 > node.config.nodes.size) return;
    const detail = `asks for votes of term ${term}, which ${given} others gave leave to`;
    this.broken(rules.leave, node, partition, detail);
  }

  private hearsLeader(node: SeenNode, partition: number): boolean {
    const raft = node.node?.replicas[partition]?.raft;
    if (raft?.role === 'leader') return true;
    const heardMs = this.heardBy(node)[partition] ?? -Infinity;
    const isRecent = node.machine.monotonicMs() - heardMs < node.config.raft.electionTimeoutMs;
    return raft?.role === 'follower' && raft.leader !== 0 && isRecent;
  }

  private hasOwnVote(node: SeenNode, partition: number, term: number): boolean {
    const hard = storedHardState(node, partition);
    if (hard === undefined) return false;
    return hard.term > term || (hard.term === term && hard.votedFor === node.id);
  }

  private heardBy(node: SeenNode): number[] {
    let heard = this.heardMs.get(node);
    if (heard === undefined) {
      heard = [];
      this.heardMs.set(node, heard);
    }
    return heard;
  }

  private broken(rule: string, { name }: SeenNode, partition: number, what: string): void {
    this.world.break(rule, `${name}, partition ${partition}: ${what}`);
  }
}

function put(sets: Map<string, Set<number>>, name: string, id: number): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([id]));
  else set.add(id);
}

/** Of a term above its own: a leader that it comes to leads no more, a follower knows none. */
function entersTerm(message: PeerMessage): boolean {
  if (message.type === 'PreVoteReply') return !message.granted;
  // Another is ignored by who hears a leader.
  return message.type !== 'Vote' || message.transfer;
}
