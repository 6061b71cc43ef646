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
  readonly base: number;
  /** A new node has nothing at all, and gets even the base as entries: there are no snapshots yet. */
  readonly isBlank: boolean;
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
  readonly committed: Entry<string>[];
  readonly messages: Message[];
}

export class TranscriptNode {
  readonly id: ReplicaId;
  readonly replica: Replica;
  readonly #options: NodeOptions;
  #ready: Ready = emptyReady();
  readonly appendWork: (readonly PersistStep<string>[])[] = [];
  readonly applyWork: (readonly Entry<string>[])[] = [];
  #isForgetting = false;
  /** Who has answered since this node leads. */
  readonly #heard = new Set<ReplicaId>();

  constructor(options: NodeOptions) {
    this.#options = options;
    const { id, membership, base, isBlank, config } = options;
    const index = isBlank ? 0 : base;
    this.id = id;
    this.replica = new Replica({
      id,
      membership,
      // A hard state below the base's term would be refused as damage, so the base is of term 0.
      terms: new Array<number>(index).fill(0),
      checkpoint: index,
      config: { ...timers, ...config },
      random: () => this.#random(),
    });
    this.replica.applies = false;
  }

  get hasReady(): boolean {
    const { role, steps, committed, messages } = this.#ready;
    return role !== null || steps.length + committed.length + messages.length > 0;
  }

  hasHeard(id: ReplicaId): boolean {
    return id === this.id || this.#heard.has(id);
  }

  /** The membership that the group began with. */
  get founding(): Membership {
    return this.#options.membership;
  }

  /** The index that the group began with. */
  get base(): number {
    return this.#options.base;
  }

  /** What is on disk, from the base on. */
  get durableLog(): readonly Entry<string>[] {
    return this.replica.diskEntries.slice(this.base);
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

  takeReady(): Ready {
    const ready = this.#ready;
    this.#ready = emptyReady();
    return ready;
  }

  /** Does what `ready` asks, or queues it; returns what leaves now. */
  process(ready: Ready): Message[] {
    const { steps, committed } = ready;
    const left = [...ready.messages];
    if (this.#options.asyncStorage) {
      if (steps.length > 0) this.appendWork.push(steps);
      if (committed.length > 0) this.applyWork.push(committed);
      return left;
    }
    for (const step of steps) {
      left.push(...this.write(step));
      this.persisted(step.appendSeq);
    }
    this.apply(committed);
    return left;
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

  apply(entries: readonly Entry<string>[]): void {
    this.replica.unapplied = [...entries];
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
      this.#ready.committed.push(...replica.unapplied.splice(0));
      this.#ready.messages.push(...replica.collect());
    }
    if (replica.raft.role !== 'leader') this.#heard.clear();
  }

  /** The base is not in memory. */
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
  return { role: null, steps: [], committed: [], messages: [] };
}
