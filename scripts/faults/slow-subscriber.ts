// Subscribers that stop reading for a minute under load: one gives no credits (the SDK), one does not
// read its stream in spite of a million credits, one not even its socket. The memory of their node, a
// follower, grows by less than 8 MiB more than that of the others (their median: all work alike), who
// reads beside them is served as well as at the other follower, and afterwards all three get everything (the third is cut off by the node's keepalive
// and comes back).
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { SubscribeRequest, SubscribeResponse } from '../../src/gen/proto.ts';
import { subscribePath } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault } from '../harness/fault.ts';
import { Follower, missing, type Quantiles, quantiles, readWhole } from '../harness/follow.ts';
import { createClient } from '../harness/load.ts';
import { Pace } from '../harness/pace.ts';
import { partitionIn } from '../harness/partitions.ts';
import { NodeProxy } from '../harness/proxy.ts';
import { until } from '../harness/until.ts';

const conversation = 'g:slow';
const rooms = Array.from({ length: 20 }, (_, i) => `g:other${i}`);
const perSecond = 2000;
const bodyBytes = 1024;
const warmUpMs = 25_000;
/** Memory is the least of so long: what a collection leaves. */
const sampleMs = 8000;
const growthMax = 8 * 2 ** 20;
const caughtUpDeadlineMs = 30_000;
/** The p99 of who reads beside them, against that at the other follower at the same time. */
const slowerMax = 2;
const slowerMaxMs = 20;

type Memory = readonly number[];

export const fault: Fault = {
  about: 'subscribers that stop reading for --seconds N (60) under load',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster({ flags: ['--log-level', 'warn'] });
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    const pace = new Pace({
      ...{ client, perSecond, bodyBytes },
      conversation: (n) => (n % 2 === 0 ? conversation : (rooms[n % rooms.length] ?? '')),
    });
    const { slow, control, leader } = await roles(cluster);
    const followers = [slow, control].map(
      ({ address: server }) => new Follower(client, { conversation, server }, pace),
    );
    pace.start();
    await pause(warmUpMs);
    for (const follower of followers) follower.delaysMs = [];
    const before = await memory(cluster);
    const calm = followers.map(({ delaysMs }) => quantiles(delaysMs));
    const afterSeq = followers[0]?.seen.at(-1)?.seq ?? 0;
    const server = slow.address;
    const sdk = client.subscribe({ conversation, afterSeq, server });
    const raw = await RawSubscriber.open('stream', server, afterSeq);
    const deaf = await RawSubscriber.open('socket', server, afterSeq);
    run.say('three subscribers have stopped reading');
    for (const follower of followers) follower.delaysMs = [];
    await pause(run.option('seconds', 60) * 1000 - sampleMs);
    const after = await memory(cluster);
    const stalled = followers.map(({ delaysMs }) => quantiles(delaysMs));
    await pace.stop();
    const truth = await readWhole(client, conversation);
    const goal = truth.slice(afterSeq).map(({ seq }) => seq);
    const seqs = { sdk: [] as number[], raw: raw.seqs, deaf: deaf.seqs };
    run.say('they read again');
    raw.resume();
    deaf.resume();
    for await (const event of sdk) {
      if (event.kind === 'message' && seqs.sdk.push(event.message.seq) === goal.length) break;
    }
    await until('the raw streams have all', caughtUpDeadlineMs, () =>
      [raw, deaf].every((each) => each.seqs.length >= goal.length),
    );
    raw.close();
    deaf.close();
    for (const follower of followers) await follower.stop();
    await client.close();
    const grew = cluster.nodes.map((_, i) => (after[i] ?? 0) - (before[i] ?? 0));
    const others = grew.filter((_, i) => i !== slow.id - 1).sort((a, b) => a - b);
    const more = (grew[slow.id - 1] ?? 0) - ((others[0] ?? 0) + (others[1] ?? 0)) / 2;
    const problems = [
      ...missing(pace, conversation, truth),
      ...Object.entries(seqs).map(([name, got]) => (same(got, goal) ? '' : `${name} differs`)),
      ...followers.map(({ seen }) => (seen.length === truth.length ? '' : 'a reader lacks some')),
      more < growthMax ? '' : `the node grew by ${mib(more)} MiB more than the others`,
      slowdown(stalled[0], stalled[1]),
      ...cluster.fatalLines(),
    ].filter((problem) => problem !== '');
    for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
    return {
      ok: problems.length === 0,
      faultsDone: 3,
      figures: {
        nodes: { slow: slow.id, control: control.id, leader },
        rss_anon_before_mib: before.map(mib),
        rss_anon_after_mib: after.map(mib),
        grew_mib: grew.map(mib),
        grew_more_mib: mib(more),
        cut_off: { raw: raw.cuts, deaf: deaf.cuts },
        beside_and_elsewhere_calm: calm,
        beside_and_elsewhere_stalled: stalled,
        appended: pace.appends.size,
        acknowledged: pace.acknowledged,
        missed_while_stopped: goal.length,
        problems: problems.slice(0, 20),
      },
    };
  },
};

/** Both are followers of the slow conversation, which does the same to them. */
async function roles(cluster: Cluster) {
  const partition = partitionIn(conversation, cluster.partitions);
  const leader = (await cluster.leaders())[partition] ?? 0;
  const [slow, control] = cluster.nodes.filter(({ id }) => id !== leader);
  if (slow === undefined || control === undefined) throw new Error('there are three nodes');
  return { slow, control, leader };
}

/** RssAnon of each node: the least over a while. */
async function memory(cluster: Cluster): Promise<Memory> {
  const least = cluster.nodes.map(() => Number.POSITIVE_INFINITY);
  const endMs = performance.now() + sampleMs;
  while (performance.now() < endMs) {
    for (const [i, node] of cluster.nodes.entries()) {
      least[i] = Math.min(least[i] ?? 0, node.rssAnon());
    }
    await pause(100);
  }
  return least;
}

function slowdown(beside: Quantiles | undefined, elsewhere: Quantiles | undefined): string {
  const [p99Ms, otherMs] = [beside?.p99_ms ?? 0, elsewhere?.p99_ms ?? 0];
  if (p99Ms <= otherMs * slowerMax + slowerMaxMs) return '';
  return `p99 beside the slow ones was ${p99Ms} ms, at the other follower ${otherMs} ms`;
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((seq, i) => seq === other[i]);
}

function mib(bytes: number): number {
  return Number((bytes / 2 ** 20).toFixed(1));
}

/** A stream of its own connection, by which a million messages may come, and which is not read. */
class RawSubscriber {
  readonly seqs: number[] = [];
  /** How often its stream was ended by the node. */
  cuts = 0;
  private reading = false;
  private isClosed = false;
  private readonly proxy: NodeProxy;
  private readonly client: Client;
  private readonly afterSeq: number;
  private stream: ClientDuplexStream<Buffer, Buffer>;

  private constructor(proxy: NodeProxy, afterSeq: number) {
    this.proxy = proxy;
    this.afterSeq = afterSeq;
    this.client = new Client(proxy.address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
    });
    this.stream = this.subscribe();
  }

  /** Resolves once it has received something, from when on nothing is read. */
  static async open(
    what: 'stream' | 'socket',
    address: string,
    afterSeq: number,
  ): Promise<RawSubscriber> {
    const proxy = await NodeProxy.create(address);
    const raw = new RawSubscriber(proxy, afterSeq);
    await until('the raw stream flows', 10_000, () => raw.seqs.length > 0);
    if (what === 'socket') proxy.stalled = true;
    else raw.stream.pause();
    return raw;
  }

  /** Goes on after what it has, by a new stream where the old one is found cut off. */
  resume(): void {
    this.reading = true;
    this.proxy.stalled = false;
    this.stream.resume();
  }

  close(): void {
    this.isClosed = true;
    this.stream.cancel();
    this.client.close();
    this.proxy.close();
  }

  private subscribe(): ClientDuplexStream<Buffer, Buffer> {
    const identity = (bytes: Buffer) => bytes;
    const stream = this.client.makeBidiStreamRequest(subscribePath, identity, identity);
    stream.on('data', (bytes: Buffer) => {
      const { messages } = SubscribeResponse.decode(bytes);
      for (const { seq } of messages) this.seqs.push(Number(seq));
    });
    stream.on('error', () => {
      if (!this.reading || this.isClosed) return;
      this.cuts += 1;
      this.stream = this.subscribe();
    });
    const afterSeq = this.seqs.at(-1) ?? this.afterSeq;
    stream.write(
      SubscribeRequest.encode({ start: { conversation, afterSeq, credits: 1_000_000 } }),
    );
    return stream;
  }
}

/** Time under load is what is tested: nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
