// Subscribers that stop reading for a minute under load: one gives no credits (the SDK), one does not
// read its stream in spite of a million credits, one not even its socket. The memory of their node, a
// follower, grows by less than 8 MiB, who reads beside them is served as well as at the other follower,
// and afterwards all three get everything (the third is cut off by the node's keepalive and comes
// back). Negative control, first: a node made deaf to full streams must be seen to grow by more.
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { Follower, missing, type Quantiles, quantiles, readWhole } from '../harness/follow.ts';
import { createClient } from '../harness/load.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import { Pace } from '../harness/pace.ts';
import { partitionIn } from '../harness/partitions.ts';
import { RawSubscriber } from '../harness/raw-subscriber.ts';
import { until } from '../harness/until.ts';

const conversation = 'g:slow';
const rooms = Array.from({ length: 20 }, (_, i) => `g:other${i}`);
/** 1.2 MB/s to who does not read: a leak shows. More, smaller messages make V8's heap breathe more. */
const perSecond = 600;
const bodyBytes = 4096;
const warmUpMs = 30_000;
const controlMs = 30_000;
/** Memory is the least of so long: what a collection leaves. */
const sampleMs = 8000;
const growthMax = 8 * 2 ** 20;
const caughtUpDeadlineMs = 30_000;
/** The p99 of who reads beside them, against that at the other follower at the same time. */
const slowerMax = 2;
const slowerMaxMs = 20;
/** Preloaded into a node: it no longer hears that a stream is full, and goes on writing. */
const deafToFullStreams = `data:text/javascript,${encodeURIComponent(
  `import { Duplex } from 'node:stream';
   const { write } = Duplex.prototype;
   Duplex.prototype.write = function (...rest) { write.apply(this, rest); return true; };`,
)}`;

type Memory = readonly number[];

export const fault: Fault = {
  about: 'subscribers that stop reading for --seconds N (60) under load',
  option: 'seconds',
  limitMs: 240_000,
  async run(run) {
    const control = await new Scene(run, 'control').play(controlMs, deafToFullStreams);
    run.say(`a node deaf to full streams grew by ${mib(control.grewBytes)} MiB`);
    const stallMs = run.option('seconds', 60) * 1000;
    const { grewBytes, problems, figures } = await new Scene(run, 'real').play(stallMs, null);
    if (grewBytes >= growthMax) problems.push(`the node grew by ${mib(grewBytes)} MiB`);
    if (control.grewBytes < growthMax) problems.push('the control was not seen to grow');
    for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
    return {
      ok: problems.length === 0,
      faultsDone: 3,
      figures: {
        grew_mib: mib(grewBytes),
        control_grew_mib: mib(control.grewBytes),
        ...figures,
        problems: problems.slice(0, 20),
      },
    };
  },
};

interface SceneEnd {
  /** Of the node with the slow subscribers. */
  readonly grewBytes: number;
  readonly problems: string[];
  readonly figures: Readonly<Record<string, unknown>>;
}

/** One cluster under load, whose slow node may have something preloaded. */
class Scene {
  private readonly run: FaultRun;
  private readonly name: string;

  constructor(run: FaultRun, name: string) {
    this.run = run;
    this.name = name;
  }

  async play(stallMs: number, preloaded: string | null): Promise<SceneEnd> {
    const { run, name } = this;
    const directory = `${run.directory}/${name}`;
    const cluster = await run.cluster({ directory, flags: ['--log-level', 'warn'] });
    cluster.start();
    await cluster.ready();
    const { slow, other, leader } = await roles(cluster);
    if (preloaded !== null) {
      await slow.kill();
      slow.start({ env: { NODE_OPTIONS: `--import=${preloaded}` } });
      await cluster.ready();
    }
    const client = createClient(cluster.servers);
    const pace = new Pace({
      ...{ client, perSecond, bodyBytes },
      conversation: (n) => (n % 2 === 0 ? conversation : (rooms[n % rooms.length] ?? '')),
    });
    const followers = [slow, other].map(
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
    const raw = await RawSubscriber.open('stream', server, conversation, afterSeq);
    const deaf = await RawSubscriber.open('socket', server, conversation, afterSeq);
    run.say(`${name}: three subscribers have stopped reading`);
    for (const follower of followers) follower.delaysMs = [];
    await pause(stallMs - sampleMs);
    const after = await memory(cluster);
    const stalled = followers.map(({ delaysMs }) => quantiles(delaysMs));
    await pace.stop();
    const truth = await readWhole(client, conversation);
    const goal = truth.slice(afterSeq).map(({ seq }) => seq);
    const seqs = { sdk: [] as number[], raw: raw.seqs, deaf: deaf.seqs };
    run.say(`${name}: they read again`);
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
    const fatal = cluster.fatalLines();
    await cluster.close();
    const grew = cluster.nodes.map((_, i) => (after[i] ?? 0) - (before[i] ?? 0));
    const problems = [
      ...missing(pace, conversation, truth),
      ...Object.entries(seqs).map(([who, got]) => (same(got, goal) ? '' : `${who} differs`)),
      ...followers.map(({ seen }) => (seen.length === truth.length ? '' : 'a reader lacks some')),
      slowdown(stalled[0], stalled[1]),
      ...fatal,
    ].filter((problem) => problem !== '');
    return {
      grewBytes: grew[slow.id - 1] ?? 0,
      problems,
      figures: {
        nodes: { slow: slow.id, other: other.id, leader },
        rss_anon_before_mib: before.map(mib),
        rss_anon_after_mib: after.map(mib),
        cut_off: { raw: raw.cuts, deaf: deaf.cuts },
        beside_and_elsewhere_calm: calm,
        beside_and_elsewhere_stalled: stalled,
        appended: pace.appends.size,
        acknowledged: pace.acknowledged,
        missed_while_stopped: goal.length,
      },
    };
  }
}

/** Both are followers of the slow conversation, which does the same to them. */
async function roles(
  cluster: Cluster,
): Promise<{ slow: NodeProcess; other: NodeProcess; leader: number }> {
  const partition = partitionIn(conversation, cluster.partitions);
  const leader = (await cluster.leaders())[partition] ?? 0;
  const [slow, other] = cluster.nodes.filter(({ id }) => id !== leader);
  if (slow === undefined || other === undefined) throw new Error('there are three nodes');
  return { slow, other, leader };
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

/** Time under load is what is tested: nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
