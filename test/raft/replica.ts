// One replica under test with a disk that persists when told to, and forgets at a crash what it was not
// told to persist. Whatever leaves is checked against the disk at once: a promise that does not rest on
// something durable fails the test that provoked it.

import { assert } from '../../src/assert.ts';
import { defaultRaftConfig } from '../../src/raft/config.ts';
import {
  foundingMembership,
  type MemberChange,
  type Membership,
  type MembershipChange,
} from '../../src/raft/membership.ts';
import { createRaft } from '../../src/raft/raft.ts';
import {
  type Draft,
  type Entry,
  EntryKind,
  type HardState,
  type LoadRequest,
  type LogTail,
  type PersistStep,
  type ProposeConfigResult,
  type ProposeResult,
  type Raft,
  type RaftConfig,
  type RaftMessage,
  type RaftOptions,
  type ReadState,
  type RecoveredLog,
  type ReplicaId,
  type RoleChange,
  type Snapshot,
  type SnapshotRequest,
  type TermRun,
} from '../../src/raft/types.ts';

export type Message = RaftMessage<string>;
export type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

/** A small generator with a seed (mulberry32), in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** FNV-1a over the chain before and what the entry says. */
export function testChain(previous: Uint8Array, entry: Omit<Entry<string>, 'chain'>): Uint8Array {
  let hash = 0x811c9dc5;
  const mix = (byte: number): void => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  };
  for (const byte of previous) mix(byte);
  const text = `${entry.index}/${entry.term}/${entry.kind}/${entry.timeMs}/${entry.payload}`;
  for (let i = 0; i < text.length; i += 1) mix(text.charCodeAt(i));
  return Uint8Array.of(hash >>> 24, hash >>> 16, hash >>> 8, hash);
}

export const FOUNDING_CHAIN = Uint8Array.of(0, 0, 0, 0);
const LOG_START: LogTail = { index: 0, term: 0, chain: FOUNDING_CHAIN, timeMs: 0 };

export function draft(payload: string, payloadBytes = payload.length, timeMs = 0): Draft<string> {
  return { kind: 1, timeMs, payload, payloadBytes };
}

export function configPayload(membership: Membership): { payload: string; payloadBytes: number } {
  const payload = JSON.stringify(membership);
  return { payload, payloadBytes: payload.length };
}

export function membershipOf(payload: string): Membership {
  return JSON.parse(payload);
}

/** Entries 1.. of the given terms; the same index and term always means the same entry. */
export function entriesOf(terms: readonly number[]): Entry<string>[] {
  const entries: Entry<string>[] = [];
  let chain: Uint8Array = FOUNDING_CHAIN;
  terms.forEach((term, at) => {
    const unlinked = { ...draft(`${at + 1}/${term}`), index: at + 1, term };
    chain = testChain(chain, unlinked);
    entries.push({ ...unlinked, chain });
  });
  return entries;
}

export interface ReplicaOptions {
  readonly id?: ReplicaId;
  readonly voters?: readonly ReplicaId[];
  /** The founding one where it is more than voters. */
  readonly membership?: Membership;
  readonly preferred?: boolean;
  /** Terms of the entries in its log. */
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly votedFor?: ReplicaId;
  readonly commit?: number;
  /** A checkpoint at this index: it is applied, and known only by its terms. */
  readonly checkpoint?: number;
  /** Entries up to this one have left its log; at or below the checkpoint. */
  readonly boundary?: number;
  readonly config?: Partial<RaftConfig>;
  readonly random?: () => number;
  readonly nowMs?: number;
}

export class Replica {
  readonly id: ReplicaId;
  readonly #options: ReplicaOptions;
  readonly #random: () => number;
  raft: Raft<string>;
  up = true;
  nowMs: number;
  /** What is on disk: entries from index 1 on, of those up to the boundary only its own. */
  hardState: HardState;
  diskEntries: Entry<string>[];
  boundary: Snapshot;
  checkpoint: number;
  /** Handed out and not durable yet. */
  steps: PersistStep<string>[] = [];
  /** Left and not collected. */
  sent: Message[] = [];
  /** Folded since the last start, from checkpoint + 1 on. */
  applied: Entry<string>[] = [];
  /** Whether what is committed is folded at once. */
  applies = true;
  unapplied: Entry<string>[] = [];
  /** Durable, and its rows are not taken over yet. */
  restoring: Snapshot | null = null;
  /** How many snapshots it has taken over. */
  restored = 0;
  reads: ReadState[] = [];
  loads: LoadRequest[] = [];
  snapshots: SnapshotRequest[] = [];
  roles: RoleChange[] = [];

  constructor(options: ReplicaOptions = {}) {
    this.#options = options;
    this.id = options.id ?? 1;
    this.#random = options.random ?? seeded(this.id);
    this.nowMs = options.nowMs ?? 0;
    const terms = options.terms ?? [];
    this.diskEntries = entriesOf(terms);
    const membership = options.membership ?? foundingMembership(options.voters ?? [1, 2, 3]);
    this.boundary = { ...LOG_START, membership };
    const { votedFor = 0, commit = 0, checkpoint = 0, boundary = 0 } = options;
    this.hardState = { term: options.term ?? terms.at(-1) ?? 0, votedFor, commit };
    this.checkpoint = checkpoint;
    this.#forgetUpTo(boundary);
    this.raft = this.#start();
  }

  #start(): Raft<string> {
    return createRaft<string>(this.options());
  }

  /** What a start from its disk is given. */
  options(): RaftOptions<string> {
    return {
      self: this.id,
      preferred: this.#options.preferred ?? false,
      hardState: this.hardState,
      log: this.#recover(),
      applied: this.checkpoint,
      nowMs: this.nowMs,
      random: this.#random,
      chain: testChain,
      emptyPayload: () => '',
      membershipPayload: configPayload,
      readMembership: membershipOf,
      // No shell here that would wake anybody.
      config: { ...defaultRaftConfig, quiesceAfterMs: Infinity, ...this.#options.config },
    };
  }

  #recover(): RecoveredLog<string> {
    const base = this.snapshotAt(this.checkpoint);
    const boundary = this.boundary.index;
    const terms: TermRun[] = [];
    const known = this.diskEntries.slice(Math.max(0, boundary - 1), this.checkpoint);
    for (const { index, term } of known) {
      if (terms.at(-1)?.term !== term) terms.push({ firstIndex: index, term });
    }
    const entries = this.diskEntries.slice(this.checkpoint);
    return { base, boundary, terms, entries };
  }

  /** What the state after the entry at `index` is called by. */
  snapshotAt(index: number): Snapshot {
    let { membership } = this.boundary;
    for (const { kind, payload } of this.diskEntries.slice(this.boundary.index, index)) {
      if (kind === EntryKind.CONFIG) membership = membershipOf(payload);
    }
    const { term, chain, timeMs } = this.diskEntries[index - 1] ?? LOG_START;
    return { index, term, chain, timeMs, membership };
  }

  /** Entries up to `index`, at or below the checkpoint, leave the log. */
  compact(index: number): void {
    this.#forgetUpTo(index);
    this.raft.compacted(index);
  }

  #forgetUpTo(index: number): void {
    if (index <= this.boundary.index) return;
    assert(index <= this.checkpoint, 'the boundary is at or below the checkpoint');
    const above = this.diskEntries.slice(index);
    this.#beginAt(this.snapshotAt(index));
    for (const entry of above) this.diskEntries.push(entry);
  }

  /** Nothing but the snapshot. */
  #beginAt(snapshot: Snapshot): void {
    const { index, term, chain, timeMs } = snapshot;
    this.boundary = snapshot;
    this.diskEntries = new Array<Entry<string>>(index - 1);
    this.diskEntries.push({ ...draft('', 0, timeMs), kind: EntryKind.EMPTY, index, term, chain });
  }

  /** Takes the effects once: what may leave leaves, what is to be written waits for persist(). */
  drain(): boolean {
    const { hasEffects } = this.raft;
    const effects = this.raft.takeEffects();
    assert(hasEffects || effects === null, 'what has no effects gives none');
    if (effects === null) return false;
    for (const message of effects.send) this.#leave(message);
    if (effects.persist !== null) this.steps.push(effects.persist);
    this.reads.push(...effects.reads);
    this.loads.push(...effects.loads);
    this.snapshots.push(...effects.snapshots);
    this.restoring = effects.restored ?? this.restoring;
    if (effects.role !== null) this.roles.push(effects.role);
    this.unapplied.push(...effects.committed);
    if (this.applies) this.apply();
    return true;
  }

  apply(): void {
    if (this.restoring !== null) {
      assert(this.restoring.index === this.checkpoint, 'the newest snapshot is the one on disk');
      this.raft.onApplied(this.restoring.index);
      this.restoring = null;
      this.restored += 1;
    }
    for (const entry of this.unapplied) {
      const expected = this.checkpoint + this.applied.length + 1;
      assert(entry.index === expected, 'committed entries come in order, each once');
      const durable = this.diskEntries[entry.index - 1];
      assert(durable?.term === entry.term, 'a committed entry is on the own disk');
      this.applied.push(entry);
    }
    const last = this.unapplied.at(-1);
    this.unapplied = [];
    if (last !== undefined) this.raft.onApplied(last.index);
  }

  /** Completes the oldest step. */
  persist(): boolean {
    const step = this.steps.shift();
    if (step === undefined) return false;
    this.write(step);
    this.raft.onPersisted(step.appendSeq, this.nowMs);
    for (const message of step.after) this.#leave(message);
    return true;
  }

  write(step: PersistStep<string>): void {
    if (step.hardState !== null) this.hardState = step.hardState;
    if (step.snapshot !== null) {
      assert(step.truncateFrom === null, 'a snapshot leaves nothing to truncate');
      assert(step.snapshot.index > this.raft.applied, 'no snapshot takes back what is applied');
      this.#beginAt(step.snapshot);
      this.checkpoint = step.snapshot.index;
      this.applied = [];
      this.unapplied = [];
    }
    if (step.truncateFrom !== null) {
      assert(step.truncateTo === this.diskEntries.length, 'a truncation ends where the disk ends');
      this.diskEntries.length = step.truncateFrom - 1;
    }
    for (const entry of step.entries) {
      assert(entry.index === this.diskEntries.length + 1, 'the disk has no holes');
      this.diskEntries.push(entry);
    }
  }

  /** Drains and persists until nothing is left to do. */
  flush(): void {
    while (this.drain() || this.persist()) {
      // Each round may cause another.
    }
  }

  /** Flushes, and returns what has left since the last time. */
  take(): Message[] {
    this.flush();
    return this.collect();
  }

  collect(): Message[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  step(message: Message): void {
    this.raft.step(message, this.nowMs);
  }

  /** A message to this replica, with the least that has to be said. */
  receive(message: Message): Message[] {
    this.step(message);
    return this.take();
  }

  tickAt(nowMs: number): void {
    this.nowMs = nowMs;
    this.raft.tick(nowMs);
  }

  propose(payload: string, payloadBytes?: number): ProposeResult {
    return this.raft.propose(draft(payload, payloadBytes, this.raft.lastTimeMs), this.nowMs);
  }

  change(...changes: (readonly [MemberChange['type'], ReplicaId])[]): ProposeConfigResult {
    const list = changes.map(([type, id]) => ({ type, id }));
    return this.proposeConfig({ type: 'change', changes: list, transition: 'auto' });
  }

  proposeConfig(change: MembershipChange): ProposeConfigResult {
    return this.raft.proposeConfig(change, this.nowMs);
  }

  /** Loses whatever was not persisted, but for the `written` oldest steps. */
  crash(written = 0): void {
    for (const step of this.steps.slice(0, written)) this.write(step);
    this.steps = [];
    this.sent = [];
    this.unapplied = [];
    this.restoring = null;
    this.loads = [];
    this.snapshots = [];
    this.reads = [];
    this.up = false;
  }

  restart(nowMs = this.nowMs): void {
    this.up = true;
    this.nowMs = nowMs;
    this.applied = [];
    this.raft = this.#start();
  }

  /** The terms of its whole log, in memory and on disk. */
  get terms(): number[] {
    return this.diskEntries.map((entry) => entry.term);
  }

  #leave(message: Message): void {
    this.assertKept(message);
    this.sent.push(message);
  }

  /** What leaves now rests on what is on disk now. */
  assertKept(message: Message): void {
    const { hardState, diskEntries } = this;
    assert(message.from === this.id && message.to !== this.id, 'messages go from here to others');
    const isPromise =
      message.type === 'Vote' ||
      message.type === 'AppendOk' ||
      (message.type === 'VoteReply' && message.granted);
    if (!isPromise) return;
    assert(hardState.term >= message.term, `${message.type} leaves after its term is durable`);
    if (hardState.term > message.term) return;
    if (message.type === 'AppendOk') {
      assert(diskEntries.length >= message.match, 'what is acknowledged is durable');
    } else if (message.type === 'VoteReply') {
      assert(hardState.votedFor === message.to, 'a granted vote is durable');
    } else {
      assert(hardState.votedFor === this.id, 'the own vote is durable before others are asked');
      const last = diskEntries[message.lastIndex - 1];
      const isDurable = (last?.term ?? 0) === message.lastTerm;
      assert(isDurable, 'the log that a vote request advertises is durable');
    }
  }
}

export function ofType<T extends Message['type']>(
  messages: readonly Message[],
  type: T,
): MessageOf<T>[] {
  const isWanted = (message: Message): message is MessageOf<T> => message.type === type;
  return messages.filter(isWanted);
}
