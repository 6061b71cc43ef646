// How a fault script under load begins and ends: a ready cluster with clients at work; then all replicas
// settle, everything is read from every node, and the history is judged.
import { checkHistory, type Verdict } from '../../src/lab/check-history.ts';
import type { Cluster } from './cluster.ts';
import { type FaultRun, sayVerdict } from './fault.ts';
import { Load, type LoadOptions } from './load.ts';
import { readFinals } from './reads.ts';

export async function startUnderLoad(
  run: FaultRun,
  options: Omit<LoadOptions, 'cluster' | 'history'> = {},
): Promise<{ readonly cluster: Cluster; readonly load: Load }> {
  const cluster = await run.cluster();
  cluster.start();
  await cluster.ready();
  const load = new Load({ ...options, cluster, history: run.history });
  load.start();
  return { cluster, load };
}

/** Stops the load; what every script under load asks and tells at its end. */
export async function endUnderLoad(
  run: FaultRun,
  cluster: Cluster,
  load: Load,
): Promise<{ readonly ok: boolean; readonly figures: Readonly<Record<string, unknown>> }> {
  await load.stop();
  const verdict = await judge(run, cluster, load);
  const fatal = cluster.fatalLines();
  const refused = Object.fromEntries(load.refused);
  return {
    ok: verdict.ok && fatal.length === 0,
    figures: { ...verdict.figures, refused, fatal },
  };
}

/** The load has to be stopped; closes it. */
async function judge(run: FaultRun, cluster: Cluster, load: Load): Promise<Verdict> {
  run.say('the load has ended; waiting until all replicas have applied the same');
  await cluster.settled();
  await readFinals(load.client, cluster, run.history, load.conversations);
  await load.close();
  const verdict = checkHistory(run.history.events, cluster.nodes.length);
  sayVerdict(run, verdict);
  return verdict;
}

export function rounded(milliseconds: number): number {
  return Math.round(milliseconds);
}
