// One replica of a transcript, and what its shell would do: what is drained after every input waits for
// `process-ready`; with asynchronous storage, writes and folds then wait for their threads. Every node has
// a clock of its own that counts ticks, and only its own tick verbs move it.

import { assert } from '../../../src/assert.ts';
import { isVoter, type Membership } from '../../../src/raft/membership.ts';
import type {
  Entry,
  PersistStep,
  RaftConfig,
  ReplicaId,
  RoleChange,
  Snapshot,
  SnapshotRequest,
} from '../../../src/raft/types.ts';
import { type Message, Replica } from '../replica.ts';

export const HEARTBEAT_TICKS = 1;
export const ELECTION_TICKS = 3;
/** A power of two, so that a timeout asked for comes out of the core's arithmetic exactly. */
const TIMEOUT_SPREAD = 1024;
/** Longer than any timer: forgetting a leader must not hurry the campaign. */
const FORGET_DELAY_TICKS = 2 ** 20;
/** More ticks than any timer of the core waits for here. */
const CAMPAIGN_TICKS_MAX = 4096;

const timers: Partial<RaftConfig> = {
  heartbeatMs: HEARTBEAT_TICKS,
  electionTimeoutMs: ELECTION_TICKS,
  electionSpreadMs: TIMEOUT_SPREAD,
  preferredFirstTimeoutMs: 0,
  peerDownDelayMs: FORGET_DELAY_TICKS,
};

/** What a follower says to its leader. */
const answers: readonly Message['type'][] = ['AppendOk', 'AppendReject', 'HeartbeatOk'];

export interface NodeOptions {
  readonly id: ReplicaId;
  /** That the group began with, of which a new node need not be part. */
  readonly membership: Membership;
  /** It begins from a snapshot at this index; 0: with nothing at all. */
  readonly base: number;
  readonly asyncStorage: boolean;
  /** Beside the timers, which are the same in every transcript. */
  readonly config: Partial<RaftConfig>;
  /** The election timeout that the next draw is to give. */
  readonly timeoutTicks: () => number;
}

/** All that the shell has been told to do since the last `process-ready`. */
export interface Ready {
  role: RoleChange | null;
  readonly steps: PersistStep<string>[];
  restored: Snapshot | null;
  readonly committed: Entry<string>[];
  readonly messages: Message[];
  readonly snapshots: SnapshotRequest[];
}

/** What is to be folded, or taken over first. */
type ApplyWork = Pick<Ready, 'restored' | 'committed'>;

export class TranscriptNode {
  readonly id: ReplicaId;
  readonly replica: Replica;
  readonly #options: NodeOptions;
  #ready: Ready = emptyReady();
  readonly appendWork: (readonly PersistStep<string>[])[] = [];
  readonly applyWork: ApplyWork[] = [];
  #isForgetting = false;
  /** Who has answered since this node leads. */
  readonly #heard = new Set<ReplicaId>();

  constructor(options: NodeOptions) {
    this.#options = options;
    const { id, membership, base, config } = options;
    this.id = id;
    this.replica = new Replica({
      id,
      membership,
      // A hard state below the base's term would be refused as damage, so the base is of term 0.
      terms: new Array<number>(base).fill(0),
      checkpoint: base,
      boundary: base,
      config: { ...timers, ...config },
      random: () => this.#random(),
    });
    this.replica.applies = false;
  }

  get hasReady(): boolean {
    return !isEmpty(this.#ready);
  }

  hasHeard(id: ReplicaId): boolean {
    return id === this.id || this.#heard.has(id);
  }

  /** The membership that the group began with. */
  get founding(): Membership {
    return this.#options.membership;
  }

  /** The log as it is on disk. */
  get durableLog(): readonly Entry<string>[] {
    return this.replica.diskEntries.slice(this.replica.boundary.index);
  }

  get isVoter(): boolean {
    return isVoter(this.replica.raft.membership, this.id);
  }

  receive(message: Message): void {
    this.replica.step(message);
    const { role, term } = this.replica.raft;
    const isAnswer = answers.includes(message.type);
    if (isAnswer && role === 'leader' && term === message.term) this.#heard.add(message.from);
    this.settle();
  }

  tick(): void {
    this.replica.tickAt(this.replica.nowMs + 1);
    this.settle();
  }

  /** Lets this node's time pass until its patience ends. Only voters that do not lead campaign. */
  campaign(): void {
    const { raft } = this.replica;
    if (raft.role === 'leader' || !this.isVoter) return;
    let ticks = 0;
    const before = raft.term;
    const asked = this.#ready.messages.length;
    const hasAsked = (): boolean =>
      this.#ready.messages.slice(asked).some(({ type }) => type === 'PreVote');
    while (raft.term === before && !hasAsked()) {
      assert(ticks < CAMPAIGN_TICKS_MAX, 'a voter that hears no leader campaigns');
      ticks += 1;
      this.tick();
    }
  }

  /** A follower's leader is given up, as when its process is known to be dead, but without haste. */
  forgetLeader(): void {
    const { raft, nowMs } = this.replica;
    if (raft.role !== 'follower' || raft.leader === 0) return;
    this.#isForgetting = true;
    raft.peerDown(raft.leader, nowMs);
    this.#isForgetting = false;
    this.settle();
  }

  /** Everything up to `index` leaves the log; what is applied is a checkpoint wherever one is needed. */
  compact(index: number): void {
    const { replica } = this;
    replica.checkpoint += replica.applied.splice(0, index - replica.checkpoint).length;
    replica.compact(index);
    this.settle();
  }

  /** The newest state there is. */
  snapshotMessage(to: ReplicaId): Message {
    const { term, applied } = this.replica.raft;
    const snapshot = this.replica.snapshotAt(applied);
    return { type: 'InstallSnapshot', from: this.id, to, term, snapshot };
  }

  takeReady(): Ready {
    const ready = this.#ready;
    this.#ready = emptyReady();
    return ready;
  }

  /** Does what `ready` asks, or queues it; returns what leaves now. */
  process(ready: Ready): Message[] {
    const { steps, restored, committed } = ready;
    const left = [...ready.messages];
    for (const request of ready.snapshots) this.#sendState(request);
    if (this.#options.asyncStorage) {
      if (steps.length > 0) this.appendWork.push(steps);
      if (restored !== null || committed.length > 0) this.applyWork.push({ restored, committed });
      return left;
    }
    for (const step of steps) {
      left.push(...this.write(step));
      this.persisted(step.appendSeq);
    }
    this.apply({ restored, committed });
    return left;
  }

  /** It takes no time: the newest there is. */
  #sendState(request: SnapshotRequest): void {
    const { raft, nowMs } = this.replica;
    raft.onSnapshotSent(request, this.replica.snapshotAt(raft.applied), nowMs);
    this.settle();
  }

  /** Writes to disk without telling the core; returns what may leave with it. */
  write(step: PersistStep<string>): readonly Message[] {
    this.replica.write(step);
    for (const message of step.after) this.replica.assertKept(message);
    return step.after;
  }

  persisted(appendSeq: number): void {
    const { raft, nowMs } = this.replica;
    raft.onPersisted(appendSeq, nowMs);
    this.settle();
  }

  apply({ restored, committed }: ApplyWork): void {
    this.replica.restoring = restored;
    // What a snapshot on disk has overtaken is in it.
    this.replica.unapplied = committed.filter(({ index }) => index > this.replica.checkpoint);
    this.replica.apply();
    this.settle();
  }

  /** Drains the core: to be called after every input. */
  settle(): void {
    const { replica } = this;
    while (replica.drain()) {
      this.#answerLoads();
      this.#ready.role = replica.roles.splice(0).at(-1) ?? this.#ready.role;
      this.#ready.steps.push(...replica.steps.splice(0));
      this.#ready.restored = replica.restoring ?? this.#ready.restored;
      replica.restoring = null;
      this.#ready.committed.push(...replica.unapplied.splice(0));
      this.#ready.snapshots.push(...replica.snapshots.splice(0));
      this.#ready.messages.push(...replica.collect());
    }
    if (replica.raft.role !== 'leader') this.#heard.clear();
  }

  #answerLoads(): void {
    const { raft, loads, diskEntries, nowMs } = this.replica;
    for (const request of loads.splice(0)) {
      const entries = diskEntries.slice(request.fromIndex - 1, request.toIndex);
      raft.onEntriesLoaded(request, entries, nowMs);
    }
  }

  #random(): number {
    if (this.#isForgetting) return 0.5;
    return (this.#options.timeoutTicks() - ELECTION_TICKS) / TIMEOUT_SPREAD;
  }
}

function emptyReady(): Ready {
  return { role: null, steps: [], restored: null, committed: [], messages: [], snapshots: [] };
}

function isEmpty({ role, restored, ...lists }: Ready): boolean {
  const { steps, committed, messages, snapshots } = lists;
  const count = steps.length + committed.length + messages.length + snapshots.length;
  return role === null && restored === null && count === 0;
}
