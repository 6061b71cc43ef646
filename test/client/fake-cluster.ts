// A cluster behind the ClientTransport, without processes, all of whose partitions have one leader and one
// log: it sequences, commits and answers by the rules of AppendSession, and each step happens when the test
// says so. A deposed leader goes on taking appends that are never committed, until it notices.
import type { ClientTransport, Rpc, Stream, StreamEvents } from '../../src/client/types.ts';
import { PacelineError, type Reason } from '../../src/errors.ts';
import {
  type AppendCommand,
  type AppendResultInput,
  AppendSessionRequest,
  AppendSessionResponse,
  GetPartitionMapResponse,
  ShardMapping,
} from '../../src/gen/proto.ts';

interface Entry {
  readonly conversation: string;
  readonly key: string;
  readonly value: string;
}

interface Answer {
  readonly frame: number;
  readonly group: number;
  readonly results: AppendResultInput[];
}

interface Sequenced extends Answer {
  readonly stream: FakeStream;
  readonly commands: readonly AppendCommand[];
  /** Answered once this many entries of the log are committed. */
  readonly rests: number;
}

interface FakeNode {
  readonly address: string;
  log: Entry[];
  waiting: Sequenced[];
  /** As it knows it. */
  leader: string;
  /** What the next groups are refused with. */
  busy: number;
}

export class FakeStream implements Stream {
  readonly address: string;
  readonly broken = new Set<string>();
  readonly inbox: AppendSessionRequest[] = [];
  readonly answers: Answer[] = [];
  isOpen = true;
  private readonly events: StreamEvents;

  constructor(address: string, events: StreamEvents) {
    this.address = address;
    this.events = events;
  }

  send(request: Buffer): void {
    if (this.isOpen) this.inbox.push(AppendSessionRequest.decode(request));
  }

  close(): void {
    this.isOpen = false;
  }

  deliver(answer: Answer): void {
    if (this.isOpen) this.events.onResponse(AppendSessionResponse.encode({ groups: [answer] }));
  }

  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.events.onEnd(new PacelineError({ reason: 'UNREACHABLE', message: 'cut' }));
  }
}

export class FakeCluster implements ClientTransport {
  readonly nodes: readonly FakeNode[];
  readonly streams: FakeStream[] = [];
  /** Frames sent to any node so far. */
  frames = 0;
  committed: Entry[] = [];
  leader: string;
  /** The node that answers the map, by turns or always the same. */
  mapNode = -1;
  mapCalls = 0;
  private term = 1;
  private readonly partitions: number;

  constructor(addresses: readonly string[] = ['n1:1', 'n2:1', 'n3:1'], partitions = 1) {
    this.partitions = partitions;
    const [leader = ''] = addresses;
    this.leader = leader;
    this.nodes = addresses.map((address) => {
      return { address, log: [], waiting: [], leader, busy: 0 };
    });
  }

  openStream(address: string, _path: string, events: StreamEvents): FakeStream {
    const stream = new FakeStream(address, events);
    this.streams.push(stream);
    return stream;
  }

  async call<Request, RequestInput, Response, ResponseInput>(
    address: string,
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
  ): Promise<Response> {
    this.mapCalls += 1;
    const node = this.nodes[this.mapNode] ?? this.node(address);
    const id = this.nodes.findIndex((each) => each.address === node.leader) + 1;
    const map = GetPartitionMapResponse.encode({
      version: 1,
      partitionCount: this.partitions,
      mapping: ShardMapping.SHARD_MAPPING_MIX,
      nodes: this.nodes.map((each, i) => ({ id: i + 1, address: each.address })),
      leaders: Array.from({ length: this.partitions }, (_, partition) => {
        return { partition, leader: id, term: node.leader === this.leader ? this.term : 1 };
      }),
    });
    return rpc.response.decode(map);
  }

  close(): void {}

  get openStreams(): FakeStream[] {
    return this.streams.filter(({ isOpen }) => isOpen);
  }

  /** The node takes the oldest frame of the stream. False: there is none. */
  take(stream: FakeStream): boolean {
    const request = stream.inbox.shift();
    if (request === undefined) return false;
    this.frames += 1;
    for (const [group, { restart, commands }] of request.groups.entries()) {
      for (const conversation of restart) stream.broken.delete(conversation);
      this.sequence(stream, { frame: Number(request.frame), group }, commands);
    }
    return true;
  }

  /** The leader's oldest waiting groups become committed. */
  commit(groups: number): boolean {
    const leader = this.node(this.leader);
    const done = leader.waiting.splice(0, groups);
    const upTo = Math.max(this.committed.length, ...done.map(({ rests }) => rests));
    this.committed = leader.log.slice(0, upTo);
    for (const { stream, frame, group, results } of done) {
      stream.answers.push({ frame, group, results });
    }
    return done.length > 0;
  }

  /** One of the answers reaches the client, not always the oldest. */
  deliver(stream: FakeStream, choice: number): boolean {
    const [answer] = stream.answers.splice(choice % Math.max(1, stream.answers.length), 1);
    if (answer !== undefined) stream.deliver(answer);
    return answer !== undefined;
  }

  /** Another node leads, with some of what the old one had not yet committed; the old one goes on. */
  elect(choice: number): void {
    const old = this.node(this.leader);
    const others = this.nodes.filter((each) => each !== old);
    const next = others[choice % others.length];
    if (next === undefined) return;
    const ends = [this.committed.length, ...old.waiting.map(({ rests }) => rests)];
    next.log = old.log.slice(0, ends[choice % ends.length]);
    this.committed = next.log;
    this.term += 1;
    this.leader = next.address;
    this.failWaiting(next);
    next.leader = next.address;
  }

  /** A node hears who leads; what waits there is answered as a deposed leader answers. */
  notice(node: FakeNode): void {
    node.leader = this.leader;
    if (node.address !== this.leader) this.failWaiting(node);
  }

  node(address: string): FakeNode {
    const found = this.nodes.find((each) => each.address === address);
    if (found === undefined) throw new Error(`there is no node ${address}`);
    return found;
  }

  /** Its term ended. */
  private failWaiting(node: FakeNode): void {
    for (const { stream, frame, group, commands, results } of node.waiting.splice(0)) {
      const failed = results.map((result, slot) => {
        stream.broken.add(commands[slot]?.conversation ?? '');
        return this.refusal(node, result.error ? 'NOT_LEADER' : 'OUTCOME_UNKNOWN');
      });
      stream.answers.push({ frame, group, results: failed });
    }
  }

  private sequence(
    stream: FakeStream,
    at: { frame: number; group: number },
    commands: readonly AppendCommand[],
  ): void {
    const node = this.node(stream.address);
    const whole = this.refuseWhole(node);
    const results = commands.map((command) => {
      const result = whole ?? this.decide(node, stream, command);
      if (result.error) stream.broken.add(command.conversation);
      return result;
    });
    if (whole !== null) stream.answers.push({ ...at, results });
    else node.waiting.push({ ...at, stream, commands, results, rests: node.log.length });
  }

  private refuseWhole(node: FakeNode): AppendResultInput | null {
    if (node.leader !== node.address) return this.refusal(node, 'NOT_LEADER');
    if (node.busy === 0) return null;
    node.busy -= 1;
    return this.refusal(node, 'BUSY');
  }

  private decide(node: FakeNode, stream: FakeStream, command: AppendCommand): AppendResultInput {
    const { conversation, key, body, expectedSeq } = command;
    if (stream.broken.has(conversation)) return this.refusal(node, 'SESSION_ORDER');
    const value = Buffer.from(body).toString();
    const own = node.log.filter((entry) => entry.conversation === conversation);
    const before = own.findIndex((entry) => entry.key === key);
    if (before >= 0) return stored(before + 1, true);
    const expects = Object.hasOwn(command, 'expectedSeq');
    if (expects && Number(expectedSeq) !== own.length) {
      const error = { reason: 'EXPECTED_SEQ_MISMATCH', message: 'head', actual: own.length };
      return { error };
    }
    node.log.push({ conversation, key, value });
    return stored(own.length + 1, false);
  }

  private refusal(node: FakeNode, reason: Reason): AppendResultInput {
    const leaderAddress = node.leader === node.address ? '' : node.leader;
    return { error: { reason, message: reason, leaderAddress } };
  }
}

function stored(seq: number, duplicate: boolean): AppendResultInput {
  return { seq, rev: seq, id: seq, index: seq, term: 1, duplicate };
}
