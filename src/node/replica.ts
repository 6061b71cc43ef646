// One partition's replica on this node: its Raft core, its rows and, while it leads, its sequencer.
// Everything here is synchronous and happens within a turn; the turn gives it a place to put what is
// to be sent and written, and calls it back when that is durable.
import { assert } from '../assert.ts';
import type { Clock } from '../clock.ts';
import {
  createPayload,
  type EntryPayload,
  type LogEntry,
  payloadBytes,
  payloadCommands,
  payloadHeader,
} from '../entry.ts';
import { nodeStopping, PacelineError, type Refusal } from '../errors.ts';
import {
  type CommandsHeader,
  commandAt,
  decodeCheckpointHeader,
  decodeCommandsHeader,
  encodeCheckpointHeader,
  encodeCommandsHeader,
} from '../order/header.ts';
import { type KeyPlace, slotsMax } from '../order/page.ts';
import type { FrozenRows, Rows } from '../order/rows.ts';
import { type Draft, type Needs, Sequencer } from '../order/sequencer.ts';
import { isFromLeader } from '../raft/raft.ts';
import {
  type Effects,
  EntryKind,
  type LoadRequest,
  type PersistStep,
  type Raft,
} from '../raft/types.ts';
import type { NodeId, PeerMessage } from '../transport/types.ts';
import { AppendQueue, type SequencingHost } from './append-queue.ts';
import type { NodeLimits } from './config.ts';
import { Expiries, type ScanRows } from './expiries.ts';
import { Floors } from './floors.ts';
import { type Final, type Group, refuseGroup, repeatOf } from './groups.ts';
import { Handover } from './handover.ts';
import { type HoldBudget, Holds } from './holds.ts';
import { type LogTime, Stamps } from './log-time.ts';
import { ReadRounds } from './read-rounds.ts';
import { type Decided, type EndedTerm, endedOutcomes, Waits } from './waits.ts';
import { Watchers } from './watchers.ts';

/** What a replica hands to the turn. */
export interface TurnOutput {
  send(message: PeerMessage): void;
  persist(replica: Replica, step: PersistStep<EntryPayload>): void;
  /** A frozen checkpoint, whose rows are to be written in some batch. */
  checkpoint(replica: Replica, entry: LogEntry, frozen: FrozenRows): void;
  load(replica: Replica, request: LoadRequest): void;
  /** Rows and entries that commands need; `onFetched` is called in a later turn. */
  fetch(replica: Replica, needs: Needs): void;
}

export interface ReplicaDeps {
  readonly partition: number;
  readonly raft: Raft<EntryPayload>;
  readonly rows: Rows;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly limits: NodeLimits;
  /** Log bytes since the last checkpoint that make the leader propose one. */
  readonly checkpointLogBytes: number;
  readonly time: LogTime;
  /** Random bytes for an entry. */
  readonly salt: () => Uint8Array;
  /** Shared by the replicas of a node. */
  readonly holdBudget: HoldBudget;
  readonly scanRows: ScanRows;
  readonly onFatal: (error: unknown) => void;
  /** Address of a node, for hints. */
  readonly address: (node: NodeId) => string | undefined;
  /** There is something to do in the next turn. */
  readonly wake: (replica: Replica) => void;
}

export class Replica implements SequencingHost {
  readonly partition: number;
  readonly raft: Raft<EntryPayload>;
  readonly rows: Rows;
  /** Index of the newest checkpoint on disk. */
  checkpointIndex: number;
  readonly reads: ReadRounds;
  readonly floors = new Floors();
  readonly watchers = new Watchers();
  readonly holds: Holds;
  private readonly handover: Handover;
  private readonly expiries: Expiries;
  private readonly deps: ReplicaDeps;
  private readonly queue: AppendQueue;
  private readonly waits: Waits;
  private readonly stamps: Stamps;
  private leading: Sequencer | null = null;
  private fetching = false;
  /** Entries fetched for the commands at hand. */
  private readonly fetched = new Map<number, LogEntry>();
  /** Committed, not yet folded: behind a Checkpoint while the one before is still being written. */
  private readonly unfolded: LogEntry[] = [];
  /** Decoded once, however many repeats of its commands come. */
  private readonly columns = new WeakMap<EntryPayload, CommandsHeader>();
  private unfoldedBytes = 0;
  /** Log folded since the last checkpoint: what a start now would have to replay. */
  replayBytes = 0;
  private foldedSinceCheckpoint = false;
  private lastFoldMs = 0;
  private checkpointProposed = 0;
  /** The newest commit index heard of, when, and the newest time whose commit index is applied. */
  private heardCommit = 0;
  private heardMs = 0;
  private freshMs = 0;
  /** The term in which this replica leads; 0 = it does not. */
  private ledTerm = 0;

  constructor(deps: ReplicaDeps, checkpointIndex: number) {
    this.deps = deps;
    this.partition = deps.partition;
    this.raft = deps.raft;
    this.rows = deps.rows;
    this.checkpointIndex = checkpointIndex;
    this.queue = new AppendQueue(deps.limits);
    this.stamps = new Stamps(deps.time);
    this.reads = new ReadRounds(deps.raft, deps.clock, deps.random);
    this.waits = new Waits(() => this.reads.ask());
    this.holds = new Holds(deps.holdBudget);
    this.handover = new Handover(deps.raft);
    this.expiries = new Expiries(deps.partition, deps.rows, deps.scanRows);
  }

  get sequencer(): Sequencer {
    assert(this.leading !== null, 'only a ready leader sequences');
    return this.leading;
  }

  /** True: the leader has applied an entry of its term. */
  get ready(): boolean {
    return this.raft.ready;
  }

  /** Nothing here needs the time often. */
  get asleep(): boolean {
    return this.raft.quiesced && this.holds.isEmpty && this.queue.isEmpty;
  }

  get hasQueued(): boolean {
    return !this.queue.isEmpty;
  }

  submit(group: Group): void {
    if (!this.takesCommands) {
      refuseGroup(group, this.notLeader());
      return;
    }
    const refusal = this.queue.push(group);
    if (refusal !== null) refuseGroup(group, refusal);
    else this.deps.wake(this);
  }

  /** One about to win keeps what comes for a moment: its sender would only have to ask again. */
  private get takesCommands(): boolean {
    return this.raft.role === 'leader' || this.raft.role === 'candidate';
  }

  /** Errors: NOT_LEADER, NO_LEADER, BAD_REQUEST, BUSY, NOT_CAUGHT_UP, STOPPING. */
  async transferLeadership(to: NodeId): Promise<void> {
    if (this.raft.role !== 'leader') throw new PacelineError(this.notLeader());
    const done = this.handover.start(to, this.deps.clock.monotonicMs());
    this.deps.wake(this);
    await done;
  }

  step(message: PeerMessage): void {
    // Its state has to be here before, and nothing brings states to other nodes yet.
    if (message.type === 'InstallSnapshot') return;
    const nowMs = this.deps.clock.monotonicMs();
    this.raft.step(message, nowMs);
    if (isFromLeader(message)) this.heard(nowMs);
    this.wakeForEffects();
  }

  /** Since this replica heard of a commit index that it has now applied; a leader is that itself. */
  lagMs(nowMs: number): number {
    if (this.raft.role === 'leader' || this.raft.quiesced) return 0;
    return Math.round(nowMs - this.freshMs);
  }

  tick(nowMs: number): void {
    if (!this.raft.quiesced) this.raft.tick(nowMs);
    if (this.raft.role === 'leader' && this.raft.ready) {
      this.proposeCheckpoint(nowMs);
      this.queue.pushWaitOver(this.partition, this.holds.expired(nowMs));
      this.endDue(nowMs);
    }
    this.handover.settle(() => this.notLeader());
    if (this.raft.hasEffects || this.hasQueued) this.deps.wake(this);
  }

  /** Does what is to be done; commands are sequenced only where no write is in flight (maySequence). */
  turn(output: TurnOutput, maySequence: boolean): void {
    this.drainEffects(output);
    if (this.queue.isEmpty) return;
    this.sequenceQueue(output, maySequence);
    this.drainEffects(output);
  }

  onPersisted(appendSeq: number): void {
    this.raft.onPersisted(appendSeq, this.deps.clock.monotonicMs());
    this.wakeForEffects();
  }

  /** The checkpoint of the entry at `index` is durable. */
  onCheckpointWritten(index: number): void {
    this.checkpointIndex = index;
    this.deps.wake(this);
  }

  /** What `fetch` asked for was read. Its rows are in memory, unless a checkpoint came meanwhile: they are asked for again then. */
  onFetched(entries: readonly LogEntry[]): void {
    this.fetching = false;
    for (const entry of entries) this.fetched.set(entry.index, entry);
    this.deps.wake(this);
  }

  /** An entry in memory; null: read it from the store. */
  entry(index: number): LogEntry | null {
    return this.raft.entry(index) ?? this.fetched.get(index) ?? null;
  }

  notLeader(): Refusal {
    const { self, term } = this.raft;
    // Given away a moment ago: the other may not have said yet that it leads.
    const leader = this.raft.leader || this.handover.to;
    if (leader === 0 || leader === self) {
      const message = `partition ${this.partition} has no known leader in term ${term}`;
      return { reason: 'NO_LEADER', field: 'partition', message, retryAfterMs: 50 };
    }
    const leaderAddress = this.deps.address(leader);
    const message = `partition ${this.partition} is led by node ${leader}`;
    const hint = leaderAddress === undefined ? { leader } : { leader, leaderAddress };
    return { reason: 'NOT_LEADER', field: 'partition', message, ...hint };
  }

  /** Ends everything that waits. */
  stop(): void {
    this.endTerm(nodeStopping);
    this.handover.fail(nodeStopping);
    this.reads.fail();
  }

  // Sequencing (SequencingHost).

  openDraft(): Draft | null {
    if (this.raft.transferring) return null;
    if (this.unfoldedBytes > this.deps.limits.unfoldedBytesMax) return null;
    const timeMs = this.stamps.next(this.raft.lastTimeMs, this.deps.clock.monotonicMs());
    return timeMs === null
      ? null
      : this.sequencer.open(this.raft.lastIndex + 1, timeMs, this.raft.term);
  }

  propose(draft: Draft): void {
    const { columns, commands, commandBytes, timeMs, index } = draft;
    assert(commands.length <= slotsMax, 'a place can name every slot of an entry');
    const header = encodeCommandsHeader(columns);
    const payload = createPayload(header, commands, commandBytes, this.deps.salt());
    this.append(EntryKind.COMMANDS, timeMs, payload, index);
  }

  nowMs(): number {
    return this.deps.clock.monotonicMs();
  }

  original(place: KeyPlace): Final {
    const entry = this.entry(place.index);
    assert(entry !== null, 'the original was fetched before sequencing');
    return repeatOf(this.columnsOf(entry), place, entry);
  }

  decided(decided: Decided): void {
    this.waits.add(decided, this.raft.commit);
  }

  /** Pending messages that nobody ended in time. */
  private endDue(nowMs: number): void {
    const timeMs = this.deps.time.now(nowMs);
    if (timeMs === null) return;
    const dueMs = Math.max(timeMs, this.raft.lastTimeMs);
    for (const group of this.expiries.due(dueMs, this.deps.onFatal)) {
      const refusal = this.queue.push(group);
      if (refusal !== null) refuseGroup(group, refusal);
    }
  }

  /** What is needed is fetched while a write is in flight, so that sequencing does not wait for it. */
  private sequenceQueue(output: TurnOutput, maySequence: boolean): void {
    if (!this.raft.ready || this.fetching) return;
    // The write in flight may be this partition's checkpoint, which moves pages while they are read.
    if (!maySequence && this.rows.freezing) return;
    this.leading ??= new Sequencer(this.rows, (place) => this.storedCommand(place));
    for (let more = true; more && !this.fetching; ) {
      const nowMs = this.deps.time.now(this.deps.clock.monotonicMs());
      if (nowMs === null) return;
      const needs = this.queue.needs(this.leading, this.holds, nowMs, maySequence);
      if (needs.rows.length > 0 || needs.entries.size > 0) {
        this.fetching = true;
        output.fetch(this, needs);
        return;
      }
      if (!maySequence) return;
      more = this.queue.sequence(this);
      // Of a whole window: what the next one needs is looked for anew, however much waits behind it.
      if (more || this.queue.isEmpty) this.releaseFetched();
    }
  }

  private releaseFetched(): void {
    this.rows.release();
    this.fetched.clear();
  }

  private columnsOf({ payload }: LogEntry): CommandsHeader {
    const known = this.columns.get(payload);
    if (known !== undefined) return known;
    const columns = decodeCommandsHeader(payloadHeader(payload), payloadCommands(payload).length);
    this.columns.set(payload, columns);
    return columns;
  }

  private storedCommand(place: KeyPlace): Uint8Array | null {
    const entry = this.entry(place.index);
    if (entry === null) return null;
    const header = this.columnsOf(entry);
    return commandAt(header, payloadCommands(entry.payload), place.slot);
  }

  private append(kind: EntryKind, timeMs: number, payload: EntryPayload, index: number): void {
    const bytes = payloadBytes(payload);
    const draft = { kind, timeMs, payload, payloadBytes: bytes };
    const result = this.raft.propose(draft, this.deps.clock.monotonicMs());
    assert(result.ok && result.index === index, 'a ready leader appends what it sequenced');
    this.unfoldedBytes += bytes;
  }

  // Effects.

  /** Many an acknowledgement changes nothing: a turn costs more than to look. */
  private wakeForEffects(): void {
    if (this.raft.hasEffects) this.deps.wake(this);
  }

  private drainEffects(output: TurnOutput): void {
    this.foldCommitted(output);
    for (;;) {
      const effects = this.raft.takeEffects();
      if (effects === null) return;
      this.applyEffects(effects, output);
    }
  }

  private applyEffects(effects: Effects<EntryPayload>, output: TurnOutput): void {
    const hasSnapshots = effects.snapshots.length > 0 || effects.restored !== null;
    assert(!hasSnapshots, 'no log is compacted yet, and no snapshot taken');
    if (effects.role !== null) this.onRole(effects.role.role === 'leader', effects.role.term);
    for (const message of effects.send) output.send(message);
    if (effects.persist !== null) output.persist(this, effects.persist);
    for (const request of effects.loads) output.load(this, request);
    for (const entry of effects.committed) this.unfolded.push(entry);
    if (effects.committed.length > 0) this.foldCommitted(output);
    for (const read of effects.reads) this.onReadState(read.context, read.index);
  }

  private heard(nowMs: number): void {
    const { commit, applied } = this.raft;
    if (applied >= this.heardCommit) this.freshMs = this.heardMs;
    this.heardCommit = commit;
    this.heardMs = nowMs;
    if (applied >= commit) this.freshMs = nowMs;
  }

  private onRole(leads: boolean, term: number): void {
    const ended = this.ledTerm !== 0 && (!leads || term !== this.ledTerm);
    if (ended) this.endTerm(this.notLeader());
    else if (!this.takesCommands) this.endQueued(this.endedTerm(this.notLeader()));
    this.ledTerm = leads ? term : 0;
    this.handover.settle(() => this.notLeader());
    this.reads.retry();
  }

  private endTerm(refusal: Refusal): void {
    const ended = this.endedTerm(refusal);
    this.leading = null;
    this.unfoldedBytes = 0;
    this.releaseFetched();
    this.checkpointProposed = 0;
    this.waits.fail(ended);
    this.expiries.forget();
    this.endQueued(ended);
    this.holds.fail(refusal);
  }

  private endedTerm(refusal: Refusal): EndedTerm {
    return { refusal, isCommitted: ({ index, term }) => this.raft.isCommitted(index, term) };
  }

  private endQueued(ended: EndedTerm): void {
    for (const { group, outcomes } of this.queue.drain()) {
      group.done(endedOutcomes(group, outcomes, ended));
    }
  }

  private onReadState(context: number, index: number | null): void {
    if (index !== null && this.waits.confirmed(context)) return;
    this.reads.answered(context, index);
  }

  /** Folds what is committed, up to a Checkpoint that has to wait for the one before. */
  private foldCommitted(output: TurnOutput): void {
    let folded = 0;
    for (const entry of this.unfolded) {
      if (entry.kind === EntryKind.CHECKPOINT && this.rows.freezing) break;
      this.fold(entry, output);
      folded += 1;
    }
    if (folded === 0) return;
    const last = this.unfolded[folded - 1];
    this.unfolded.splice(0, folded);
    assert(last !== undefined, 'what was folded was there');
    this.leading?.folded(last.index);
    this.raft.onApplied(last.index);
    this.reads.applied(last.index);
    if (!this.watchers.isEmpty) this.watchers.tell();
  }

  private fold(entry: LogEntry, output: TurnOutput): void {
    const { payload, index, timeMs } = entry;
    if (entry.kind === EntryKind.COMMANDS) {
      const touched = this.watchers.isEmpty ? undefined : this.tellWatchers;
      this.rows.fold(index, timeMs, payloadHeader(payload), payloadCommands(payload), touched);
      this.foldedSinceCheckpoint = true;
      this.lastFoldMs = this.deps.clock.monotonicMs();
    } else if (entry.kind === EntryKind.CHECKPOINT) {
      const { dropPagesUpTo } = decodeCheckpointHeader(payloadHeader(payload));
      output.checkpoint(this, entry, this.rows.freeze(index, dropPagesUpTo));
      this.replayBytes = 0;
      this.foldedSinceCheckpoint = false;
    }
    this.replayBytes += payload.bytes.length;
    const isProposedHere = entry.kind === EntryKind.COMMANDS || entry.kind === EntryKind.CHECKPOINT;
    if (this.ledTerm === entry.term && isProposedHere) {
      this.unfoldedBytes -= entry.payloadBytes;
    }
    this.waits.committed(index);
  }

  private readonly tellWatchers = (conversation: string) => {
    this.watchers.touched(conversation);
  };

  /** Rule 8: by dirty rows, by log to replay, or after a second without appends. */
  private proposeCheckpoint(nowMs: number): void {
    const { limits, checkpointLogBytes } = this.deps;
    if (this.checkpointProposed > this.raft.applied || this.rows.freezing) return;
    if (this.raft.transferring) return;
    const { dirtyRows, dirtyBytes } = this.rows;
    const idle = nowMs - this.lastFoldMs >= limits.checkpointIdleMs;
    const due =
      dirtyRows >= limits.checkpointRowsMax ||
      dirtyBytes >= limits.checkpointBytesMax ||
      this.replayBytes >= checkpointLogBytes ||
      (idle && this.foldedSinceCheckpoint);
    if (!due) return;
    const timeMs = this.stamps.next(this.raft.lastTimeMs, nowMs);
    if (timeMs === null) return;
    const dropPagesUpTo = this.rows.keys.expiredUpTo(timeMs);
    const header = encodeCheckpointHeader({ dropPagesUpTo });
    const payload = createPayload(header, [], 0, this.deps.salt());
    this.checkpointProposed = this.raft.lastIndex + 1;
    this.append(EntryKind.CHECKPOINT, timeMs, payload, this.checkpointProposed);
  }
}
