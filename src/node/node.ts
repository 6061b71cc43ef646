// One node: its store, its replicas and the turn loop, put together from what it is given. Knows
// neither gRPC nor LevelDB nor the real clock: the command line injects those, the lab its fakes.
import { assert } from '../assert.ts';
import type { Clock, Timer } from '../clock.ts';
import { createEmptyPayload, entryChain } from '../entry.ts';
import { nodeStopping, PacelineError, type Refusal } from '../errors.ts';
import { hashBytes } from '../hash.ts';
import type { Log } from '../logger.ts';
import { Rows } from '../order/rows.ts';
import { foundingMembership } from '../raft/membership.ts';
import { createRaft } from '../raft/raft.ts';
import { createPlaces, partitionOf } from '../shard.ts';
import type { Store } from '../storage/types.ts';
import type {
  Hello,
  Lane,
  NodeId,
  PeerBatch,
  Transport,
  TransportEvents,
} from '../transport/types.ts';
import { Balance } from './balance.ts';
import type { NodeConfig } from './config.ts';
import type { ScanRows } from './expiries.ts';
import { ConversationFeed, type FeedStart, PartitionFeed } from './feeds.ts';
import {
  decodeFounding,
  differences,
  encodeFounding,
  Founding,
  type FoundingRecord,
  type FoundingStep,
  peerProtocolVersion,
} from './founding.ts';
import { type Group, refuseGroup } from './groups.ts';
import type { HoldBudget } from './holds.ts';
import { Liveness } from './liveness.ts';
import { LogTime } from './log-time.ts';
import { membershipPayload, readMembership } from './membership-payload.ts';
import { Notices } from './notices.ts';
import { type MessagePage, type PageRequest, readPage } from './reader.ts';
import { Replica } from './replica.ts';
import { type ConversationPlace, type Extent, readExtent } from './source.ts';
import { TurnLoop } from './turn.ts';

export interface NodeDeps {
  readonly config: NodeConfig;
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Events worth a line, for operators; never a body, a key or a user's id. */
  readonly log: Log;
  /** The node can keep no promise any more: the process has to end. */
  readonly onFatal: (error: Error) => void;
}

export type ReadLevel =
  | { readonly kind: 'linearizable' }
  | { readonly kind: 'eventual' }
  /** Everything up to this index of the partition's log. */
  | { readonly kind: 'at-least'; readonly index: number };

const hurriedTickMs = 5;
const clusterIdBytes = 16;

export class Node implements TransportEvents {
  readonly config: NodeConfig;
  readonly founding: Founding;
  /** By partition; empty until the cluster is founded. */
  replicas: readonly Replica[] = [];
  recoveryMs = 0;
  replayedEntries = 0;
  readonly placeOf: ReturnType<typeof createPlaces>;
  /** Of all nodes, ascending. */
  private readonly nodeIds: readonly NodeId[];
  private readonly deps: NodeDeps;
  private readonly turns: TurnLoop;
  private readonly time: LogTime;
  private readonly holdBudget: HoldBudget = { bytes: 0 };
  private readonly balance = new Balance((partition) => this.preferredLeader(partition));
  private readonly liveness: Liveness;
  private readonly notices: Notices;
  private readonly startedMs: number;
  private timer: Timer | null = null;
  /** Peers whose processes are known to be dead. */
  private readonly down = new Set<NodeId>();
  private hurriedUntilMs = -Infinity;
  private adopting = false;
  private replayIsTooLong = false;
  /** Ticks reach the replicas: a majority was connected once, or was waited for. */
  private electing = false;
  private stopped = false;
  private tellServing: (isServing: boolean) => void = () => {};

  constructor(deps: NodeDeps) {
    const { config, store, transport, clock, randomBytes, onFatal } = deps;
    this.deps = deps;
    this.config = config;
    this.nodeIds = [...config.nodes.keys()].sort((a, b) => a - b);
    this.startedMs = clock.monotonicMs();
    this.notices = new Notices(deps.log, this.startedMs);
    this.placeOf = createPlaces(config.cluster.mapping);
    this.time = new LogTime(config.nodes.size);
    this.liveness = new Liveness(
      this.nodeIds.filter((id) => id !== config.id),
      config.raft,
    );
    const record = readRecord(config, store);
    this.founding = new Founding(config, store.identity.uuid, record, () =>
      randomBytes(clusterIdBytes),
    );
    this.turns = new TurnLoop({
      self: config.id,
      nodes: this.nodeIds,
      store,
      transport,
      clock,
      limits: config.limits,
      trusted: (peer) => this.founding.isTrusted(peer),
      onFatal,
    });
  }

  /** Recovers what the store holds, then meets the other nodes. */
  async start(): Promise<void> {
    if (this.founding.record !== null) await this.openReplicas();
    this.deps.transport.start(this);
    this.follow(this.founding.foundIfAllBlank());
    this.scheduleTick();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.tellServing(false);
    this.timer?.cancel();
    for (const replica of this.replicas) replica.stop();
    await this.turns.stop();
    await this.deps.transport.close();
    await this.deps.store.close();
  }

  get clock(): Clock {
    return this.deps.clock;
  }

  /** For status: what keeps this node from serving, with what other nodes said to it; '' = nothing. */
  get waitingFor(): string {
    const waiting = this.founding.waitingFor();
    if (waiting === '') return '';
    const refusals = [...this.config.nodes.keys()].map((node) => {
      return node === this.config.id ? null : this.deps.transport.lastRefusal(node);
    });
    return [waiting, ...new Set(refusals.filter((refusal) => refusal !== null))].join('; ');
  }

  get isServing(): boolean {
    return this.replicas.length > 0 && !this.stopped;
  }

  /** Tells one watcher whether this node serves, now and whenever that changes. */
  watchServing(tell: (isServing: boolean) => void): void {
    this.tellServing = tell;
    tell(this.isServing);
  }

  partitionOf(shard: number): number {
    return partitionOf(shard, this.config.cluster.partitions);
  }

  addressOf(node: NodeId): string | undefined {
    return this.config.nodes.get(node);
  }

  isConnected(peer: NodeId): boolean {
    return peer === this.config.id || this.deps.transport.connected(peer);
  }

  /** Takes a checked group; answers by group.done. */
  submit(group: Group): void {
    const replica = this.replicas[group.partition];
    if (replica === undefined || this.stopped) refuseGroup(group, this.notServing());
    else if (this.replayIsTooLong) refuseGroup(group, replayTooLong);
    else replica.submit(group);
  }

  /** Errors: TRIMMED, IN_FUTURE, NO_LEADER, NOT_CAUGHT_UP, STOPPING, CORRUPT. */
  async read(request: PageRequest, level: ReadLevel): Promise<MessagePage> {
    const replica = this.replicaOf(this.partitionOf(request.shard));
    await this.waitFor(replica, level);
    return readPage(replica, this.deps.store, request);
  }

  /** What a conversation has on this replica, as far as applied. */
  extent(of: ConversationPlace): Promise<Extent> {
    return readExtent(this.replicaOf(this.partitionOf(of.shard)), this.deps.store, of);
  }

  feed(of: ConversationPlace, start: FeedStart): ConversationFeed {
    const replica = this.replicaOf(this.partitionOf(of.shard));
    return new ConversationFeed(replica, this.deps.store, of, start);
  }

  partitionFeed(partition: number, afterIndex: number): PartitionFeed {
    return new PartitionFeed(this.replicaOf(partition), this.deps.store, afterIndex);
  }

  /** Resolves once this node's replica is as fresh as the level asks. */
  async waitFor(replica: Replica, level: ReadLevel): Promise<void> {
    if (level.kind === 'eventual') return;
    const deadlineMs = this.clock.monotonicMs() + this.config.limits.leaderWaitMs;
    const waited =
      level.kind === 'linearizable'
        ? replica.reads.linearizable(deadlineMs)
        : replica.reads.atLeast(level.index, deadlineMs);
    this.turns.wake(replica);
    await waited;
  }

  /** Errors: NO_LEADER, STOPPING where this node does not serve. */
  replicaOf(partition: number): Replica {
    const replica = this.replicas[partition];
    if (replica === undefined || this.stopped) throw new PacelineError(this.notServing());
    return replica;
  }

  /** Resolves once `to` leads. Errors: NOT_LEADER, NO_LEADER, BAD_REQUEST, BUSY, NOT_CAUGHT_UP, STOPPING. */
  async transferLeadership(partition: number, to: NodeId): Promise<void> {
    await this.replicaOf(partition).transferLeadership(to);
  }

  // TransportEvents

  hello(to: NodeId): Hello {
    const { config, founding } = this;
    const { cluster } = config;
    return {
      version: peerProtocolVersion,
      cluster: cluster.name,
      node: config.id,
      to,
      storeUuid: this.deps.store.identity.uuid,
      founding: founding.record === null ? null : encodeFounding(founding.record),
      address: config.address,
      partitionCount: cluster.partitions,
      mapping: cluster.mapping,
    };
  }

  onHello(hello: Hello): string | null {
    const refusal = this.founding.refuse(hello);
    if (refusal !== null) {
      this.notices.refused(hello.node, refusal);
      return refusal;
    }
    this.notices.letIn(hello.node);
    this.follow(this.founding.take(hello));
    this.wakeSleepers(hello.node);
    return null;
  }

  onBatch(from: NodeId, _lane: Lane, batch: PeerBatch): void {
    if (this.stopped || !this.founding.isTrusted(from)) return;
    const nowMs = this.deps.clock.monotonicMs();
    this.liveness.heard(from, nowMs);
    this.time.take(from, batch.wallMs, nowMs);
    const { partitions, messages } = batch;
    for (const [i, message] of messages.entries()) {
      const replica = this.replicas[partitions[i] ?? -1];
      if (replica === undefined || message.from !== from || message.to !== this.config.id) continue;
      this.guard(() => replica.step(message));
    }
    this.turns.came(nowMs);
    // Awake already: its own sign of life needs no wake-up of its own.
    if (this.liveness.isBeatNear(nowMs) && this.isAsleep) this.tickSoon();
  }

  onConnected(peer: NodeId, lane: Lane): void {
    this.deps.log('peer connected', { peer, lane });
    this.down.delete(peer);
    this.wakeSleepers(peer);
  }

  onDisconnected(peer: NodeId, lane: Lane): void {
    this.deps.log('peer disconnected', { peer, lane });
    this.founding.forget(peer);
    this.wakeSleepers(peer);
  }

  onProcessDown(peer: NodeId): void {
    const nowMs = this.deps.clock.monotonicMs();
    this.hurry(peer, nowMs);
    for (const replica of this.replicas) {
      this.guard(() => replica.raft.peerDown(peer, nowMs));
      this.turns.wake(replica);
    }
  }

  private wakeSleepers(peer: NodeId): void {
    const nowMs = this.deps.clock.monotonicMs();
    this.guard(() => this.liveness.wake(peer, nowMs, this.replicas));
  }

  /** Its successors campaign one after the other, some milliseconds apart: a usual tick is too coarse. */
  private hurry(peer: NodeId, nowMs: number): void {
    if (this.down.has(peer)) return;
    this.down.add(peer);
    this.hurriedUntilMs = nowMs + this.config.raft.peerDownDelayMs + hurriedTickMs;
    this.timer?.cancel();
    this.scheduleTick();
  }

  private scheduleTick(): void {
    this.timer = this.deps.clock.after(this.nextTickMs, () => this.tickSoon());
  }

  /** From one tick to the next. */
  private get nextTickMs(): number {
    if (this.deps.clock.monotonicMs() < this.hurriedUntilMs) return hurriedTickMs;
    return this.isAsleep ? this.liveness.beatMs : this.config.limits.tickMs;
  }

  /** After what waited in the sockets: a stall of this process is no silence of the others. */
  private tickSoon(): void {
    const { timer } = this;
    timer?.cancel();
    this.deps.clock.soon(() => {
      // Asked for twice, or a hurried one took its place.
      if (this.stopped || this.timer !== timer) return;
      this.guard(() => this.tick());
      this.scheduleTick();
    });
  }

  private get isAsleep(): boolean {
    return this.isServing && this.replicas.every(({ asleep }) => asleep);
  }

  private tick(): void {
    const { clock } = this.deps;
    const nowMs = clock.monotonicMs();
    this.time.take(this.config.id, clock.wallMs(), nowMs);
    if (this.liveness.tick(nowMs, this.replicas, this.nextTickMs)) this.turns.sayAlive();
    let replayBytes = 0;
    const mayElect = this.mayElect(nowMs);
    for (const replica of this.replicas) {
      replica.reads.retry();
      if (mayElect) replica.tick(nowMs);
      replayBytes += replica.replayBytes;
    }
    this.turns.tick();
    this.balance.tick(nowMs, this.replicas, (peer) => this.isConnected(peer));
    this.replayIsTooLong = replayBytes > this.config.limits.replayBytesBusy;
    this.notices.waits(this.waitingFor, nowMs);
  }

  /** A campaign before anybody can be reached is lost, and costs an election timeout: wait a while. */
  private mayElect(nowMs: number): boolean {
    if (this.electing || this.replicas.length === 0) return this.electing;
    const { nodes, raft } = this.config;
    const reached = [...nodes.keys()].filter((node) => this.isConnected(node)).length;
    const waitedMs = nowMs - this.startedMs - this.recoveryMs;
    this.electing = reached * 2 > nodes.size || waitedMs > raft.electionTimeoutMs;
    return this.electing;
  }

  /** A broken invariant stops the process: nothing after it could be believed. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    // What the store was asked for before a stop, and refuses after it, is no failure.
    if (this.stopped) return;
    assert(error instanceof Error, 'only errors are thrown');
    this.stopped = true;
    this.deps.onFatal(error);
  }

  private follow(step: FoundingStep): void {
    if (step.kind === 'none' || this.adopting) return;
    this.adopting = true;
    this.adopt(step.record).catch((error: unknown) => this.fail(error));
  }

  /** Durable first, known to others after. */
  private async adopt(record: FoundingRecord): Promise<void> {
    const { store, transport, log } = this.deps;
    await store.putFounding(encodeFounding(record));
    this.founding.record = record;
    log('cluster founded', { nodes: [...record.nodes.keys()] });
    await this.openReplicas();
    transport.helloChanged();
  }

  private async openReplicas(): Promise<void> {
    const { clock, log } = this.deps;
    const replicas: Replica[] = [];
    for (let partition = 0; partition < this.config.cluster.partitions; partition++) {
      replicas.push(await this.openReplica(partition));
    }
    this.replicas = replicas;
    this.tellServing(this.isServing);
    this.recoveryMs = Math.max(1, Math.round(clock.monotonicMs() - this.startedMs));
    log('serving', { partitions: replicas.length, replayed: this.replayedEntries });
  }

  private async openReplica(partition: number): Promise<Replica> {
    const { store, clock, random, randomBytes, config } = this.deps;
    const { cluster, limits } = config;
    const salt = () => randomBytes(hashBytes);
    const recovered = await store.recover(partition);
    const { checkpoint, log } = recovered;
    const rows = new Rows(cluster.dedupe);
    if (checkpoint !== null) {
      const values = await store.getRows(partition, Rows.restoreKeys(checkpoint.state));
      if (!rows.restore(checkpoint.state, values)) throw damagedCheckpoint(partition);
    }
    this.replayedEntries += log.entries.length;
    // In every partition a founding node's replica id is its node id.
    const membership = foundingMembership(this.nodeIds);
    const raft = createRaft({
      self: config.id,
      preferred: this.preferredLeader(partition) === config.id,
      hardState: recovered.hardState,
      log: { ...log, base: { ...log.base, membership } },
      applied: checkpoint?.index ?? 0,
      nowMs: clock.monotonicMs(),
      random,
      chain: entryChain,
      emptyPayload: () => createEmptyPayload(salt()),
      membershipPayload: (membership) => membershipPayload(membership, salt()),
      readMembership,
      config: { ...config.raft, lease: cluster.lease },
    });
    const checkpointLogBytes = limits.replayBytesMax / cluster.partitions;
    const address = (node: NodeId) => this.addressOf(node);
    const wake = (replica: Replica) => this.turns.wake(replica);
    const { time, holdBudget } = this;
    const scanRows: ScanRows = (range) => store.scanRows(partition, range);
    const onFatal = (error: unknown) => this.fail(error);
    return new Replica(
      {
        ...{ partition, raft, rows, clock, random, limits },
        ...{ checkpointLogBytes, time, salt, holdBudget },
        ...{ scanRows, onFatal, address, wake },
      },
      checkpoint?.index ?? 0,
    );
  }

  private preferredLeader(partition: number): NodeId {
    const preferred = this.nodeIds[partition % this.nodeIds.length];
    assert(preferred !== undefined, 'a cluster has nodes');
    return preferred;
  }

  private notServing(): Refusal {
    if (this.stopped) return { ...nodeStopping, retryAfterMs: 200 };
    const message = `this node waits for ${this.waitingFor}`;
    return { reason: 'NO_LEADER', message, retryAfterMs: 200 };
  }
}

const replayTooLong: Refusal = {
  reason: 'BUSY',
  field: 'store',
  message: 'too much log is not yet covered by checkpoints',
  retryAfterMs: 100,
};

function readRecord(config: NodeConfig, store: Store): FoundingRecord | null {
  if (store.founding === null) return null;
  const record = decodeFounding(store.founding);
  if (record === null) {
    const message = 'the data directory was founded by another version of Paceline';
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'data', message });
  }
  const lines = differences(config, record, store.identity.uuid);
  if (lines.length === 0) return record;
  const message = `the data directory was founded with other settings: ${lines.join('; ')}`;
  throw new PacelineError({ reason: 'BAD_REQUEST', field: 'data', message });
}

function damagedCheckpoint(partition: number): PacelineError {
  const message = `partition ${partition}: the checkpoint's state does not match its rows`;
  return new PacelineError({ reason: 'CORRUPT', message });
}
