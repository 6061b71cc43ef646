// What goes into and comes out of the consensus core: plain data. P is the payload of an entry, which
// the core carries and never looks into.

import type { Membership, MembershipChange, MembershipRefusal, ReplicaId } from './membership.ts';

export type { ReplicaId } from './membership.ts';

export const EntryKind = { EMPTY: 0, COMMANDS: 1, CHECKPOINT: 2, CONFIG: 3 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

export interface Draft<P> {
  readonly kind: EntryKind;
  /** Log time, ms since 1970; never below that of the entry before. */
  readonly timeMs: number;
  readonly payload: P;
  readonly payloadBytes: number;
}

export interface Entry<P> extends Draft<P> {
  readonly index: number;
  readonly term: number;
  /** Links to the chain of the entry before; computed by the function given at construction. */
  readonly chain: Uint8Array;
}

/** Entries from `firstIndex` on, up to the next run, are of `term`. */
export interface TermRun {
  readonly firstIndex: number;
  readonly term: number;
}

export interface HardState {
  readonly term: number;
  /** 0 = none in this term. */
  readonly votedFor: ReplicaId;
  /** A hint: at a start it is clamped to what the log and the checkpoint say (rule 5). */
  readonly commit: number;
}

/** What of an entry its successor and the next chain link need. */
export interface LogTail {
  readonly index: number;
  readonly term: number;
  readonly chain: Uint8Array;
  readonly timeMs: number;
}

/** The log as storage holds it at a start: everything up to `base` is known only by its terms. */
export interface StoredLog<P> {
  /** The newest entry below `entries`: the checkpoint's, or index 0, term 0 with the founding chain. */
  readonly base: LogTail;
  /** Entries up to this one are no longer in the log, and cannot be loaded; at or below `base`. 0 = none. */
  readonly boundary: number;
  /** The terms of all entries from the boundary's up to `base`, ascending. */
  readonly terms: readonly TermRun[];
  /** Contiguous from base.index + 1, all durable. */
  readonly entries: readonly Entry<P>[];
}

/**
 * What the state after the entry at `index` is called by: the state itself moves outside of the core. Its
 * membership is the one that decided there, or the founding one where no entry up to it has another.
 */
export interface Snapshot extends LogTail {
  readonly membership: Membership;
}

export interface RecoveredLog<P> extends StoredLog<P> {
  readonly base: Snapshot;
}

interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly term: number;
}
/** Asks whether a campaign at `term` (one above the sender's) could win; changes nothing anywhere. */
export interface PreVote extends Envelope {
  readonly type: 'PreVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Echoed, so that a reply to an earlier campaign, or incarnation, is not counted. */
  readonly campaign: number;
}
export interface PreVoteReply extends Envelope {
  readonly type: 'PreVoteReply';
  readonly granted: boolean;
  readonly campaign: number;
}
export interface Vote extends Envelope {
  readonly type: 'Vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly campaign: number;
  /** The leader itself asked for this campaign: it is no reason to refuse that the leader lives. */
  readonly transfer: boolean;
}
export interface VoteReply extends Envelope {
  readonly type: 'VoteReply';
  readonly granted: boolean;
  readonly campaign: number;
}
export interface Append<P> extends Envelope {
  readonly type: 'Append';
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry<P>[];
  readonly commit: number;
}
/**
 * In place of an Append without entries that would only tell of a commit, to one who is being replicated to:
 * nothing acknowledges it. Where the entry does not fit, it is rejected as that Append would be.
 */
export interface Commit extends Envelope {
  readonly type: 'Commit';
  /** The newest entry sent: a log that has it is the leader's up to there. */
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
}
/** Everything up to `match` equals the leader's log and is durable at the sender. */
export interface AppendOk extends Envelope {
  readonly type: 'AppendOk';
  readonly match: number;
}
export interface AppendReject extends Envelope {
  readonly type: 'AppendReject';
  /** prevIndex of the Append, or Commit, that did not match. */
  readonly prevIndex: number;
  /** The newest place at which the logs may agree, as the follower sees it (one probe per term). */
  readonly hintIndex: number;
  readonly hintTerm: number;
}
/** In place of the entries up to the snapshot's, which the leader's log no longer has (thesis 5.3). */
export interface InstallSnapshot extends Envelope {
  readonly type: 'InstallSnapshot';
  /** Its state has reached the receiver before this message: a shell steps no other. */
  readonly snapshot: Snapshot;
}
export interface Heartbeat extends Envelope {
  readonly type: 'Heartbeat';
  /** min(the leader's commit, what it knows to match at the receiver). */
  readonly commit: number;
  /** The round that an answer confirms; each broadcast of heartbeats begins one, and they rise in a term. */
  readonly round: number;
}
export interface HeartbeatOk extends Envelope {
  readonly type: 'HeartbeatOk';
  readonly round: number;
}
/** Asks to fall silent: the whole log, up to `index`, is committed and everywhere. */
export interface Quiesce extends Envelope {
  readonly type: 'Quiesce';
  readonly index: number;
  readonly lastTerm: number;
}
export interface QuiesceOk extends Envelope {
  readonly type: 'QuiesceOk';
  readonly index: number;
}
/** Tells the one that leadership is transferred to, whose log is complete, to campaign at once. */
export interface TimeoutNow extends Envelope {
  readonly type: 'TimeoutNow';
}
/** A follower's read: asks the leader for an index to wait for. */
export interface ReadIndex extends Envelope {
  readonly type: 'ReadIndex';
  readonly context: number;
}
/** `index` is null where the asked one is not (or no longer) a leader that can tell. */
export interface ReadIndexReply extends Envelope {
  readonly type: 'ReadIndexReply';
  readonly context: number;
  readonly index: number | null;
}

export type RaftMessage<P> =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append<P>
  | Commit
  | AppendOk
  | AppendReject
  | InstallSnapshot
  | Heartbeat
  | HeartbeatOk
  | Quiesce
  | QuiesceOk
  | TimeoutNow
  | ReadIndex
  | ReadIndexReply;

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** One durable step. Steps complete in the order of `appendSeq`. */
export interface PersistStep<P> {
  readonly appendSeq: number;
  readonly hardState: HardState | null;
  /** Takes the place of the whole log and all rows; `entries` follow it, and nothing is truncated. */
  readonly snapshot: Snapshot | null;
  /** Entries from here to `truncateTo` are to be removed, in the same batch as `entries` is written. */
  readonly truncateFrom: number | null;
  readonly truncateTo: number;
  readonly entries: readonly Entry<P>[];
  /** May leave only once this step is durable. */
  readonly after: readonly RaftMessage<P>[];
}

/** A read asked for with `context` may be served once the replica has applied `index`; null: ask again. */
export interface ReadState {
  readonly context: number;
  readonly index: number | null;
}

/** A follower needs entries that are no longer in memory: load them and call onEntriesLoaded. */
export interface LoadRequest {
  readonly to: ReplicaId;
  readonly fromIndex: number;
  readonly toIndex: number;
  readonly bytesMax: number;
}

/**
 * A follower needs entries that the log no longer has: give it a state of at least `index`, and call
 * onSnapshotSent once that is there, or onSnapshotFailed, with this very object.
 */
export interface SnapshotRequest {
  readonly to: ReplicaId;
  readonly index: number;
}

export interface RoleChange {
  readonly role: Role;
  readonly term: number;
  /** 0 = not known. */
  readonly leader: ReplicaId;
}

/** What the shell has to do, drained by takeEffects(). */
export interface Effects<P> {
  /** May leave now. */
  readonly send: readonly RaftMessage<P>[];
  readonly persist: PersistStep<P> | null;
  /**
   * Durable in place of all before it: take over its rows and call onApplied(index), before `committed` is
   * folded. What was committed earlier and is not folded yet is in it.
   */
  readonly restored: Snapshot | null;
  /** Committed and locally durable, in order, each once: fold them, then call onApplied. */
  readonly committed: readonly Entry<P>[];
  readonly reads: readonly ReadState[];
  /** Set where role, term or leader changed since the last drain. */
  readonly role: RoleChange | null;
  readonly loads: readonly LoadRequest[];
  readonly snapshots: readonly SnapshotRequest[];
}

export interface RaftConfig {
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  /** A timeout is electionTimeoutMs + random 0..electionSpreadMs. */
  readonly electionSpreadMs: number;
  /** A campaign first asks whether it could win (thesis 9.6). */
  readonly preVote: boolean;
  /** A leader that no majority answered for electionTimeoutMs steps down; a live one is not voted out. */
  readonly checkQuorum: boolean;
  /**
   * A leader answers reads alone for 0.9 * electionTimeoutMs after a majority answered it (thesis 6.4.1):
   * right only where clocks run at about the same rate, and only if every replica has it on. Needs
   * checkQuorum.
   */
  readonly lease: boolean;
  /** A group at rest for as long falls silent; Infinity = never: then nobody has to call wake(). */
  readonly quiesceAfterMs: number;
  /** The first timeout of a preferred leader after a start is random 0..preferredFirstTimeoutMs. */
  readonly preferredFirstTimeoutMs: number;
  /** After peerDown of the leader: PreVote within this, survivors one after the other. */
  readonly peerDownDelayMs: number;
  readonly appendBytesMax: number;
  readonly inflightAppendsMax: number;
  readonly inflightBytesMax: number;
  /** proposals beyond this many bytes not yet committed are refused. */
  readonly uncommittedBytesMax: number;
  /** Entries that are applied, durable and beyond this many bytes leave memory, oldest first. */
  readonly memoryBytesMax: number;
}

export interface RaftOptions<P> {
  readonly self: ReplicaId;
  readonly preferred: boolean;
  readonly hardState: HardState;
  readonly log: RecoveredLog<P>;
  /** The checkpoint's index: everything up to it is applied, and so committed. */
  readonly applied: number;
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly chain: (previous: Uint8Array, entry: Omit<Entry<P>, 'chain'>) => Uint8Array;
  /** For the entry a new leader appends. */
  readonly emptyPayload: () => P;
  /** For a CONFIG entry, and what such an entry says; the second undoes the first. */
  readonly membershipPayload: (
    membership: Membership,
  ) => Pick<Draft<P>, 'payload' | 'payloadBytes'>;
  readonly readMembership: (payload: P) => Membership;
  readonly config: RaftConfig;
}

export type ProposeResult =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | {
      readonly ok: false;
      readonly reason: 'not-leader' | 'too-much-uncommitted' | 'transferring';
    };

export type TransferResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'not-leader' | 'not-a-voter' | 'transferring' };

export type ProposeConfigResult =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | {
      readonly ok: false;
      readonly reason:
        | 'not-leader'
        /** No entry of the leader's own term is committed yet. */
        | 'own-term-uncommitted'
        /** The membership before is not committed yet. */
        | 'config-uncommitted'
        | 'transferring'
        | MembershipRefusal;
    };

/** How far a leader knows one replica's log to be, its own included. */
export interface ReplicaProgress {
  readonly id: ReplicaId;
  readonly learner: boolean;
  readonly match: number;
  readonly next: number;
  readonly mode: 'probe' | 'replicate' | 'snapshot';
  /** Nothing more is sent until something is answered. */
  readonly paused: boolean;
  /** Appends sent and not acknowledged. */
  readonly inflight: number;
  /** The index of the snapshot that is on its way; until that is known, the least it may have. 0 = none. */
  readonly pendingSnapshot: number;
}

/** What a leader knows of one follower. */
export interface FollowerView {
  /** What it has on disk. */
  readonly match: number;
  /** What is sent to it next. */
  readonly next: number;
  /** It is not known yet where the logs agree. */
  readonly probing: boolean;
  /** The newest read round that it answered. */
  readonly round: number;
  readonly heardMs: number;
}

/** One replica of one Raft group. Synchronous; every call may create effects. */
export interface Raft<P> {
  step(message: RaftMessage<P>, nowMs: number): void;
  tick(nowMs: number): void;
  /** Appends to the leader's log at once; it is sent and persisted by the next effects. */
  propose(draft: Draft<P>, nowMs: number): ProposeResult;
  /** Appends the changed membership, which decides at once. */
  proposeConfig(change: MembershipChange, nowMs: number): ProposeConfigResult;
  /**
   * Hands leadership to `to` (thesis 3.10): the end is a role change, or `transferee` being 0 again while
   * this replica still leads. To itself: ends a transfer under way, where that is still possible.
   */
  transferLeadership(to: ReplicaId, nowMs: number): TransferResult;
  /** Ends with exactly one ReadState of this context; contexts are never used twice. */
  readIndex(context: number, nowMs: number): void;
  /** The process of that replica is known to be dead (stream ended AND a new connect was refused). */
  peerDown(replica: ReplicaId, nowMs: number): void;
  /**
   * Ends quiescence: the process of `replica` has not been heard since `heardMs`, or has come or gone.
   * A leader asleep asks all, a follower asleep waits no longer for a leader that is `replica`.
   */
  wake(replica: ReplicaId, heardMs: number, nowMs: number): void;
  /** Everything since the last call, or null where there is nothing. */
  takeEffects(): Effects<P> | null;
  /** False: takeEffects would return null. */
  readonly hasEffects: boolean;
  onPersisted(appendSeq: number, nowMs: number): void;
  onApplied(index: number): void;
  /** Contiguous from request.fromIndex; empty: they could not be read. */
  onEntriesLoaded(request: LoadRequest, entries: readonly Entry<P>[], nowMs: number): void;
  /**
   * Entries up to `index` are leaving the log: only an applied one, at or below the checkpoint. Nobody
   * gets them any more; a load that was asked for before may be answered with none.
   */
  compacted(index: number): void;
  /** The state of `snapshot`, of the own log, is at the follower; a report that came too late does nothing. */
  onSnapshotSent(request: SnapshotRequest, snapshot: Snapshot, nowMs: number): void;
  onSnapshotFailed(request: SnapshotRequest, nowMs: number): void;
  /** null where it is not in memory. */
  entry(index: number): Entry<P> | null;

  readonly self: ReplicaId;
  readonly role: Role;
  readonly term: number;
  /** 0 = not known. */
  readonly leader: ReplicaId;
  /** The newest in the log, committed or not. */
  readonly membership: Membership;
  readonly commit: number;
  /** False also where it is not known yet; a leader may know it before the entry is durable here. */
  isCommitted(index: number, term: number): boolean;
  readonly applied: number;
  readonly lastIndex: number;
  /** Asleep: it needs no tick. */
  readonly quiesced: boolean;
  /** To whom leadership is being transferred; 0 = to nobody. */
  readonly transferee: ReplicaId;
  /** A transfer is at the point where proposals have to wait for its end. */
  readonly transferring: boolean;
  /** The newest entry that is on the own disk. */
  readonly durableIndex: number;
  /** A leader answers reads without a round before this. */
  readonly leaseUntilMs: number;
  /** A leader's, of this follower; null = no such. */
  follower(id: ReplicaId): FollowerView | null;
  /** Log time of the newest entry. */
  readonly lastTimeMs: number;
  /** A leader that has applied an entry of its own term: it may sequence, and its reads can be confirmed. */
  readonly ready: boolean;
  /** Of every member, by rising id; empty where this one does not lead. */
  progress(): readonly ReplicaProgress[];
  /** The term runs of the log from its boundary up to `index`, for a checkpoint. */
  termsUpTo(index: number): readonly TermRun[];
  chainAt(index: number): Uint8Array | null;
}
