// kill -9 of all three nodes at once under load, and again: is every acknowledged message there after
// the restart, does replay stay short, and are retries of old keys known?

import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import type { History } from '../harness/history.ts';
import { type Acknowledged, anyOf, type Load } from '../harness/load.ts';
import { endUnderLoad, rounded, startUnderLoad } from '../harness/under-load.ts';
import { until } from '../harness/until.ts';

const recoveryMaxMs = 2000;
const retriesEachRound = 500;
const appendsEachRound = 5000;

interface Round {
  readonly recoveryMs: readonly number[];
  readonly replayed: readonly number[];
  /** Retries that were not answered duplicate with the original's seq. */
  readonly badRetries: number;
  readonly readyMs: number;
}

export const fault: Fault = {
  about: 'kill -9 of all nodes at once under load, restart; --times N (5)',
  option: 'times',
  limitMs: 300_000,
  async run(run) {
    const { cluster, load } = await startUnderLoad(run);
    const rounds: Round[] = [];
    for (let i = 0; i < run.option('times', 5); i++)
      rounds.push(await round(run, cluster, load, i));
    const end = await endUnderLoad(run, cluster, load);
    const recoveryMs = rounds.map((each) => each.recoveryMs);
    const badRetries = rounds.reduce((sum, each) => sum + each.badRetries, 0);
    const isShort = recoveryMs.flat().every((ms) => ms > 0 && ms < recoveryMaxMs);
    return {
      ok: end.ok && isShort && badRetries === 0,
      faultsDone: rounds.length,
      figures: {
        recovery_ms: recoveryMs,
        replayed_entries: rounds.map((each) => each.replayed),
        ready_ms: rounds.map((each) => each.readyMs),
        retries: rounds.length * retriesEachRound,
        retries_not_duplicates: badRetries,
        ...end.figures,
      },
    };
  },
};

async function round(run: FaultRun, cluster: Cluster, load: Load, i: number): Promise<Round> {
  const goal = load.acknowledged.length + appendsEachRound;
  await until('the load goes on', 60_000, () => load.acknowledged.length >= goal);
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  const olds = Array.from({ length: retriesEachRound }, () => anyOf(load.acknowledged));
  const startedMs = performance.now();
  cluster.start();
  const retrying = retryAll(load, run.history, olds);
  await cluster.ready();
  const readyMs = rounded(performance.now() - startedMs);
  const badRetries = await retrying;
  await cluster.caughtUp();
  const statuses = [...(await cluster.statuses()).values()];
  const recoveryMs = statuses.map((status) => status.recoveryMs);
  const replayed = statuses.map((status) => Number(status.replayedEntries));
  const recovery = `recovery_ms ${recoveryMs.join(' ')} (entries replayed: ${replayed.join(' ')})`;
  const retries = `retries not answered duplicate with their seq: ${badRetries}`;
  run.say(`round ${i + 1}: ${recovery}, ready after ${readyMs} ms, ${retries}`);
  return { recoveryMs, replayed, badRetries, readyMs };
}

/** Appends again what was acknowledged before; how many were not answered as duplicates. */
async function retryAll(
  load: Load,
  history: History,
  olds: readonly Acknowledged[],
): Promise<number> {
  const isGood = async ({ seq, ...old }: Acknowledged) => {
    const end = await load.append(old, history.newProcess());
    return end.type === 'ok' && end.duplicate && end.seq === seq;
  };
  const good = await Promise.all(olds.map(isGood));
  return good.filter((each) => !each).length;
}
