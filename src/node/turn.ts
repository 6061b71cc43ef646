// The turn of a store: takes in what came, lets every replica that has something to do do it, sends
// one frame a peer and lane, and writes ONE synced batch for all partitions. While a write is in
// flight the next batch gathers: natural batching, no artificial delay.
import { assert } from '../assert.ts';
import type { Clock } from '../clock.ts';
import type { EntryPayload, LogEntry } from '../entry.ts';
import type { CheckpointRows, FrozenRows } from '../order/rows.ts';
import type { Needs } from '../order/sequencer.ts';
import type { LoadRequest, PersistStep } from '../raft/types.ts';
import type { Batch, Checkpoint, Store } from '../storage/types.ts';
import type { NodeId, PeerMessage, Transport } from '../transport/types.ts';
import type { NodeLimits } from './config.ts';
import { PeerFrames } from './peer-frames.ts';
import type { Replica, TurnOutput } from './replica.ts';

/** On a disk that takes its time, followers hear of a commit by the next turn after this. */
const heldMaxMs = 2;

interface PendingWrite {
  readonly batch: Batch;
  readonly steps: { readonly replica: Replica; readonly step: PersistStep<EntryPayload> }[];
  checkpoint: ReadyCheckpoint | null;
}

interface Fetch {
  readonly replica: Replica;
  readonly needs: Needs;
}

interface ReadyCheckpoint {
  readonly replica: Replica;
  readonly record: Checkpoint;
  readonly rows: CheckpointRows;
}

export interface TurnDeps {
  readonly self: NodeId;
  /** Of the cluster, this one included. */
  readonly nodes: readonly NodeId[];
  readonly store: Store;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: NodeLimits;
  /** A peer whose store is the one that was founded. */
  readonly trusted: (peer: NodeId) => boolean;
  /** Storage can no longer be trusted: the process has to end. */
  readonly onFatal: (error: Error) => void;
}

export class TurnLoop implements TurnOutput {
  private readonly deps: TurnDeps;
  private readonly frames: PeerFrames;
  private readonly woken = new Set<Replica>();
  /** What the commands at hand need, gathered in a turn. */
  private readonly fetches: Fetch[] = [];
  /** Replicas with commands to sequence once the write in flight is durable. */
  private readonly gated = new Set<Replica>();
  /** The partition whose replica has its turn. */
  private current = 0;
  /** When the oldest of what the frames hold back was to be sent. */
  private heldSinceMs = Number.POSITIVE_INFINITY;
  private scheduled = false;
  private running = false;
  private writing: Promise<void> | null = null;
  private pending: PendingWrite | null = null;
  private readonly checkpoints: ReadyCheckpoint[] = [];
  private stopped = false;

  constructor(deps: TurnDeps) {
    this.deps = deps;
    this.frames = new PeerFrames(deps.self, deps.limits.frameBytesMax);
  }

  wake(replica: Replica): void {
    this.woken.add(replica);
    if (!this.running) this.schedule();
  }

  /** What a turn has held back for the next one leaves with this at the latest. */
  tick(): void {
    if (this.frames.holdsBack) this.schedule();
  }

  /** A frame came, and may leave nothing to do: what was held back for long enough leaves all the same. */
  came(nowMs: number): void {
    if (nowMs >= this.heldSinceMs + heldMaxMs) this.schedule();
  }

  /** One empty frame to each peer. */
  sayAlive(): void {
    const { transport, clock, trusted, self } = this.deps;
    const frame = { wallMs: clock.wallMs(), partitions: [], messages: [] };
    for (const peer of this.deps.nodes) {
      if (peer !== self && trusted(peer)) transport.send(peer, 'control', frame);
    }
  }

  /** No turn begins any more; resolves when the write in flight ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.writing;
  }

  // TurnOutput

  send(message: PeerMessage): void {
    this.frames.put(this.current, message);
  }

  persist(replica: Replica, step: PersistStep<EntryPayload>): void {
    const { batch, steps } = this.openWrite();
    const { partition } = replica;
    assert(step.snapshot === null, 'no snapshot is taken yet');
    if (step.hardState !== null) batch.putHardState(partition, step.hardState);
    if (step.truncateFrom !== null) {
      batch.removeEntries(partition, step.truncateFrom, step.truncateTo);
    }
    for (const entry of step.entries) batch.putEntry(partition, entry);
    steps.push({ replica, step });
  }

  checkpoint(replica: Replica, entry: LogEntry, frozen: FrozenRows): void {
    this.guard(this.prepareCheckpoint(replica, entry, frozen));
  }

  load(replica: Replica, request: LoadRequest): void {
    this.guard(this.loadEntries(replica, request));
  }

  fetch(replica: Replica, needs: Needs): void {
    this.fetches.push({ replica, needs });
  }

  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    this.deps.clock.soon(() => {
      this.scheduled = false;
      this.run();
    });
  }

  private run(): void {
    if (this.stopped) return;
    this.running = true;
    try {
      for (const replica of this.woken) {
        this.woken.delete(replica);
        this.current = replica.partition;
        const maySequence = this.writing === null;
        if (!maySequence && replica.hasQueued) this.gated.add(replica);
        replica.turn(this, maySequence);
      }
    } catch (error) {
      this.fail(error);
      return;
    } finally {
      this.running = false;
    }
    this.flush();
    if (this.fetches.length > 0) this.guard(this.fetchNeeds(this.fetches.splice(0)));
    this.startWrite();
  }

  private flush(): void {
    const { transport, clock, trusted } = this.deps;
    const wallMs = clock.wallMs();
    const nowMs = clock.monotonicMs();
    // What this turn answers leaves first: clients wait for it, followers do not for a Commit.
    const isNew = this.heldSinceMs === Number.POSITIVE_INFINITY;
    // The end of the write in flight is a turn, and mostly one with entries to send.
    const mayHold = isNew || (this.writing !== null && nowMs < this.heldSinceMs + heldMaxMs);
    this.frames.drain(mayHold, (to, lane, frame) => {
      if (trusted(to)) transport.send(to, lane, { wallMs, ...frame });
    });
    const { holdsBack } = this.frames;
    this.heldSinceMs = holdsBack ? Math.min(this.heldSinceMs, nowMs) : Number.POSITIVE_INFINITY;
    if (holdsBack && this.writing === null) this.schedule();
  }

  private openWrite(): PendingWrite {
    const { pending } = this;
    if (pending !== null) return pending;
    const opened = { batch: this.deps.store.createBatch(), steps: [], checkpoint: null };
    this.pending = opened;
    return opened;
  }

  private startWrite(): void {
    if (this.writing !== null || this.stopped) return;
    if (this.pending === null && this.checkpoints.length === 0) return;
    const write = this.openWrite();
    this.pending = null;
    const checkpoint = this.checkpoints.shift();
    if (checkpoint !== undefined) addCheckpoint(write, checkpoint);
    this.writing = this.deps.store
      .write(write.batch)
      .then(() => this.onWritten(write))
      .catch((error: unknown) => this.fail(error));
  }

  private onWritten(write: PendingWrite): void {
    this.writing = null;
    for (const { replica, step } of write.steps) {
      this.current = replica.partition;
      for (const message of step.after) this.send(message);
      replica.onPersisted(step.appendSeq);
    }
    const { checkpoint } = write;
    if (checkpoint !== null) {
      checkpoint.replica.rows.written(checkpoint.rows);
      checkpoint.replica.onCheckpointWritten(checkpoint.record.index);
    }
    for (const replica of this.gated) this.woken.add(replica);
    this.gated.clear();
    if (!this.isIdle) this.schedule();
  }

  /** A turn would do nothing. */
  private get isIdle(): boolean {
    const { woken, pending, checkpoints, frames } = this;
    return woken.size === 0 && pending === null && checkpoints.length === 0 && frames.isEmpty;
  }

  private async prepareCheckpoint(
    replica: Replica,
    entry: LogEntry,
    frozen: FrozenRows,
  ): Promise<void> {
    const { reads } = frozen.keys;
    const { store } = this.deps;
    const values = reads.length === 0 ? [] : await store.getRows(replica.partition, reads);
    const rows = replica.rows.write(frozen, values);
    const { index, term, timeMs, chain } = entry;
    const terms = replica.raft.termsUpTo(index).map((run) => [run.firstIndex, run.term] as const);
    const record: Checkpoint = { index, term, timeMs, chain, terms, state: rows.state };
    this.checkpoints.push({ replica, record, rows });
    this.schedule();
  }

  private async loadEntries(replica: Replica, request: LoadRequest): Promise<void> {
    const { fromIndex, toIndex, bytesMax } = request;
    const { store, clock } = this.deps;
    const entries = await store.readEntries(replica.partition, fromIndex, toIndex, bytesMax);
    replica.raft.onEntriesLoaded(request, entries, clock.monotonicMs());
    this.wake(replica);
  }

  /** One read for all that this turn's commands need. */
  private async fetchNeeds(fetches: readonly Fetch[]): Promise<void> {
    const { store } = this.deps;
    const versions = fetches.map(({ replica }) => replica.rows.version);
    const requests = fetches.map(({ replica, needs }) => {
      return { partition: replica.partition, keys: needs.rows.map((cold) => cold.key) };
    });
    const [values, entries] = await Promise.all([
      store.getRowsOfAll(requests),
      Promise.all(fetches.map((fetch) => this.fetchEntries(fetch))),
    ]);
    for (const [i, { replica, needs }] of fetches.entries()) {
      // A checkpoint written meanwhile may have moved rows: what was read is then asked for again.
      if (replica.rows.version === versions[i]) {
        for (const [at, cold] of needs.rows.entries()) {
          replica.rows.admit(cold, values[i]?.[at] ?? null);
        }
      }
      replica.onFetched(entries[i] ?? []);
    }
  }

  private async fetchEntries({ replica, needs }: Fetch): Promise<LogEntry[]> {
    const missing = [...needs.entries].filter((index) => replica.entry(index) === null);
    return missing.length === 0 ? [] : this.deps.store.getEntries(replica.partition, missing);
  }

  private guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): void {
    if (this.stopped) return;
    this.stopped = true;
    assert(error instanceof Error, 'only errors are thrown');
    this.deps.onFatal(error);
  }
}

function addCheckpoint(write: PendingWrite, ready: ReadyCheckpoint): void {
  const { partition } = ready.replica;
  for (const row of ready.rows.rows) write.batch.putRow(partition, row);
  write.batch.putCheckpoint(partition, ready.record);
  write.checkpoint = ready;
}
