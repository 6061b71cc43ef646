// One replica of one Raft group, without disk, wire, clock or chance: inputs change its state, and
// takeEffects() tells what has to be done (Ongaro's thesis; docs/architecture.md, "Rules of the engine").
// This file takes each input, does what is the same in every role, and hands the rest to the file of the role.

import { assert } from '../assert.ts';
import { stepCandidate, tickCandidate } from './candidate.ts';
import { type Core, type LeaderState, leaderOf, send } from './core.ts';
import { hasEffects, markPersisted, takeEffects } from './effects.ts';
import { campaignIfTold, countSelfVote, ignoresVote, onPreVote } from './election.ts';
import { onLeaderDown, stepFollower, tickFollower } from './follower.ts';
import { onOwnWrite, proposeAsLeader, stepLeader, tickLeader } from './leader.ts';
import type { Membership, MembershipChange } from './membership.ts';
import { wakeFollower, wakeLeader } from './quiesce.ts';
import { leaseUntilMs, readIndex, releaseEarlyReads } from './read-index.ts';
import { leaveWhenDone, proposeConfigAsLeader } from './reconfigure.ts';
import { onEntriesLoaded, progressOfAll } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { compacted, onSnapshotFailed, onSnapshotSent } from './snapshot.ts';
import { createCore } from './start.ts';
import { isTransferring, startTransfer } from './transfer.ts';
import type {
  Draft,
  Effects,
  Entry,
  FollowerView,
  LoadRequest,
  ProposeConfigResult,
  ProposeResult,
  Raft,
  RaftMessage,
  RaftOptions,
  ReplicaId,
  ReplicaProgress,
  Role,
  Snapshot,
  SnapshotRequest,
  TermRun,
  TransferResult,
} from './types.ts';

export function createRaft<P>(options: RaftOptions<P>): Raft<P> {
  return new RaftReplica(createCore(options));
}

const NOT_LEADER = { ok: false, reason: 'not-leader' } as const;

class RaftReplica<P> implements Raft<P> {
  readonly #core: Core<P>;
  /** Stays set when an assertion fails: a replica with a broken promise is not used any further. */
  #busy = false;

  constructor(core: Core<P>) {
    this.#core = core;
  }

  step(message: RaftMessage<P>, nowMs: number): void {
    this.#enter(nowMs);
    step(this.#core, message);
    this.#leave();
  }

  tick(nowMs: number): void {
    this.#enter(nowMs);
    const { state } = this.#core;
    if (state.role === 'leader') tickLeader(this.#core, state);
    else if (state.role === 'follower') tickFollower(this.#core, state);
    else tickCandidate(this.#core, state);
    this.#leave();
  }

  propose(draft: Draft<P>, nowMs: number): ProposeResult {
    return this.#asLeader(nowMs, (leader) => proposeAsLeader(this.#core, leader, draft));
  }

  proposeConfig(change: MembershipChange, nowMs: number): ProposeConfigResult {
    return this.#asLeader(nowMs, (leader) => proposeConfigAsLeader(this.#core, leader, change));
  }

  transferLeadership(to: ReplicaId, nowMs: number): TransferResult {
    return this.#asLeader(nowMs, (leader) => startTransfer(this.#core, leader, to));
  }

  readIndex(context: number, nowMs: number): void {
    this.#enter(nowMs);
    readIndex(this.#core, context);
    this.#leave();
  }

  peerDown(replica: ReplicaId, nowMs: number): void {
    this.#enter(nowMs);
    peerDown(this.#core, replica);
    this.#leave();
  }

  wake(replica: ReplicaId, heardMs: number, nowMs: number): void {
    this.#enter(nowMs);
    const { state } = this.#core;
    if (state.role === 'leader' && state.byId.has(replica)) wakeLeader(this.#core, state);
    if (state.role === 'follower' && state.leader === replica) {
      wakeFollower(this.#core, state, heardMs);
    }
    this.#leave();
  }

  takeEffects(): Effects<P> | null {
    this.#enter(this.#core.nowMs);
    const effects = takeEffects(this.#core);
    this.#leave();
    return effects;
  }

  onPersisted(appendSeq: number, nowMs: number): void {
    this.#enter(nowMs);
    markPersisted(this.#core, appendSeq);
    const { state } = this.#core;
    if (state.role === 'leader') onOwnWrite(this.#core, state);
    else countSelfVote(this.#core);
    this.#leave();
  }

  onApplied(index: number): void {
    this.#enter(this.#core.nowMs);
    markApplied(this.#core, index);
    this.#leave();
  }

  onEntriesLoaded(request: LoadRequest, entries: readonly Entry<P>[], nowMs: number): void {
    this.#enter(nowMs);
    onEntriesLoaded(this.#core, request, entries);
    this.#leave();
  }

  compacted(index: number): void {
    this.#enter(this.#core.nowMs);
    compacted(this.#core, index);
    this.#leave();
  }

  onSnapshotSent(request: SnapshotRequest, snapshot: Snapshot, nowMs: number): void {
    this.#enter(nowMs);
    onSnapshotSent(this.#core, request, snapshot);
    this.#leave();
  }

  onSnapshotFailed(request: SnapshotRequest, nowMs: number): void {
    this.#enter(nowMs);
    onSnapshotFailed(this.#core, request);
    this.#leave();
  }

  entry(index: number): Entry<P> | null {
    return this.#core.log.entryAt(index);
  }

  get hasEffects(): boolean {
    return hasEffects(this.#core);
  }

  get self(): ReplicaId {
    return this.#core.self;
  }

  get role(): Role {
    return this.#core.state.role;
  }

  get term(): number {
    return this.#core.term;
  }

  get leader(): ReplicaId {
    return leaderOf(this.#core);
  }

  get membership(): Membership {
    return this.#core.memberships.current;
  }

  get commit(): number {
    return this.#core.commit;
  }

  isCommitted(index: number, term: number): boolean {
    return index <= this.#core.commit && this.#core.log.termAt(index) === term;
  }

  get applied(): number {
    return this.#core.applied;
  }

  get lastIndex(): number {
    return this.#core.log.lastIndex;
  }

  get lastTimeMs(): number {
    return this.#core.log.tail.timeMs;
  }

  get quiesced(): boolean {
    const { state } = this.#core;
    return (state.role === 'leader' || state.role === 'follower') && state.quiesced;
  }

  get transferee(): ReplicaId {
    const { state } = this.#core;
    return state.role === 'leader' ? (state.transfer?.to ?? 0) : 0;
  }

  get transferring(): boolean {
    const { state } = this.#core;
    return state.role === 'leader' && isTransferring(state);
  }

  get durableIndex(): number {
    return this.#core.log.durableIndex;
  }

  get leaseUntilMs(): number {
    const { state } = this.#core;
    return state.role === 'leader' ? leaseUntilMs(state) : -Infinity;
  }

  follower(id: ReplicaId): FollowerView | null {
    const { state } = this.#core;
    return (state.role === 'leader' && state.byId.get(id)) || null;
  }

  get ready(): boolean {
    const { state, applied } = this.#core;
    return state.role === 'leader' && applied >= state.firstOwnIndex;
  }

  progress(): readonly ReplicaProgress[] {
    const { state } = this.#core;
    return state.role === 'leader' ? progressOfAll(this.#core, state) : [];
  }

  termsUpTo(index: number): readonly TermRun[] {
    return this.#core.log.termsUpTo(index);
  }

  chainAt(index: number): Uint8Array | null {
    return this.#core.log.chainAt(index);
  }

  #asLeader<R>(nowMs: number, work: (leader: LeaderState<P>) => R): R | typeof NOT_LEADER {
    this.#enter(nowMs);
    const { state } = this.#core;
    const result = state.role === 'leader' ? work(state) : NOT_LEADER;
    this.#leave();
    return result;
  }

  #enter(nowMs: number): void {
    assert(!this.#busy, 'no call is made within another, or after a broken rule');
    this.#busy = true;
    this.#core.nowMs = Math.max(this.#core.nowMs, nowMs);
  }

  #leave(): void {
    this.#busy = false;
  }
}

/**
 * Takes messages of replicas that the own membership does not name, as the thesis has it (4.1): here the
 * log may lag, and a leader be elected by a membership not known yet. What keeps this safe is on the
 * other side: only voters are counted, and a removed one wins no PreVote while a leader is heard (4.2.3).
 */
function step<P>(core: Core<P>, message: RaftMessage<P>): void {
  assert(message.to === core.self, 'messages are for this replica');
  assert(message.from !== core.self, 'messages are from another replica');
  if (message.from === core.deadLeader) core.deadLeader = 0;
  if (message.type === 'PreVote') {
    onPreVote(core, message);
    return;
  }
  if (message.type === 'Vote' && message.term >= core.term && ignoresVote(core, message)) return;
  // A granted PreVoteReply carries the term that was asked about, which nobody has entered.
  const isGrantedPreVote = message.type === 'PreVoteReply' && message.granted;
  if (message.term > core.term && !isGrantedPreVote) {
    becomeFollower(core, message.term, isFromLeader(message) ? message.from : 0);
  } else if (message.term < core.term) {
    answerStale(core, message);
    return;
  }
  const { state } = core;
  if (state.role === 'leader') stepLeader(core, state, message);
  else if (state.role === 'follower') stepFollower(core, state, message);
  else stepCandidate(core, state, message);
}

/** What only the leader of its term sends. */
export function isFromLeader<P>({ type }: RaftMessage<P>): boolean {
  return (
    type === 'Append' || type === 'Commit' || type === 'InstallSnapshot' || type === 'Heartbeat'
  );
}

/** One who asks in an earlier term learns the newer one; answers from an earlier term mean nothing. */
function answerStale<P>(core: Core<P>, message: RaftMessage<P>): void {
  const { self: from, term } = core;
  const to = message.from;
  if (isFromLeader(message)) {
    const nothing = { prevIndex: 0, hintIndex: 0, hintTerm: 0 };
    send(core, { type: 'AppendReject', from, to, term, ...nothing });
  } else if (message.type === 'Vote') {
    const { campaign } = message;
    send(core, { type: 'VoteReply', from, to, term, granted: false, campaign });
  }
}

function peerDown<P>(core: Core<P>, replica: ReplicaId): void {
  const { state } = core;
  if (state.role === 'leader') {
    state.byId.get(replica)?.lost();
    if (state.transfer?.to === replica) state.transfer = null;
    wakeLeader(core, state);
  } else if (replica === core.lastLeader && replica !== core.deadLeader) {
    core.deadLeader = replica;
    if (state.role === 'follower') onLeaderDown(core, state, replica);
  }
}

function markApplied<P>(core: Core<P>, index: number): void {
  assert(index >= core.applied, 'what was applied stays applied');
  assert(index <= core.outputs.committedIndex, 'only what was handed out is applied');
  core.applied = index;
  core.log.evict(index, core.config.memoryBytesMax);
  core.memberships.applied(index);
  const { state } = core;
  if (state.role === 'follower') campaignIfTold(core, state);
  if (state.role !== 'leader') return;
  if (index >= state.firstOwnIndex) releaseEarlyReads(state);
  leaveWhenDone(core, state);
}
