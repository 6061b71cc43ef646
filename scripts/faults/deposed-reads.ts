// LINEARIZABLE reads of a leader that others have replaced without its knowledge: stopped in its tracks and
// asked as it wakes, or cut off alive while a client beside it reads on. Never an answer older than what
// the new leader had acknowledged before the read began. What counts is a partition so judged.
import type { ClientTransport } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { ReadLevel } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { FreshReads } from '../harness/fresh-reads.ts';
import { conversationIn } from '../harness/partitions.ts';
import { PeerLinks } from '../harness/peer-links.ts';
import { until } from '../harness/until.ts';

/** In each partition. */
const readEveryMs = 10;
const callDeadlineMs = 10_000;
const replacedDeadlineMs = 20_000;

interface Scene {
  readonly run: FaultRun;
  readonly cluster: Cluster;
  readonly links: PeerLinks;
  readonly transport: ClientTransport;
  /** Newest acknowledged seq of each partition's conversation. */
  readonly acknowledged: number[];
}

/** A leader that is about to be replaced. */
interface Victim {
  readonly id: number;
  readonly address: string;
  /** Partitions it led. */
  readonly led: readonly number[];
}

interface Kind {
  readonly name: string;
  /** How many partitions were judged. */
  readonly round: (scene: Scene, reads: FreshReads) => Promise<number>;
}

const kinds: readonly Kind[] = [
  { name: 'stopped', round: (scene, reads) => stopLeader(scene, reads, false) },
  { name: 'stopped_deaf', round: (scene, reads) => stopLeader(scene, reads, true) },
  { name: 'cut_off', round: cutLeaderOff },
];

export const fault: Fault = {
  about: 'LINEARIZABLE reads of leaders replaced while stopped or cut off; --times N of each (200)',
  option: 'times',
  limitMs: 900_000,
  async run(run) {
    const cluster = await run.cluster();
    const links = await PeerLinks.create(cluster);
    links.start();
    await cluster.ready();
    const transport = links.directTransport();
    const acknowledged = new Array<number>(cluster.partitions).fill(0);
    const scene: Scene = { run, cluster, links, transport, acknowledged };
    const times = run.option('times', 200);
    const figures: Record<string, unknown> = {};
    let ok = true;
    let faultsDone = 0;
    for (const { name, round } of kinds) {
      const reads = new FreshReads(run, transport);
      let judged = 0;
      let rounds = 0;
      for (; judged < times; rounds++) judged += await round(scene, reads);
      figures[name] = { rounds, judged, ...reads.figures };
      run.say(`${name}: ${JSON.stringify(figures[name])}`);
      ok &&= reads.older === 0 && reads.fresh > 0;
      faultsDone += judged;
    }
    transport.close();
    links.close();
    const fatal = cluster.fatalLines();
    return { ok: ok && fatal.length === 0, faultsDone, figures: { ...figures, fatal } };
  },
};

/**
 * What it is asked waits in its sockets as it wakes, beside what the new leaders have sent it; where it is
 * deaf, it wakes to the questions alone.
 */
async function stopLeader(scene: Scene, reads: FreshReads, deaf: boolean): Promise<number> {
  const { cluster, links, transport } = scene;
  const victim = await chooseVictim(scene);
  const reading = await Reading.begin(scene, victim, reads);
  const node = cluster.node(victim.id);
  node.signal('SIGSTOP');
  if (deaf) for (const { id } of cluster.nodes) if (id !== victim.id) links.mute(id, victim.id);
  await appendAtNewLeaders(scene, victim);
  reading.readAll();
  node.signal('SIGCONT');
  // Answered behind what waited in its sockets.
  await transport.call(victim.address, rpcs.getStatus, {}, callDeadlineMs);
  await links.heal();
  return reading.end();
}

/** It lives; only the other nodes cannot be reached, nor reach it. */
async function cutLeaderOff(scene: Scene, reads: FreshReads): Promise<number> {
  const { cluster, links } = scene;
  const victim = await chooseVictim(scene);
  const reading = await Reading.begin(scene, victim, reads);
  let resets = 0;
  for (const { id } of cluster.nodes) if (id !== victim.id) resets += links.sever(victim.id, id);
  if (resets === 0) throw new Error('there was nothing to cut');
  await appendAtNewLeaders(scene, victim);
  reading.readAll();
  await links.heal();
  return reading.end();
}

/** Reads all that the victim led, on and on. */
class Reading {
  private readonly scene: Scene;
  private readonly victim: Victim;
  private readonly reads: FreshReads;
  private readonly before: readonly number[];
  private readonly judged = new Set<number>();
  private readonly asked: Promise<boolean>[] = [];
  private timer: NodeJS.Timeout | undefined;

  private constructor(scene: Scene, victim: Victim, reads: FreshReads) {
    this.scene = scene;
    this.victim = victim;
    this.reads = reads;
    this.before = [...scene.acknowledged];
  }

  /** Resolves once it was answered. */
  static async begin(scene: Scene, victim: Victim, reads: FreshReads): Promise<Reading> {
    const reading = new Reading(scene, victim, reads);
    reading.readAll();
    const answered = await Promise.all(reading.asked);
    if (!answered.every(Boolean)) throw new Error('the leader does not answer to begin with');
    reading.timer = setInterval(() => reading.readAll(), readEveryMs);
    return reading;
  }

  readAll(): void {
    const { scene, victim, reads } = this;
    for (const partition of victim.led) {
      const seq = scene.acknowledged[partition] ?? 0;
      if (seq > (this.before[partition] ?? 0)) this.judged.add(partition);
      this.asked.push(reads.read(victim.address, requestIn(scene, partition), seq));
    }
  }

  /** Resolves once all is answered: in how many partitions something was asked after a new leader's answer. */
  async end(): Promise<number> {
    clearInterval(this.timer);
    await Promise.all(this.asked);
    return this.judged.size;
  }
}

/** The node that leads most partitions. */
async function chooseVictim({ cluster }: Scene): Promise<Victim> {
  await cluster.ready();
  await cluster.caughtUp();
  const leaders = await cluster.leaders();
  const ledBy = (id: number) => leaders.flatMap((leader, i) => (leader === id ? [i] : []));
  const victims = cluster.nodes.map(({ id, address }) => ({ id, address, led: ledBy(id) }));
  const [most] = victims.sort((a, b) => b.led.length - a.led.length);
  if (most === undefined) throw new Error('a cluster has nodes');
  return most;
}

/** In each partition as soon as another leads it: that is when the old one knows least. */
async function appendAtNewLeaders(scene: Scene, victim: Victim): Promise<void> {
  const { cluster } = scene;
  const left = new Set(victim.led);
  const others = cluster.nodes.filter(({ id }) => id !== victim.id);
  await until('others lead and have acknowledged', replacedDeadlineMs, async () => {
    const passes = others.map(async ({ id, address }) => {
      const status = await cluster.status(id);
      const led = status?.replicas.filter(({ partition, ready }) => ready && left.has(partition));
      const appends = led?.map(async ({ partition }) => {
        if (await appendAt(scene, address, partition)) left.delete(partition);
      });
      await Promise.all(appends ?? []);
    });
    await Promise.all(passes);
    return left.size === 0;
  });
}

/** False: not acknowledged. */
async function appendAt(scene: Scene, server: string, partition: number): Promise<boolean> {
  const { transport, acknowledged } = scene;
  const { conversation } = requestIn(scene, partition);
  const command = { conversation, sender: 'deposed', body: Buffer.from('x') };
  try {
    const { result } = await transport.call(server, rpcs.append, { command }, callDeadlineMs);
    acknowledged[partition] = Math.max(acknowledged[partition] ?? 0, Number(result?.seq));
    return true;
  } catch (error) {
    if (error instanceof PacelineError) return false;
    throw error;
  }
}

function requestIn({ cluster }: Scene, partition: number) {
  const conversation = conversationIn(partition, cluster.partitions);
  return { conversation, level: ReadLevel.READ_LEVEL_LINEARIZABLE };
}
