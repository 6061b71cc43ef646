// kill -9 of a node every second or three, sometimes of two at once, for a while, under load; each
// starts again within a second. At the end everything acknowledged has to be there.

import type { Cluster } from '../harness/cluster.ts';
import { judge, loadFigures, rounded } from '../harness/end.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { anyOf, Load } from '../harness/load.ts';

const pauseMs = { min: 1000, max: 3000 } as const;
const downMsMax = 1000;
const twoOfTen = 0.2;

export const fault: Fault = {
  about: 'kill -9 of random nodes for a while under load; --seconds N (60)',
  limitMs: 900_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const load = new Load({ cluster, history: run.history });
    load.start();
    const endMs = performance.now() + run.option('seconds', 60) * 1000;
    let kills = 0;
    for (;;) {
      await pause(between(pauseMs.min, pauseMs.max));
      if (performance.now() >= endMs) break;
      kills += await killSome(run, cluster, load);
    }
    await cluster.ready();
    await load.stop();
    const verdict = await judge(run, cluster, load);
    const fatal = cluster.fatalLines();
    return {
      ok: verdict.ok && fatal.length === 0,
      faultsDone: kills,
      figures: {
        gap_ms_max: rounded(load.gaps.longest(performance.now())),
        memory_mib: cluster.nodes.map((node) => Math.round(node.rssAnon() / 2 ** 20)),
        ...verdict.figures,
        ...loadFigures(load),
        fatal,
      },
    };
  },
};

/** How many were killed. */
async function killSome(run: FaultRun, cluster: Cluster, load: Load): Promise<number> {
  const isTwo = Math.random() < twoOfTen;
  const spared = anyOf(cluster.nodes);
  const chosen = isTwo ? cluster.nodes.filter((node) => node !== spared) : [spared];
  await Promise.all(chosen.map((node) => node.kill()));
  const downMs = await Promise.all(
    chosen.map(async (node) => {
      const ms = between(0, downMsMax);
      await pause(ms);
      node.start();
      return rounded(ms);
    }),
  );
  const ids = chosen.map(({ id }) => id).join(' and ');
  run.say(`killed ${ids}, down ${downMs.join(', ')} ms; ${load.acknowledged.length} acknowledged`);
  return chosen.length;
}

function between(min: number, max: number): number {
  return min + Math.random() * (max - min);
}

/** Chance decides when the next fault comes; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
