// The state of one replica, as plain data that the functions of this folder work on: what every role
// has, and per role a variant of its own. Nothing here decides anything.

import { assert } from '../assert.ts';
import type { Log } from './log.ts';
import type { MembershipLog } from './membership-log.ts';
import type { Progress } from './progress.ts';
import {
  type Entry,
  EntryKind,
  type LoadRequest,
  type RaftConfig,
  type RaftMessage,
  type RaftOptions,
  type ReadState,
  type ReplicaId,
  type RoleChange,
  type Snapshot,
  type SnapshotRequest,
} from './types.ts';

/** What is handled by role, once its term is that of the replica. A PreVote changes no role. */
export type TermMessage<P> = Exclude<RaftMessage<P>, { readonly type: 'PreVote' }>;

export interface FollowerState {
  readonly role: 'follower';
  /** 0 = not known. */
  leader: ReplicaId;
  deadlineMs: number;
  /** Drawn once, so that hearing a leader needs no generator. */
  readonly timeoutMs: number;
  /** Reads that were forwarded to the leader: context -> when to give up, oldest first. */
  readonly forwarded: Map<number, number>;
  /** Asleep: the leader's process vouches for the leader. */
  quiesced: boolean;
  /** The leader's last word was to campaign, and a membership has to be applied first. */
  isTold: boolean;
}

interface Campaign {
  /** Tells replies to this campaign from those to any other, of any incarnation. */
  readonly campaign: number;
  readonly granted: Set<ReplicaId>;
  readonly refused: Set<ReplicaId>;
  readonly deadlineMs: number;
}

export interface PreCandidateState extends Campaign {
  readonly role: 'pre-candidate';
}

export interface CandidateState extends Campaign {
  readonly role: 'candidate';
  /** The step that makes the own vote durable; it counts only then. */
  readonly selfVoteSeq: number;
}

export interface PendingRead {
  readonly context: number;
  /** Who asked: this replica, or a follower. */
  readonly from: ReplicaId;
}

/** Every read in it waits for the same round, and was taken in at or before `index` was committed. */
export interface ReadBatch {
  readonly round: number;
  readonly index: number;
  readonly reads: readonly PendingRead[];
}

export interface LeaderReads {
  /** Asked before an entry of the own term was applied. */
  early: PendingRead[];
  /** Taken in; they join the round that the next drain begins. */
  fresh: PendingRead[];
  /** Begun and not confirmed yet, oldest first. */
  batches: ReadBatch[];
  /** The newest round begun. */
  round: number;
  /** With a lease: when the rounds not confirmed yet began, oldest first. */
  begun: { readonly round: number; readonly atMs: number }[];
  /** Reads need no round before this. */
  leaseUntilMs: number;
}

export interface Transfer {
  readonly to: ReplicaId;
  /** Proposals are taken until the transferee has this much: it is the end of the log at the start. */
  readonly catchUpIndex: number;
  readonly deadlineMs: number;
}

export interface LeaderState<P> {
  readonly role: 'leader';
  /** The empty entry that begins the own term. */
  readonly firstOwnIndex: number;
  /** All members but itself, learners too. */
  followers: readonly Progress<P>[];
  byId: ReadonlyMap<ReplicaId, Progress<P>>;
  heartbeatDueMs: number;
  uncommittedBytes: number;
  readonly reads: LeaderReads;
  transfer: Transfer | null;
  /** While others commit more than is durable here: how far that is, since when it has not moved, and seen by how many ticks. */
  readonly ownDisk: { durableIndex: number; sinceMs: number; ticks: number };
  /** No voter (any more): it leads only until its log is committed and folded here, and takes no proposals. */
  leaving: boolean;
  /** When there was work last. */
  activeMs: number;
  /** Followers that agreed to fall silent. */
  readonly agreed: Set<ReplicaId>;
  quiesced: boolean;
  /** A transferee was told to campaign: it may win at any time in this term, so that no lease holds. */
  timeoutNowSent: boolean;
  /** Reused by each quorum computation. */
  readonly scratch: number[];
}

export type RoleState<P> = FollowerState | PreCandidateState | CandidateState | LeaderState<P>;

/** What the next drain hands out, and what has been promised to leave later. */
export interface Outputs<P> {
  send: RaftMessage<P>[];
  /** Promises: they leave once everything that was to be written when they were made is durable. */
  gated: RaftMessage<P>[];
  /** Promises that wait for a step which was handed out before they were made, in order. */
  delayed: { readonly appendSeq: number; readonly message: RaftMessage<P> }[];
  reads: ReadState[];
  loads: LoadRequest[];
  snapshots: SnapshotRequest[];
  /** Installed, and not told yet that it is durable. */
  restoring: Snapshot | null;
  /** The number of the step that the next drain may hand out. */
  nextSeq: number;
  persistedSeq: number;
  hardStateChanged: boolean;
  commitWritten: number;
  /** The newest entry handed out as committed. */
  committedIndex: number;
  roleTold: RoleChange;
}

export interface Core<P> {
  readonly self: ReplicaId;
  readonly config: RaftConfig;
  readonly random: () => number;
  readonly chain: RaftOptions<P>['chain'];
  readonly emptyPayload: () => P;
  readonly membershipPayload: RaftOptions<P>['membershipPayload'];
  readonly readMembership: RaftOptions<P>['readMembership'];
  readonly log: Log<P>;
  /** Changes with the log (appendToLog, truncateLog, restoreLog), and drops what a newer one that is applied has replaced. */
  readonly memberships: MembershipLog;
  readonly outputs: Outputs<P>;
  term: number;
  /** 0 = none in this term. */
  votedFor: ReplicaId;
  commit: number;
  applied: number;
  /** As of the newest input that told the time. */
  nowMs: number;
  state: RoleState<P>;
  /** When a leader was last heard, also after it was forgotten. */
  leaderHeardMs: number;
  /** The newest leader ever recognised, also after it was forgotten. 0 = none. */
  lastLeader: ReplicaId;
  /** The last leader, where its process is known to be dead and no other leads yet. 0 = none. */
  deadLeader: ReplicaId;
  /** The number of the newest campaign, drawn anew at each start. */
  campaign: number;
  /** When the newest campaigns against a dead leader were planned for, oldest first. */
  readonly hurriedMs: number[];
}

export function leaderOf<P>(core: Core<P>): ReplicaId {
  switch (core.state.role) {
    case 'leader':
      return core.self;
    case 'follower':
      return core.state.leader;
    case 'pre-candidate':
    case 'candidate':
      return 0;
  }
}

export function send<P>(core: Core<P>, message: RaftMessage<P>): void {
  core.outputs.send.push(message);
}

/** Lets a promise leave once all that it rests on is durable. */
export function sendWhenDurable<P>(core: Core<P>, message: RaftMessage<P>): void {
  core.outputs.gated.push(message);
}

/** Everything up to `match` is the leader's log, and leaves as that once it is durable. */
export function acknowledge<P>(core: Core<P>, leader: ReplicaId, match: number): void {
  const { self: from, term, outputs } = core;
  const newest = outputs.gated.at(-1);
  // Of several acknowledgements that leave together the highest says it all.
  if (newest?.type === 'AppendOk' && newest.to === leader) {
    if (newest.match >= match) return;
    outputs.gated.pop();
  }
  sendWhenDurable(core, { type: 'AppendOk', from, to: leader, term, match });
}

/** Appends to the log; the step that the next drain hands out writes it. */
export function appendToLog<P>(core: Core<P>, entry: Entry<P>): void {
  core.log.append(entry, core.outputs.nextSeq);
  if (entry.kind !== EntryKind.CONFIG) return;
  core.memberships.append(entry.index, core.readMembership(entry.payload));
}

/** Cuts off `index` and all above it, and the memberships that stood there. */
export function truncateLog<P>(core: Core<P>, index: number): void {
  core.log.truncateFrom(index);
  core.memberships.truncateFrom(index);
}

/** The snapshot takes the place of the log, and of all that was committed; the next step writes it. */
export function restoreLog<P>(core: Core<P>, snapshot: Snapshot): void {
  const { log, memberships, outputs } = core;
  assert(snapshot.index > core.commit, 'nothing committed here is replaced');
  log.restore(snapshot, outputs.nextSeq);
  memberships.restore(snapshot.index, snapshot.membership);
  core.commit = snapshot.index;
  outputs.committedIndex = snapshot.index;
  outputs.restoring = snapshot;
}
