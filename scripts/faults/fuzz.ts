// Random bytes, changed frames and frames that look right, on every rpc of every node: no node ends or
// logs an error of its own, every group is answered, what was refused is not stored, and what was
// acknowledged is.
import { Client, credentials } from '@grpc/grpc-js';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { Stream } from '../../src/client/types.ts';
import { type AppendResult, AppendSessionResponse } from '../../src/gen/proto.ts';
import { appendSessionPath, rpcs, subscribePath } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault } from '../harness/fault.ts';
import { readWhole } from '../harness/follow.ts';
import { FuzzInput, fuzzRooms, markOf } from '../harness/fuzz-input.ts';
import { createClient } from '../harness/load.ts';
import { until } from '../harness/until.ts';

const framesUnanswered = 16;
const settleMs = 3000;
const unaryPauseMs = 5;

export const fault: Fault = {
  about: 'random bytes and random frames to every rpc for --seconds N (300)',
  option: 'seconds',
  limitMs: 420_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const pids = cluster.nodes.map(({ pid }) => pid);
    const endMs = performance.now() + run.option('seconds', 300) * 1000;
    const sessions = [0, 1, 2, 3, 4, 5].map((i) => new FuzzSession(cluster, i));
    const unary = cluster.nodes.map((node) => fuzzUnary(node.address, endMs));
    await Promise.all(sessions.map((session) => session.run(endMs)));
    const calls = (await Promise.all(unary)).reduce((sum, count) => sum + count, 0);
    for (const session of sessions) session.close();
    const fates = new Map(sessions.flatMap(({ fates }) => [...fates]));
    run.say(`${fates.size} marked commands, ${calls} unary calls; now what is stored is read`);
    await cluster.ready();
    await cluster.caughtUp();
    const stored = await storedMarks(cluster);
    const problems = [
      ...pids.flatMap((pid, i) =>
        cluster.nodes[i]?.pid === pid && cluster.nodes[i]?.isRunning ? [] : [`node ${i + 1} ended`],
      ),
      ...sessions.flatMap(({ problems: own }) => own),
      ...[...fates].flatMap(([mark, fate]) => wrong(mark, fate, stored.get(mark) ?? 0)),
      ...cluster.fatalLines(),
    ];
    for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
    const byFate: Record<string, number> = {};
    for (const fate of fates.values()) byFate[fate] = (byFate[fate] ?? 0) + 1;
    return {
      ok: problems.length === 0 && (byFate['stored'] ?? 0) > 1000,
      faultsDone: sessions.reduce((sum, { frames }) => sum + frames, 0) + calls,
      figures: {
        streams: sessions.reduce((sum, { streams }) => sum + streams, 0),
        unary_calls: calls,
        stored_marks: stored.size,
        by_fate: byFate,
        problems: problems.slice(0, 20),
      },
    };
  },
};

/** '' where all is well. A retry under a shared key may be a duplicate of another mark. */
function wrong(mark: string, fate: string, times: number): string[] {
  if (times > 1) return [`${mark} is stored ${times} times`];
  if (fate === 'stored' && times === 0) return [`${mark} was acknowledged and is not stored`];
  const mayBe = ['stored', 'held', 'unanswered', 'OUTCOME_UNKNOWN', 'event'];
  if (times === 1 && !mayBe.includes(fate)) return [`${mark} was refused (${fate}) and is stored`];
  return [];
}

/** By mark: how often it stands in the rooms, as their own senders see them. */
async function storedMarks(cluster: Cluster): Promise<Map<string, number>> {
  const stored = new Map<string, number>();
  const client = createClient(cluster.servers);
  for (const room of fuzzRooms) {
    const senders = ['sender-0', 'sender-1', 'sender-2', 'sender-3'];
    const seen = new Map<number, string>();
    for (const viewer of senders) {
      for (const { seq, value } of await readWhole(client, room, viewer)) {
        const mark = markOf(value);
        if (mark !== undefined) seen.set(seq, mark);
      }
    }
    for (const mark of seen.values()) stored.set(mark, (stored.get(mark) ?? 0) + 1);
  }
  await client.close();
  return stored;
}

/** A stream to one node, opened again whenever the node ends it. */
class FuzzSession {
  /** By mark. */
  readonly fates = new Map<string, string>();
  readonly problems: string[] = [];
  frames = 0;
  streams = 0;
  private readonly transport = createGrpcClientTransport();
  private readonly cluster: Cluster;
  private readonly address: string;
  private readonly input: FuzzInput;
  private stream: Stream | null = null;
  /** Marks of frames without an answer yet, by frame. */
  private waiting = new Map<number, (readonly string[] | null)[]>();
  private held = new Map<string, string>();
  private blind = false;

  constructor(cluster: Cluster, i: number) {
    this.cluster = cluster;
    this.address = cluster.nodes[i % cluster.nodes.length]?.address ?? '';
    this.input = new FuzzInput(Math.random, `s${i}`);
  }

  async run(endMs: number): Promise<void> {
    while (performance.now() < endMs) {
      if (this.waiting.size < framesUnanswered) this.send();
      await new Promise((resolve) =>
        setTimeout(resolve, this.waiting.size < framesUnanswered ? 0 : 1),
      );
    }
    await until('every frame is answered', settleMs * 4, () => this.waiting.size === 0).catch(
      () => {
        this.problems.push(`${this.waiting.size} frames were never answered`);
      },
    );
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }

  close(): void {
    this.stream?.close();
    this.transport.close();
  }

  private send(): void {
    this.frames += 1;
    const { bytes, marks } = this.input.frame(this.frames, this.cluster.partitions);
    const stream = this.stream ?? this.open();
    if (marks === null) this.blind = true;
    else {
      for (const mark of marks.flat()) this.fates.set(mark, 'unanswered');
      this.waiting.set(this.frames, [...marks]);
    }
    stream.send(bytes);
  }

  private open(): Stream {
    this.streams += 1;
    const stream = this.transport.openStream(this.address, appendSessionPath, {
      onResponse: (bytes) => {
        if (this.stream === stream) this.take(bytes);
      },
      onEnd: () => {
        if (this.stream !== stream) return;
        // Only what cannot be read may end it.
        if (!this.blind) this.problems.push('a stream of readable frames was ended');
        this.blind = false;
        this.stream = null;
        this.waiting.clear();
        this.held.clear();
      },
    });
    this.stream = stream;
    return stream;
  }

  private take(bytes: Buffer): void {
    const response = AppendSessionResponse.decode(bytes);
    for (const { frame, group, results } of response.groups) {
      const groups = this.waiting.get(Number(frame));
      const marks = groups?.[group];
      if (groups === undefined || marks == null) continue;
      groups[group] = null;
      if (groups.every((each) => each === null)) this.waiting.delete(Number(frame));
      if (results.length !== marks.length)
        this.problems.push('a group has not one result a command');
      for (const [slot, mark] of marks.entries()) {
        const result = results[slot];
        if (result === undefined) continue;
        this.fates.set(mark, fateOf(result));
        if (result.held !== null) this.held.set(`${frame}/${group}/${slot}`, mark);
      }
    }
    for (const { frame, group, slot, result } of response.held) {
      const mark = this.held.get(`${frame}/${group}/${slot}`);
      if (mark !== undefined && result !== null) this.fates.set(mark, fateOf(result));
    }
  }
}

function fateOf({ error, held, duplicate, seq }: AppendResult): string {
  if (error !== null) return error.reason;
  if (held !== null) return 'held';
  if (duplicate) return 'duplicate';
  return seq.eq(0) ? 'event' : 'stored';
}

/** Random bytes to the other rpcs. Resolves with how many calls it made. */
async function fuzzUnary(address: string, endMs: number): Promise<number> {
  const client = new Client(address, credentials.createInsecure());
  const input = new FuzzInput(Math.random, 'u');
  const paths = [rpcs.append, rpcs.read, rpcs.batchGetHeads, rpcs.getPartitionMap, rpcs.getStatus];
  const identity = (bytes: Buffer) => bytes;
  let calls = 0;
  while (performance.now() < endMs) {
    const path = paths[calls % paths.length]?.path ?? '';
    const deadline = Date.now() + 3000;
    await new Promise<void>((resolve) => {
      client.makeUnaryRequest(path, identity, identity, input.bytes(80), { deadline }, () =>
        resolve(),
      );
    });
    const stream = client.makeBidiStreamRequest(subscribePath, identity, identity);
    stream.on('error', () => {});
    stream.on('data', () => {});
    stream.write(input.bytes(60));
    setTimeout(() => stream.cancel(), 100);
    calls += 1;
    await new Promise((resolve) => setTimeout(resolve, unaryPauseMs));
  }
  client.close();
  return calls;
}
