// How a fault script under load ends: all replicas settle, everything is read from every node, and the
// history is judged.
import { checkHistory, type Verdict } from './check.ts';
import type { Cluster } from './cluster.ts';
import { type FaultRun, sayVerdict } from './fault.ts';
import type { Load } from './load.ts';
import { readFinals } from './reads.ts';

/** The load has to be stopped; closes it. */
export async function judge(run: FaultRun, cluster: Cluster, load: Load): Promise<Verdict> {
  run.say('the load has ended; waiting until all replicas have applied the same');
  await cluster.settled();
  await readFinals(load.client, cluster, run.history, load.conversations);
  await load.close();
  const verdict = checkHistory(run.history.events, cluster.nodes.length);
  sayVerdict(run, verdict);
  return verdict;
}

/** What the load saw, for the JSON line. */
export function loadFigures(load: Load): Readonly<Record<string, unknown>> {
  return { refused: Object.fromEntries(load.refused) };
}

export function rounded(milliseconds: number): number {
  return Math.round(milliseconds);
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
