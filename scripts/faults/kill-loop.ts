// kill -9 of a node every second or three, sometimes of two at once, for a while, under load; each
// starts again within a second. At the end everything acknowledged has to be there.

import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { anyOf, type Load } from '../harness/load.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import { endUnderLoad, rounded, startUnderLoad } from '../harness/under-load.ts';

const pauseMs = { min: 1000, max: 3000 } as const;
const downMsMax = 1000;
const twoOfTen = 0.2;

interface Round {
  readonly killed: number;
  /** Longest time without an accepted append, up to the next kill. */
  readonly gapMs: number;
}

export const fault: Fault = {
  about: 'kill -9 of random nodes for a while under load; --seconds N (60)',
  option: 'seconds',
  limitMs: 900_000,
  async run(run) {
    const { cluster, load } = await startUnderLoad(run);
    const endMs = performance.now() + run.option('seconds', 60) * 1000;
    const rounds: Round[] = [];
    while (performance.now() < endMs) rounds.push(await killSome(run, cluster, load));
    await cluster.ready();
    await load.stop();
    const memoryMiB = cluster.nodes.map((node) => Math.round(node.rssAnon() / 2 ** 20));
    const end = await endUnderLoad(run, cluster, load);
    return {
      ok: end.ok,
      faultsDone: rounds.reduce((sum, { killed }) => sum + killed, 0),
      figures: {
        gap_ms_max_one_down: longestGapMs(rounds, 1),
        gap_ms_max_two_down: longestGapMs(rounds, 2),
        memory_mib: memoryMiB,
        ...end.figures,
      },
    };
  },
};

/** Kills, starts again, and lets the load go on for a while. */
async function killSome(run: FaultRun, cluster: Cluster, load: Load): Promise<Round> {
  const one = anyOf(cluster.nodes);
  const others = cluster.nodes.filter((node) => node !== one);
  const chosen = Math.random() < twoOfTen ? others : [one];
  load.gaps.begin(performance.now());
  await Promise.all(chosen.map((node) => node.kill()));
  const downMs = await Promise.all(chosen.map(startLater));
  await pause(between(pauseMs.min, pauseMs.max));
  const gapMs = rounded(load.gaps.longest(performance.now()));
  const ids = chosen.map(({ id }) => id).join(' and ');
  const { length } = load.acknowledged;
  const gap = `longest time without an accepted append ${gapMs} ms`;
  run.say(`killed ${ids}, down ${downMs.join(', ')} ms: ${gap}; ${length} acknowledged`);
  return { killed: chosen.length, gapMs };
}

async function startLater(node: NodeProcess): Promise<number> {
  const downMs = between(0, downMsMax);
  await pause(downMs);
  node.start();
  return rounded(downMs);
}

function longestGapMs(rounds: readonly Round[], killed: number): number {
  return Math.max(0, ...rounds.flatMap((round) => (round.killed === killed ? [round.gapMs] : [])));
}

function between(min: number, max: number): number {
  return min + Math.random() * (max - min);
}

/** Chance decides when the next fault comes; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
