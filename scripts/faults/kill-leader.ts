// kill -9 of a leader under 64 appends in flight, again and again: how long is nothing accepted, and is
// every acknowledged message there, once and in its place?

import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import type { Load } from '../harness/load.ts';
import { upperMedian } from '../harness/median.ts';
import { endUnderLoad, rounded, startUnderLoad } from '../harness/under-load.ts';
import { until } from '../harness/until.ts';

const gapMaxMs = 1000;
/** Most kills are over long before an election timeout. */
const pauseMedianMaxMs = 200;
const resumeDeadlineMs = 20_000;

interface Kill {
  readonly node: number;
  /** Partitions it led. */
  readonly led: number;
  readonly gapMs: number;
  /** The longest time without an accepted append in one of those, until all had a new leader's, */
  readonly pauseMs: number;
  /** and until the node was back and had caught up. */
  readonly ledGapMs: number;
}

export const fault: Fault = {
  about: 'kill -9 of a leader under 64 appends in flight; --times N (10)',
  option: 'times',
  limitMs: 600_000,
  async run(run) {
    const { cluster, load } = await startUnderLoad(run, { evenly: true });
    await until('the load runs', 10_000, () => load.acknowledged.length > 1000);
    const kills: Kill[] = [];
    for (let i = 0; i < run.option('times', 10); i++) {
      kills.push(await killLeader(run, cluster, load, i));
    }
    const end = await endUnderLoad(run, cluster, load);
    const gaps = kills.map(({ gapMs }) => gapMs);
    const ledGaps = kills.map(({ ledGapMs }) => ledGapMs);
    const pauses = kills.map(({ pauseMs }) => pauseMs);
    const medianMs = upperMedian(pauses);
    const worstMs = Math.max(...pauses);
    run.say(`pause in the partitions it led: median ${medianMs} ms, worst ${worstMs} ms`);
    const isEveryShort = [...gaps, ...ledGaps].every((gapMs) => gapMs < gapMaxMs);
    const isShort = isEveryShort && medianMs < pauseMedianMaxMs;
    return {
      ok: end.ok && isShort,
      faultsDone: kills.length,
      figures: {
        gap_ms: gaps,
        led_gap_ms: ledGaps,
        gap_ms_max: Math.max(...gaps),
        led_gap_ms_max: Math.max(...ledGaps),
        pause_ms: pauses,
        pause_ms_median: medianMs,
        pause_ms_worst: worstMs,
        ...end.figures,
      },
    };
  },
};

/** Kills who leads partition i, starts it again once acceptance resumed, waits until it caught up. */
async function killLeader(run: FaultRun, cluster: Cluster, load: Load, i: number): Promise<Kill> {
  await cluster.ready();
  const leaders = await cluster.leaders();
  const node = leaders[i % cluster.partitions] ?? 0;
  const led = leaders.flatMap((leader, partition) => (leader === node ? [partition] : []));
  load.gaps.begin(performance.now());
  await cluster.node(node).kill();
  await until('appends are accepted again', resumeDeadlineMs, () => load.gaps.resumed(led));
  const pauseMs = rounded(load.gaps.longestOf(led, performance.now()));
  cluster.node(node).start();
  await cluster.caughtUp();
  const goal = load.acknowledged.length + 1000;
  await until('the load goes on', 10_000, () => load.acknowledged.length >= goal);
  const nowMs = performance.now();
  const gapMs = rounded(load.gaps.longest(nowMs));
  const ledGapMs = rounded(load.gaps.longestOf(led, nowMs));
  const later = `longest gap until it was back ${ledGapMs} ms, of the whole cluster ${gapMs} ms`;
  run.say(`kill ${i + 1}: node ${node}, leader of ${led.length}: pause ${pauseMs} ms; ${later}`);
  return { node, led: led.length, gapMs, pauseMs, ledGapMs };
}
