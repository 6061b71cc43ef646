// Node 1 of a founded cluster of three, whose disk writes end when a test says so, whose clock stands
// until it is moved, and whose peers are messages by hand.
import { randomBytes } from 'node:crypto';
import { assert } from '../../src/assert.ts';
import type { Clock } from '../../src/clock.ts';
import { createPayload, entryChain, foundingChain, type LogEntry } from '../../src/entry.ts';
import { defaultCluster, defaultLimits, defaultRaftConfig } from '../../src/node/config.ts';
import { encodeFounding, peerProtocolVersion } from '../../src/node/founding.ts';
import { Node } from '../../src/node/node.ts';
import { EntryKind, type HardState } from '../../src/raft/types.ts';
import type { Batch, Checkpoint, RowWrite, Store } from '../../src/storage/types.ts';
import type { NodeId, PeerMessage, Transport } from '../../src/transport/types.ts';

export const partitions = 4;
const ids = [1, 2, 3];
const cluster = { ...defaultCluster('test'), partitions };
const nodes = new Map(ids.map((id) => [id, `127.0.0.1:${id}`]));
const uuidOf = (id: NodeId): Buffer => Buffer.alloc(16, id);
const record = {
  clusterId: Buffer.alloc(16, 9),
  cluster,
  nodes: new Map(ids.map((id) => [id, uuidOf(id)])),
};
const founding = encodeFounding(record);

/** Empty entries of these terms, as the leaders of partition 0 would have linked them to `before`. */
export function entriesAfter(
  before: LogEntry | undefined,
  terms: readonly number[],
): [LogEntry, ...LogEntry[]] {
  const [term = 0, ...more] = terms;
  const payload = createPayload(Buffer.alloc(0), [], 0);
  const index = (before?.index ?? 0) + 1;
  const entry = { index, term, kind: EntryKind.EMPTY, timeMs: 0, payload, payloadBytes: 0 };
  const chain = entryChain(before?.chain ?? foundingChain(founding, 0), entry);
  const first = { ...entry, chain };
  return more.length === 0 ? [first] : [first, ...entriesAfter(first, more)];
}

/** What a batch was given, as far as these tests look at it. */
export class HandBatch implements Batch {
  readonly hardStates = new Map<number, HardState>();
  readonly entries: number[] = [];
  readonly removed: [from: number, to: number][] = [];
  readonly rows: RowWrite[] = [];
  readonly checkpoints: number[] = [];
  readonly bytes = 0;
  readonly operations = 0;

  putHardState(partition: number, state: HardState): void {
    this.hardStates.set(partition, state);
  }

  putEntry(_: number, entry: { readonly index: number }): void {
    this.entries.push(entry.index);
  }

  removeEntries(_: number, from: number, to: number): void {
    this.removed.push([from, to]);
  }

  putRow(_: number, row: RowWrite): void {
    this.rows.push(row);
  }

  putCheckpoint(_: number, { index }: Checkpoint): void {
    this.checkpoints.push(index);
  }
}

interface Write {
  readonly batch: HandBatch;
  readonly end: (error?: Error) => void;
}

export class OneOfThree {
  readonly node: Node;
  /** Every write that was begun, in order. */
  readonly writes: Write[] = [];
  /** What left, with its partition. */
  sent: { readonly partition: number; readonly message: PeerMessage }[] = [];
  /** Frames that left. */
  frames = 0;
  readonly fatal: string[] = [];
  /** Timers that run. */
  timers: { readonly dueMs: number; readonly call: () => void }[] = [];
  nowMs = 0;
  scan: () => Promise<never[]> = async () => [];
  /** What a read of entries ends with. */
  readError = new Error('reading the store failed');
  /** Turns, and ticks, that were asked for. */
  asked = 0;
  private soon: (() => void)[] = [];
  /** Writes that ended. */
  private ended = 0;

  constructor() {
    this.node = new Node({
      config: {
        ...{ id: 1, address: nodes.get(1) ?? '', nodes, cluster, version: 'test' },
        ...{ limits: defaultLimits, raft: defaultRaftConfig },
      },
      ...{ store: this.store, transport: this.transport, clock: this.clock },
      random: () => 0.5,
      randomBytes,
      log: () => {},
      onFatal: (error) => this.fatal.push(error.message),
    });
  }

  readonly transport: Transport = {
    start: () => {},
    send: (_to, _lane, batch) => {
      this.frames += 1;
      batch.messages.forEach((message, at) => {
        this.sent.push({ partition: batch.partitions[at] ?? -1, message });
      });
      return true;
    },
    helloChanged: () => {},
    connected: () => true,
    lastRefusal: () => null,
    close: async () => {},
  };

  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => Date.UTC(2026, 0, 1) + this.nowMs,
    after: (delayMs, call) => {
      const timer = { dueMs: this.nowMs + delayMs, call };
      this.timers.push(timer);
      const cancel = (): void => {
        this.timers = this.timers.filter((one) => one !== timer);
      };
      return { cancel };
    },
    soon: (call) => {
      this.asked += 1;
      this.soon.push(call);
    },
  };

  readonly store: Store = {
    identity: { formatVersion: 3, uuid: uuidOf(1) },
    founding,
    putFounding: async () => {},
    recover: async (partition) => {
      const base = { index: 0, term: 0, chain: foundingChain(founding, partition), timeMs: 0 };
      const hardState = { term: 0, votedFor: 0, commit: 0 };
      const log = { base, boundary: 0, terms: [], entries: [] };
      return { hardState, log, checkpoint: null };
    },
    createBatch: () => new HandBatch(),
    write: (batch) =>
      new Promise((resolve, reject) => {
        assert(batch instanceof HandBatch, 'only own batches are written');
        const end = (error?: Error) => (error === undefined ? resolve() : reject(error));
        this.writes.push({ batch, end });
      }),
    getRows: async (_, keys) => keys.map(() => null),
    getRowsOfAll: async (requests) => requests.map(({ keys }) => keys.map(() => null)),
    scanRows: () => this.scan(),
    readEntries: () => Promise.reject(this.readError),
    getEntries: () => Promise.reject(this.readError),
    close: async () => {},
  };

  /** Recovers, and has heard both others say who they are. */
  async start(uuids: (id: NodeId) => Buffer = uuidOf): Promise<this> {
    await this.node.start();
    for (const node of [2, 3]) {
      this.node.onHello({
        ...{ version: peerProtocolVersion, cluster: 'test', node, to: 1, storeUuid: uuids(node) },
        ...{ founding, address: '', partitionCount: partitions, mapping: cluster.mapping },
      });
    }
    return this;
  }

  /** A frame from a peer; what follows from it happens at `settle`. */
  receive(partition: number, ...messages: PeerMessage[]): void {
    const [first] = messages;
    const of = { partitions: messages.map(() => partition), messages };
    this.node.onBatch(first?.from ?? 0, 'control', { wallMs: this.clock.wallMs(), ...of });
  }

  /** Runs what is due at once, until nothing is. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i += 1) {
      for (const call of this.soon.splice(0)) call();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Settles, with every write ending well at once. */
  async flush(): Promise<void> {
    for (let ended = this.ended; ; ended = this.ended) {
      await this.settle();
      for (; this.ended < this.writes.length; this.ended += 1) this.writes[this.ended]?.end();
      if (this.ended === ended) return;
    }
  }

  /** Node 2 grants what is asked for in a partition, and acknowledges what it is sent. */
  async answer(partition: number): Promise<void> {
    await this.flush();
    const asked = this.sent.filter((one) => one.partition === partition && one.message.to === 2);
    this.sent = this.sent.filter((one) => !asked.includes(one));
    for (const { message } of asked) {
      const { term } = message;
      const back = { from: 2, to: 1, term };
      if (message.type === 'PreVote' || message.type === 'Vote') {
        const type = message.type === 'Vote' ? 'VoteReply' : 'PreVoteReply';
        const { campaign } = message;
        this.receive(partition, { type, ...back, campaign, granted: true });
      } else if (message.type === 'Append') {
        const match = message.prevIndex + message.entries.length;
        this.receive(partition, { type: 'AppendOk', ...back, match });
      }
    }
    await this.flush();
  }

  /** Makes it the leader of that partition, ready to sequence. */
  async lead(partition: number): Promise<void> {
    this.stall(1100);
    for (let i = 0; i < 4; i += 1) await this.answer(partition);
    assert(this.node.replicas[partition]?.ready === true, 'it leads');
  }

  /** Lets time pass at once, as a stalled process sees it: the timers that are due run, each once. */
  stall(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.timers = this.timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { call } of due) call();
  }

  ofType<T extends PeerMessage['type']>(type: T): PeerMessage[] {
    return this.sent.map(({ message }) => message).filter((message) => message.type === type);
  }
}

export function heartbeat(from: number, term = 1, to = 1): PeerMessage {
  return { type: 'Heartbeat', from, to, term, commit: 0, round: 0 };
}
