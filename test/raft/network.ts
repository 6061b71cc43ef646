// A deterministic network of replicas: a seed, a fake clock, messages that wait until they are
// delivered, and links that can be cut. Also makes a lone replica leader or follower by hand.

import { assert } from '../../src/assert.ts';
import { foundingMembership, type MemberChange, membersOf } from '../../src/raft/membership.ts';
import { EntryKind, type RaftConfig, type ReplicaId, type Snapshot } from '../../src/raft/types.ts';
import { type Message, ofType, Replica, type ReplicaOptions, seeded } from './replica.ts';

/** More than any exchange in these tests needs; only an endless one gets here. */
const SETTLE_ROUNDS_MAX = 5000;

export interface NetworkOptions {
  /** Founding voters. */
  readonly size?: number;
  /** Replicas after those, that the founding membership does not know. */
  readonly spares?: number;
  readonly seed?: number;
  readonly config?: Partial<RaftConfig>;
  /** Per replica, in order: the terms of the entries it starts with. */
  readonly logs?: readonly (readonly number[])[];
  readonly preferred?: ReplicaId;
}

export class Network {
  readonly replicas: readonly Replica[];
  readonly random: () => number;
  messages: Message[] = [];
  nowMs = 0;
  readonly #cut = new Set<string>();
  /** What is sent in place of a snapshot. */
  alterSnapshot: (snapshot: Snapshot) => Snapshot = (snapshot) => snapshot;
  /** Messages for which this is true are lost. */
  drops: (message: Message) => boolean = () => false;

  constructor(given: NetworkOptions = {}) {
    const { size = 3, spares = 0, seed = 1, config = {}, logs = [], preferred } = given;
    this.random = seeded(seed);
    const ids = Array.from({ length: size + spares }, (_, at) => at + 1);
    const membership = foundingMembership(ids.slice(0, size));
    this.replicas = ids.map((id, at) => {
      const options: ReplicaOptions = {
        id,
        membership,
        config,
        random: this.random,
        terms: logs[at] ?? [],
        preferred: id === preferred,
      };
      return new Replica(options);
    });
  }

  at(id: ReplicaId): Replica {
    const replica = this.replicas[id - 1];
    assert(replica !== undefined, 'the replica exists');
    return replica;
  }

  get leader(): Replica | undefined {
    const leaders = this.replicas.filter(({ up, raft }) => up && raft.role === 'leader');
    return leaders.reduce<Replica | undefined>(
      (newest, one) => (newest !== undefined && newest.raft.term > one.raft.term ? newest : one),
      undefined,
    );
  }

  cut(from: ReplicaId, to: ReplicaId): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: ReplicaId): void {
    for (const other of this.replicas) {
      this.cut(id, other.id);
      this.cut(other.id, id);
    }
  }

  heal(): void {
    this.#cut.clear();
    this.drops = () => false;
  }

  /** Takes what has left `replica` into the network. */
  collect(replica: Replica): void {
    this.messages.push(...replica.collect());
  }

  deliver(message: Message): void {
    const to = this.at(message.to);
    if (this.#cut.has(`${message.from}>${message.to}`) || !to.up || this.drops(message)) return;
    to.nowMs = this.nowMs;
    to.step(message);
  }

  /** Delivers, drains and persists until nothing moves; time stands still. */
  settle(): void {
    let rounds = 0;
    for (let isMoving = true; isMoving; ) {
      rounds += 1;
      assert(rounds <= SETTLE_ROUNDS_MAX, 'the network comes to rest');
      isMoving = false;
      for (const replica of this.replicas) {
        if (!replica.up) continue;
        replica.flush();
        this.answerLoads(replica);
        this.answerSnapshots(replica);
        replica.flush();
        this.collect(replica);
      }
      const { messages } = this;
      this.messages = [];
      for (const message of messages) {
        this.deliver(message);
        isMoving = true;
      }
    }
  }

  answerLoads(replica: Replica): void {
    for (const request of replica.loads.splice(0)) {
      const entries = replica.diskEntries.slice(request.fromIndex - 1, request.toIndex);
      let bytes = 0;
      const fitting = entries.filter((entry, at) => {
        bytes += entry.payloadBytes;
        return at === 0 || bytes <= request.bytesMax;
      });
      replica.raft.onEntriesLoaded(request, fitting, this.nowMs);
    }
  }

  /** The state reaches the follower at once. */
  answerSnapshots(replica: Replica): void {
    for (const request of replica.snapshots.splice(0)) {
      const snapshot = this.alterSnapshot(replica.snapshotAt(replica.checkpoint));
      replica.raft.onSnapshotSent(request, snapshot, this.nowMs);
    }
  }

  /** Lets time pass for all. */
  run(ms: number, stepMs = 10): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += stepMs;
      for (const replica of this.replicas) if (replica.up) replica.tickAt(this.nowMs);
      this.settle();
    }
  }

  runUntil(condition: () => boolean, maxMs: number): void {
    for (let ms = 0; !condition(); ms += 10) {
      assert(ms < maxMs, `not reached within ${maxMs} ms: ${condition.toString()}`);
      this.run(10);
    }
  }

  /** All have been silent for long, and `id` is the first to notice. */
  campaign(id: ReplicaId): void {
    this.nowMs += 1001;
    this.at(id).tickAt(this.nowMs);
    this.settle();
  }

  propose(id: ReplicaId, ...payloads: string[]): void {
    for (const payload of payloads) {
      const result = this.at(id).propose(payload);
      assert(result.ok, 'the leader takes the proposal');
    }
    this.settle();
  }

  change(id: ReplicaId, ...changes: (readonly [MemberChange['type'], ReplicaId])[]): void {
    const result = this.at(id).change(...changes);
    assert(result.ok, 'the leader takes the change');
    this.settle();
  }

  restart(id: ReplicaId): void {
    this.at(id).restart(this.nowMs);
  }

  payloads(id: ReplicaId): string[] {
    return this.at(id)
      .applied.filter(({ kind }) => kind === EntryKind.COMMANDS)
      .map(({ payload }) => payload);
  }
}

/** A lone leader: all others have granted, and hold its log up to `acked`. */
export function leaderOf(options: ReplicaOptions = {}): Replica {
  const replica = new Replica(options);
  replica.tickAt(replica.nowMs + 1001);
  for (const ask of ofType(replica.take(), 'PreVote')) {
    const { to: from, from: to, term, campaign } = ask;
    replica.step({ type: 'PreVoteReply', from, to, term, campaign, granted: true });
  }
  for (const ask of ofType(replica.take(), 'Vote')) {
    const { to: from, from: to, term, campaign } = ask;
    replica.step({ type: 'VoteReply', from, to, term, campaign, granted: true });
  }
  assert(replica.raft.role === 'leader', 'the replica has won');
  return replica;
}

/** As leaderOf, with the own term's first entry on every disk. */
export function readyLeader(options: ReplicaOptions = {}): Replica {
  const leader = leaderOf(options);
  leader.flush();
  for (const id of membersOf(leader.raft.membership)) if (id !== leader.id) ack(leader, id);
  leader.take();
  return leader;
}

/** Follower `from` acknowledges up to `match`; the whole log where none is given. */
export function ack(leader: Replica, from: ReplicaId, match = leader.raft.lastIndex): void {
  leader.step({ type: 'AppendOk', from, to: leader.id, term: leader.raft.term, match });
}

/** A lone follower of leader 1 (replica 1: of leader 2), at the leader's term. */
export function followerOf(term: number, options: ReplicaOptions = {}): Replica {
  const follower = new Replica({ id: 2, ...options });
  const from = follower.id === 1 ? 2 : 1;
  follower.step({ type: 'Heartbeat', from, to: follower.id, term, commit: 0, round: 0 });
  follower.take();
  return follower;
}
