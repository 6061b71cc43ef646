// What must hold after every step of any history (paper, figure 3), and of reads (thesis 6.4).

import { assert } from '../../src/assert.ts';
import { EntryKind, type ReplicaId } from '../../src/raft/types.ts';
import type { Network } from './network.ts';
import type { Replica } from './replica.ts';

interface Folded {
  readonly term: number;
  readonly chain: string;
  /** No leader of a later term than this may lack it. */
  readonly knownInTerm: number;
}

export class SafetyChecker {
  readonly #network: Network;
  readonly #leaders = new Map<number, string>();
  readonly #folded = new Map<number, Folded>();
  readonly #starts = new Map<ReplicaId, number>();
  /** `folded`: the newest index. */
  readonly #seen = new Map<ReplicaId, { term: number; commit: number; folded: number }>();
  /** Per read: the highest index any replica knew committed when it was asked. */
  readonly #asked = new Map<number, number>();
  #commitMax = 0;
  #readsServed = 0;

  constructor(network: Network) {
    this.#network = network;
  }

  get readsServed(): number {
    return this.#readsServed;
  }

  get readsOpen(): number {
    return this.#asked.size;
  }

  asked(context: number): void {
    this.#asked.set(context, this.#commitMax);
  }

  /** A read dies with the process that asked. */
  restarted(replica: Replica, contexts: Iterable<number>): void {
    for (const context of contexts) this.#asked.delete(context);
    this.#starts.set(replica.id, (this.#starts.get(replica.id) ?? 0) + 1);
    this.#seen.delete(replica.id);
  }

  check(replica: Replica): void {
    this.#checkMonotone(replica);
    checkMembership(replica);
    this.#checkLeader(replica);
    this.#checkFolded(replica);
    this.#checkBoundary(replica);
    for (const other of this.#network.replicas) {
      if (other.up && other !== replica) checkLogMatching(replica, other);
    }
    this.#checkReads(replica);
  }

  #checkMonotone(replica: Replica): void {
    const { term, commit } = replica.raft;
    const seen = this.#seen.get(replica.id) ?? { term: 0, commit: 0, folded: 0 };
    assert(term >= seen.term, 'the term never falls');
    assert(commit >= seen.commit, 'the commit index never falls');
    assert(term >= replica.hardState.term, 'the term is at least the durable one');
    this.#seen.set(replica.id, { ...seen, term, commit });
    this.#commitMax = Math.max(this.#commitMax, commit);
  }

  #checkLeader(replica: Replica): void {
    const { raft, id } = replica;
    if (raft.role !== 'leader') return;
    const name = `${id}, start ${this.#starts.get(id) ?? 0}`;
    const known = this.#leaders.get(raft.term);
    if (known === undefined) this.#checkCompleteness(replica);
    assert(known === undefined || known === name, 'at most one leader a term');
    this.#leaders.set(raft.term, name);
  }

  #checkCompleteness({ raft }: Replica): void {
    for (const [index, { chain, knownInTerm }] of this.#folded) {
      if (knownInTerm >= raft.term) continue;
      assert(raft.lastIndex >= index, 'a leader has every committed entry');
      const own = raft.chainAt(index);
      assert(own === null || hex(own) === chain, 'a leader has every committed entry');
    }
  }

  #checkFolded(replica: Replica): void {
    const seen = this.#seen.get(replica.id);
    if (seen === undefined) return;
    for (const entry of replica.applied.slice(Math.max(0, seen.folded - replica.checkpoint))) {
      const known = this.#folded.get(entry.index);
      const chain = hex(entry.chain);
      const { term } = entry;
      assert(
        known === undefined || (known.term === term && known.chain === chain),
        'all replicas fold the same entry at an index',
      );
      if (known !== undefined) continue;
      this.#folded.set(entry.index, { term, chain, knownInTerm: replica.raft.term });
    }
    seen.folded = replica.checkpoint + replica.applied.length;
  }

  /** What has taken the place of a log's beginning is what others have folded there. */
  #checkBoundary({ boundary, raft, up }: Replica): void {
    if (boundary.index === 0) return;
    const folded = this.#folded.get(boundary.index);
    assert(folded?.chain === hex(boundary.chain), 'a snapshot is of what was committed');
    if (!up || raft.applied < boundary.index) return;
    assert(raft.chainAt(boundary.index - 1) === null, 'nothing below the boundary is known');
  }

  #checkReads(replica: Replica): void {
    for (const { context, index } of replica.reads.splice(0)) {
      const atLeast = this.#asked.get(context);
      assert(atLeast !== undefined, 'a read is answered once');
      this.#asked.delete(context);
      if (index === null) continue;
      assert(index >= atLeast, 'a read sees all that was committed before it was asked');
      this.#readsServed += 1;
    }
  }
}

/** The newest membership in the log decides, committed or not (thesis 4.1). */
function checkMembership({ raft }: Replica): void {
  const isConfig = (index: number) => raft.entry(index)?.kind === EntryKind.CONFIG;
  let newest = raft.lastIndex;
  while (raft.entry(newest) !== null && !isConfig(newest)) newest -= 1;
  const entry = raft.entry(newest);
  if (entry === null) return;
  assert(JSON.stringify(raft.membership) === entry.payload, 'the newest membership decides');
  if (raft.role !== 'leader') return;
  for (let index = newest - 1; index > raft.commit; index -= 1) {
    assert(!isConfig(index), 'a leader has at most one uncommitted membership');
  }
}

function checkLogMatching({ raft: one }: Replica, { raft: other }: Replica): void {
  for (let index = Math.min(one.lastIndex, other.lastIndex); index > 0; index -= 1) {
    const mine = one.entry(index);
    const theirs = other.entry(index);
    if (mine === null || theirs === null) return;
    if (mine.term !== theirs.term) continue;
    // The chain covers all entries before, so one equal link proves the whole prefix.
    assert(hex(mine.chain) === hex(theirs.chain), 'same index and term, same log up to there');
    return;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
