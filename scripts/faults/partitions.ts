// Links between nodes are cut in one direction or both, under load on every partition: wherever a majority
// can still talk, every partition goes on, terms come to rest, and nothing acknowledged is lost.
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { anyOf, Load } from '../harness/load.ts';
import { PeerLinks } from '../harness/peer-links.ts';
import { endUnderLoad, rounded } from '../harness/under-load.ts';
import { until, within } from '../harness/until.ts';

const resumeMaxMs = 3000;
/** A partition's, from before the cut until after it healed. */
const termsMax = 3;
/** Once all goes on again: leadership may be handed back to the node that a partition prefers. */
const lateTermsMax = 1;
/** Long enough for a dozen elections, and for keepalive to find muted connections. */
const holdMs = 6000;
const giveUpMs = 15_000;

interface Scenario {
  readonly name: string;
  /** Whether the node it is about leads most partitions, or fewest. */
  readonly victim: 'leader' | 'follower';
  /** Returns how many connections it reset. */
  cut(links: PeerLinks, victim: number, others: readonly number[]): number;
}

const scenarios: readonly Scenario[] = [
  { name: 'leader speaks and does not hear', victim: 'leader', cut: deafen },
  { name: 'leader hears and does not speak', victim: 'leader', cut: silence },
  { name: 'follower speaks and does not hear', victim: 'follower', cut: deafen },
  {
    name: 'bridge: two that do not meet, both meet the third',
    victim: 'leader',
    cut(links, victim, others) {
      const far = [anyOf(others)];
      return deafen(links, victim, far) + silence(links, victim, far);
    },
  },
  {
    name: 'leader isolated in silence',
    victim: 'leader',
    cut: (links, victim, others) => deafen(links, victim, others) + silence(links, victim, others),
  },
  {
    name: 'leader isolated by resets, then refused',
    victim: 'leader',
    cut: (links, victim, others) =>
      others.reduce((resets, other) => resets + links.sever(victim, other), 0),
  },
];

interface Outcome {
  readonly scenario: string;
  /** Until every partition had accepted an append that began after the cut; -1 = never. */
  readonly resumedMs: number;
  /** The same after healing. */
  readonly healedMs: number;
  readonly terms: number;
  /** Of those, in the second half of the time it was held. */
  readonly lateTerms: number;
  /** Connections reset, or bytes that did not arrive. */
  readonly injected: number;
}

export const fault: Fault = {
  about: 'one-way cuts, bridges and isolation between nodes under load; --times N rounds (2)',
  option: 'times',
  limitMs: 600_000,
  async run(run) {
    const cluster = await run.cluster();
    const links = await PeerLinks.create(cluster);
    links.start();
    await cluster.ready();
    const client = links.createClient();
    const load = new Load({ cluster, history: run.history, workers: 48, evenly: true, client });
    load.start();
    await until('the load runs', 10_000, () => load.acknowledged.length > 1000);
    const outcomes: Outcome[] = [];
    for (let i = 0; i < run.option('times', 2); i++) {
      for (const scenario of scenarios) {
        outcomes.push(await play(run, { cluster, links, load }, scenario));
      }
    }
    const end = await endUnderLoad(run, cluster, load);
    links.close();
    return {
      ok: end.ok && outcomes.every(isGood),
      faultsDone: outcomes.length,
      figures: { outcomes, ...end.figures },
    };
  },
};

interface Scene {
  readonly cluster: Cluster;
  readonly links: PeerLinks;
  readonly load: Load;
}

async function play(run: FaultRun, scene: Scene, scenario: Scenario): Promise<Outcome> {
  const { cluster, links, load } = scene;
  await cluster.ready();
  await cluster.caughtUp();
  const victim = await chosen(cluster, scenario.victim);
  const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== victim);
  const before = await terms(cluster);
  const mutedBefore = links.mutedBytes;
  const resets = scenario.cut(links, victim, others);
  const resumedMs = await resumed(load);
  await pause(holdMs / 2);
  const halfway = await terms(cluster);
  await pause(holdMs / 2);
  const lateTerms = risen(halfway, await terms(cluster));
  const injected = resets + links.mutedBytes - mutedBefore;
  await links.heal();
  const healedMs = await resumed(load);
  await cluster.ready();
  const outcome = {
    scenario: scenario.name,
    resumedMs,
    healedMs,
    terms: risen(before, await terms(cluster)),
    lateTerms,
    injected,
  };
  run.say(`${isGood(outcome) ? 'good' : 'BAD'}: node ${victim}: ${JSON.stringify(outcome)}`);
  return outcome;
}

function isGood({ resumedMs, healedMs, terms, lateTerms, injected }: Outcome): boolean {
  const isInTime = [resumedMs, healedMs].every((ms) => ms >= 0 && ms <= resumeMaxMs);
  return isInTime && terms <= termsMax && lateTerms <= lateTermsMax && injected > 0;
}

/** `victim` hears nothing of what they say. */
function deafen(links: PeerLinks, victim: number, others: readonly number[]): number {
  for (const other of others) links.mute(other, victim);
  return 0;
}

/** They hear nothing of what `victim` says. */
function silence(links: PeerLinks, victim: number, others: readonly number[]): number {
  for (const other of others) links.mute(victim, other);
  return 0;
}

async function chosen(cluster: Cluster, which: Scenario['victim']): Promise<number> {
  const leaders = await cluster.leaders();
  const led = (id: number) => leaders.filter((leader) => leader === id).length;
  const byLed = cluster.nodes.map(({ id }) => id).sort((a, b) => led(b) - led(a));
  return byLed.at(which === 'leader' ? 0 : -1) ?? 0;
}

/** How long it takes from now on until every partition accepts appends that begin now or later. */
async function resumed(load: Load): Promise<number> {
  load.gaps.begin(performance.now());
  const isDone = await within(giveUpMs, () => load.gaps.silent().length === 0);
  return isDone ? rounded(load.gaps.elapsed(performance.now())) : -1;
}

/** The highest of each partition on any node: clients reach all of them. */
async function terms(cluster: Cluster): Promise<number[]> {
  const highest = new Array<number>(cluster.partitions).fill(0);
  for (const { replicas } of (await cluster.statuses()).values()) {
    for (const { partition, term } of replicas) {
      highest[partition] = Math.max(highest[partition] ?? 0, Number(term));
    }
  }
  return highest;
}

/** In the partition where they rose most. */
function risen(before: readonly number[], after: readonly number[]): number {
  return Math.max(...after.map((term, partition) => term - (before[partition] ?? 0)));
}

/** A cut has to be held: what must not happen in it cannot be waited for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
