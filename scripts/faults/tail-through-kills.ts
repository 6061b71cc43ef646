// kill -9 of the leader of a busy conversation, again and again, at 1,000 messages/s: a subscription to
// the conversation and a tail of its partition see every message once, in order.
import type { PacelineClient } from '../../src/client/client.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import {
  difference,
  Follower,
  missing,
  type Quantiles,
  quantiles,
  readWhole,
} from '../harness/follow.ts';
import { createClient } from '../harness/load.ts';
import { Pace } from '../harness/pace.ts';
import { partitionIn } from '../harness/partitions.ts';
import { until } from '../harness/until.ts';

const rooms = Array.from({ length: 50 }, (_, i) => `g:room${i}`);
const busy = 'g:room0';
/** One in so many goes to the busy conversation. */
const busyShare = 4;
const perSecond = 1000;
const calmMs = 10_000;

interface Scene {
  readonly run: FaultRun;
  readonly cluster: Cluster;
  readonly client: PacelineClient;
  readonly pace: Pace;
  readonly partition: number;
}

export const fault: Fault = {
  about: 'kill -9 of leaders under two live streams; --times N (10)',
  option: 'times',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    const conversation = (n: number) =>
      n % busyShare === 0 ? busy : (rooms[n % rooms.length] ?? busy);
    const pace = new Pace({ client, perSecond, conversation });
    const partition = partitionIn(busy, cluster.partitions);
    const scene: Scene = { run, cluster, client, pace, partition };
    const messages = new Follower(client, { conversation: busy }, pace);
    const tail = new Follower(client, { partition }, pace);
    pace.start();
    const calm = await calmPhase(scene);
    const [before, tailBefore] = [messages.delaysMs.length, tail.delaysMs.length];
    for (let i = 0; i < run.option('times', 10); i++) await killLeader(scene, i);
    await pace.stop();
    const problems = await judge(scene, messages, tail);
    await client.close();
    const fatal = cluster.fatalLines();
    return {
      ok: problems.length === 0 && fatal.length === 0,
      faultsDone: run.option('times', 10),
      figures: {
        calm,
        kills_conversation: quantiles(messages.delaysMs.slice(before)),
        kills_partition: quantiles(tail.delaysMs.slice(tailBefore)),
        appended: pace.appends.size,
        acknowledged: pace.acknowledged,
        refused: Object.fromEntries(pace.refused),
        in_conversation: messages.seen.length,
        in_partition: tail.seen.length,
        problems,
        fatal,
      },
    };
  },
};

/** From append call to delivery at the leader's node and at a follower's. */
async function calmPhase({ run, cluster, client, pace, partition }: Scene) {
  const leader = (await cluster.leaders())[partition] ?? 0;
  const nodes = { leader: cluster.node(leader), follower: cluster.node((leader % 3) + 1) };
  const followers = Object.entries(nodes).flatMap(([role, { address: server }]) => [
    {
      name: `${role}_conversation`,
      follower: new Follower(client, { conversation: busy, server }, pace),
    },
    { name: `${role}_partition`, follower: new Follower(client, { partition, server }, pace) },
  ]);
  await until('they caught up', 10_000, () => followers.every((each) => each.follower.caughtUp));
  await warmUp(pace);
  for (const { follower } of followers) follower.delaysMs = [];
  const endMs = performance.now() + calmMs;
  await until('the calm phase ends', calmMs + 1000, () => performance.now() >= endMs);
  const calm: Record<string, Quantiles> = {};
  for (const { name, follower } of followers) {
    calm[name] = quantiles(follower.delaysMs);
    run.say(`calm, ${name}: ${JSON.stringify(calm[name])}`);
    await follower.stop();
  }
  return calm;
}

async function warmUp(pace: Pace): Promise<void> {
  const goal = pace.acknowledged + 2 * perSecond;
  await until('the processes are warm', 10_000, () => pace.acknowledged >= goal);
}

/** Of the partition that is tailed; it starts again once the load goes on under another. */
async function killLeader({ run, cluster, pace, partition }: Scene, i: number): Promise<void> {
  await cluster.ready();
  const leader = (await cluster.leaders())[partition] ?? 0;
  const startedMs = performance.now();
  await cluster.node(leader).kill();
  const called = pace.appends.size;
  await until('an append after the kill is stored', 20_000, () => {
    const after = [...pace.appends.values()].slice(called);
    return after.some(({ conversation, seq }) => conversation === busy && seq > 0);
  });
  const ms = Math.round(performance.now() - startedMs);
  cluster.node(leader).start();
  await cluster.caughtUp();
  const { acknowledged } = pace;
  await until('the load goes on', 10_000, () => pace.acknowledged >= acknowledged + perSecond);
  run.say(`kill ${i + 1}: node ${leader}; the busy conversation goes on after ${ms} ms`);
}

async function judge(scene: Scene, messages: Follower, tail: Follower): Promise<string[]> {
  const { run, cluster, client, pace, partition } = scene;
  await cluster.settled();
  const truth = await readWhole(client, busy);
  const again = new Follower(client, { partition });
  await until('the second tail is there', 20_000, () => again.caughtUp);
  const isThere = () =>
    messages.seen.length >= truth.length && tail.seen.length >= again.seen.length;
  await until('the streams are there', 20_000, isThere).catch((error) => run.say(String(error)));
  await Promise.all([messages.stop(), tail.stop(), again.stop()]);
  const problems = [
    difference('the subscription', messages.seen, truth),
    difference('the tail', tail.seen, again.seen),
    ...missing(pace, busy, truth),
    ...[messages, tail, again].map(({ error }) => (error === null ? '' : String(error))),
  ];
  for (const room of rooms) {
    if (partitionIn(room, cluster.partitions) !== partition) continue;
    const stored = again.seen.filter(({ conversation }) => conversation === room);
    problems.push(...missing(pace, room, stored));
  }
  if (messages.resets + tail.resets > 0) problems.push('a stream was reset');
  const found = problems.filter((problem) => problem !== '').slice(0, 20);
  for (const problem of found) run.say(`VIOLATION ${problem}`);
  return found;
}
