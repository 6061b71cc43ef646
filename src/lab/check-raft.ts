// What must hold after every step, whatever happened: looked up in the replicas themselves, and, for what
// is promised to be durable, on the disks. An entry is known by its chain, which covers all before it.
import { entryChainOf } from '../entry.ts';
import type { LeaderChecker } from './check-leader.ts';
import type { PromiseChecker } from './check-promises.ts';
import type { VoteChecker } from './check-votes.ts';
import type { SeenNode, SeenReplica } from './seen-node.ts';
import { storedEntry } from './stored-rows.ts';
import type { World } from './world.ts';

/** What a replica showed when it was last looked at; of one incarnation. */
interface Seen {
  readonly incarnation: number;
  term: number;
  commit: number;
  applied: number;
  last: number;
  leads: boolean;
  /** Of the newest entry that it takes for durable. */
  durable: Uint8Array | null;
}

/** What is known of a partition over all replicas and incarnations. */
interface Partition {
  /** By term. */
  readonly leaders: Map<number, string>;
  /** Chains of committed entries, by index. */
  readonly committed: string[];
  /** By the term of a replica when it showed a commit index: the highest. */
  readonly commitIn: Map<number, number>;
  /** Chains by index and term, in any log. */
  readonly chains: Map<string, string>;
}

/** Who looks further. */
interface Others {
  readonly promises: PromiseChecker;
  readonly votes: VoteChecker;
  readonly leaders: LeaderChecker;
}

export class RaftChecker {
  private readonly world: World;
  private readonly nodes: readonly SeenNode[];
  /** By id of the node, then by partition. */
  private readonly seen: Seen[][] = [];
  private readonly partitions: Partition[] = [];
  private readonly others: Others;
  /** By id of the node, then by partition, over all incarnations: the newest entry applied. */
  private readonly appliedEver: number[][] = [];

  constructor(world: World, nodes: readonly SeenNode[], others: Others) {
    this.world = world;
    this.nodes = nodes;
    this.others = others;
  }

  /** The highest index known to be committed. */
  committed(partition: number): number {
    return Math.max(0, this.of(partition).committed.length - 1);
  }

  /** Elections won so far, of all partitions. */
  get elections(): number {
    return this.partitions.reduce((sum, { leaders }) => sum + leaders.size, 0);
  }

  look(node: SeenNode): void {
    const replicas = node.node?.replicas;
    if (replicas === undefined || replicas.length === 0) return;
    const { id } = node;
    this.seen[id] ??= [];
    const seen = this.seen[id];
    const { incarnation } = node.machine;
    for (const replica of replicas) {
      const { partition, raft } = replica;
      let last = seen[partition];
      if (last?.incarnation !== incarnation) {
        last = firstSight(incarnation, replica);
        seen[partition] = last;
        if (raft.lastIndex < (this.appliedEver[node.id]?.[partition] ?? 0))
          this.broken('what was applied is in the log after a restart', node, replica);
        this.others.promises.started(node, partition, raft.term);
      }
      this.lookAt(node, replica, last);
    }
    this.others.leaders.stepEnds();
  }

  private lookAt(node: SeenNode, replica: SeenReplica, seen: Seen): void {
    const { raft } = replica;
    const { term, commit, applied, lastIndex } = raft;
    if (term < seen.term) this.broken('a term never falls', node, replica);
    if (commit > lastIndex) this.broken('the log reaches the commit index', node, replica);
    if (commit < seen.commit) this.broken('a commit index never falls', node, replica);
    if (applied < seen.applied) this.broken('applied never falls', node, replica);
    if (applied > commit) this.broken('only what is committed is applied', node, replica);
    if (lastIndex !== seen.last || term !== seen.term) this.lookAtLog(node, replica, seen);
    if (commit > seen.commit) this.lookAtCommit(node, replica, seen.commit);
    if (applied > seen.applied) this.lookAtApplied(node, replica);
    this.lookAtDurable(node, replica, seen);
    const leads = raft.role === 'leader';
    if (leads && seen.leads && term === seen.term && commit > seen.commit)
      this.lookAtOwnTerm(node, replica);
    if (leads && (!seen.leads || term !== seen.term)) this.lookAtLeader(node, replica);
    if (leads) this.others.leaders.look(node, replica);
    seen.term = term;
    seen.commit = commit;
    seen.applied = applied;
    seen.last = lastIndex;
    seen.leads = leads;
  }

  /** Log matching: entries of one index and term are the same, and so is everything before them. */
  private lookAtLog(node: SeenNode, { raft, partition }: SeenReplica, seen: Seen): void {
    const { chains } = this.of(partition);
    const from = Math.min(seen.last, raft.lastIndex - 1) + 1;
    for (let index = Math.max(1, from); index <= raft.lastIndex; index += 1) {
      const entry = raft.entry(index);
      if (entry === null) continue;
      const place = `${index} ${entry.term}`;
      const chain = hex(entry.chain);
      const known = chains.get(place);
      if (known === undefined) chains.set(place, chain);
      else if (known !== chain) {
        this.world.break(
          'log matching',
          `${nameOf(node, partition)}: entry ${index} of term ${entry.term} differs`,
        );
      }
    }
  }

  /** Also where it was truncated and another entry has taken its place. */
  private lookAtDurable(node: SeenNode, { raft, partition }: SeenReplica, seen: Seen): void {
    const { durableIndex } = raft;
    const chain = raft.chainAt(durableIndex);
    if (chain === seen.durable) return;
    seen.durable = chain;
    if (chain === null || durableIndex === 0 || node.disk.damaged) return;
    const stored = storedEntry(node, partition, durableIndex);
    if (stored !== undefined && entryChainOf(stored).equals(chain)) return;
    const detail = `${nameOf(node, partition)}: takes entry ${durableIndex} for durable`;
    this.world.break('what a replica takes for durable is on its disk', detail);
  }

  /** What is applied could not be taken back by a crash. */
  private lookAtApplied(node: SeenNode, { raft, partition }: SeenReplica): void {
    const { applied } = raft;
    const { id } = node;
    this.appliedEver[id] ??= [];
    const ever = this.appliedEver[id];
    ever[partition] = Math.max(applied, ever[partition] ?? 0);
    if (node.disk.damaged) return;
    const stored = storedEntry(node, partition, applied);
    const chain = raft.chainAt(applied);
    if (stored !== undefined && (chain === null || entryChainOf(stored).equals(chain))) return;
    const detail = `${nameOf(node, partition)}: entry ${applied} is applied and not on its disk`;
    this.world.break('what is applied is on the own disk', detail);
  }

  /** Thesis 3.6.2. */
  private lookAtOwnTerm(node: SeenNode, { raft, partition }: SeenReplica): void {
    const { commit, term } = raft;
    const of = raft.entry(commit)?.term ?? raft.termsUpTo(commit).at(-1)?.term;
    if (of === term) return;
    const who = nameOf(node, partition);
    const detail = `${who}: commits entry ${commit} of term ${of} as leader of term ${term}`;
    this.world.break('a leader commits by entries of its own term', detail);
  }

  private lookAtCommit(node: SeenNode, replica: SeenReplica, from: number): void {
    const { raft, partition } = replica;
    const { committed, commitIn } = this.of(partition);
    for (let index = from + 1; index <= raft.commit; index += 1) {
      const chain = raft.chainAt(index);
      if (chain === null) continue;
      const known = committed[index];
      if (known === undefined) committed[index] = hex(chain);
      else if (known !== hex(chain)) {
        const detail = `${nameOf(node, partition)}: entry ${index} is committed here, another one elsewhere`;
        this.world.break('state machine safety', detail);
      }
    }
    const known = commitIn.get(raft.term) ?? 0;
    if (raft.commit <= known) return;
    commitIn.set(raft.term, raft.commit);
    this.lookAtDisks(node, replica);
  }

  /** What is committed is on the disks of a majority. */
  private lookAtDisks(node: SeenNode, { raft, partition }: SeenReplica): void {
    const index = raft.commit;
    const chain = raft.chainAt(index);
    if (chain === null) return;
    const have = this.nodes.filter((each) => {
      const stored = storedEntry(each, partition, index);
      return each.disk.damaged || (stored !== undefined && entryChainOf(stored).equals(chain));
    });
    if (have.length * 2 > node.config.nodes.size) return;
    const on = have.map(({ name }) => name).join(', ') || 'no node';
    const who = nameOf(node, partition);
    const detail = `${who}: entry ${index} is committed, and on the disk of ${on}`;
    this.world.break('what is committed is durable on a majority', detail);
  }

  private lookAtLeader(node: SeenNode, replica: SeenReplica): void {
    const { raft, partition } = replica;
    const who = nameOf(node, partition);
    const { leaders, commitIn, committed } = this.of(partition);
    const other = leaders.get(raft.term);
    if (other !== undefined && other !== node.name) {
      const detail = `${who}: leads term ${raft.term}, which ${other} led`;
      this.world.break('one leader a term', detail);
    }
    leaders.set(raft.term, node.name);
    for (const [term, index] of commitIn) {
      if (term >= raft.term) continue;
      const chain = raft.chainAt(index);
      const isThere = chain === null ? index <= raft.applied : hex(chain) === committed[index];
      if (isThere) continue;
      const detail = `${who}: leads term ${raft.term} without entry ${index}, committed in term ${term}`;
      this.world.break('a leader has all that is committed', detail);
    }
    this.others.votes.elected(node, replica);
    this.others.leaders.elected(node, replica);
  }

  private of(partition: number): Partition {
    let found = this.partitions[partition];
    if (found === undefined) {
      found = { leaders: new Map(), committed: [], commitIn: new Map(), chains: new Map() };
      this.partitions[partition] = found;
    }
    return found;
  }

  private broken(rule: string, node: SeenNode, { raft, partition }: SeenReplica): void {
    const facts = `term ${raft.term}, commit ${raft.commit}, applied ${raft.applied}`;
    this.world.break(rule, `${nameOf(node, partition)}: ${facts}`);
  }
}

function firstSight(incarnation: number, { raft }: SeenReplica): Seen {
  const { term, applied } = raft;
  return { incarnation, term, commit: 0, applied, last: 0, leads: false, durable: null };
}

function nameOf(node: SeenNode, partition: number): string {
  return `${node.name}, partition ${partition}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
