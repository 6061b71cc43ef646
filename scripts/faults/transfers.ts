// Leadership handed from node to node under 64 appends in flight: how long does its partition accept
// nothing, compared with the same time before, and is every append stored, once and in its place, none
// of them refused for good? Then amid bursts: is none of what was stored sent again?
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import { PacelineError } from '../../src/errors.ts';
import { rpcs } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import type { Load } from '../harness/load.ts';
import { upperMedian } from '../harness/median.ts';
import { partitionIn } from '../harness/partitions.ts';
import { endUnderLoad, rounded, startUnderLoad } from '../harness/under-load.ts';
import { until } from '../harness/until.ts';

/** Beyond what passes between two accepted appends of a partition anyway. */
const pauseMedianMaxMs = 50;
const resumeDeadlineMs = 10_000;
const callTimeoutMs = 5000;
const burstTransfers = 30;
/** As many as fit into one frame. */
const burstAppends = 4096;
const givenBack: ReadonlySet<string> = new Set(['NOT_LEADER', 'BUSY']);

export const fault: Fault = {
  about: 'leadership transferred under 64 appends in flight; --times N (100)',
  option: 'times',
  limitMs: 300_000,
  async run(run) {
    const { cluster, load } = await startUnderLoad(run);
    await until('the load runs', 10_000, () => load.acknowledged.length > 1000);
    const calm: number[] = [];
    const pauses: number[] = [];
    for (let i = 0; i < run.option('times', 100); i++) {
      const partition = i % cluster.partitions;
      await cluster.ready();
      calm.push(await longestGap(load, partition, async () => {}));
      pauses.push(await longestGap(load, partition, () => transfer(cluster, load, partition)));
    }
    await transferAmidBursts(run, cluster, load);
    const end = await endUnderLoad(run, cluster, load);
    const medianMs = upperMedian(pauses);
    const calmMs = upperMedian(calm);
    const maxMs = Math.max(...pauses);
    run.say(`pauses: median ${medianMs} ms, longest ${maxMs} ms; without transfer ${calmMs} ms`);
    run.say(`answered as duplicates: ${load.duplicates}`);
    const isShort = medianMs - calmMs < pauseMedianMaxMs;
    return {
      ok: end.ok && load.refused.size === 0 && load.duplicates === 0 && isShort,
      faultsDone: pauses.length + burstTransfers,
      figures: {
        answered_duplicate: load.duplicates,
        ...{ pause_ms_median: medianMs, pause_ms_max: maxMs, calm_ms_median: calmMs },
        ...{ calm_ms_max: Math.max(...calm), pause_ms: pauses },
        ...end.figures,
      },
    };
  },
};

/** Hands `partition` to the next node; resolves once that one has accepted an append. */
async function transfer(cluster: Cluster, load: Load, partition: number): Promise<void> {
  const from = (await cluster.leaders())[partition] ?? 0;
  const to = (from % cluster.nodes.length) + 1;
  const transport = createGrpcClientTransport();
  const { address } = cluster.node(from);
  const asked = { partition, node: to };
  try {
    await transport.call(address, rpcs.transferLeadership, asked, callTimeoutMs);
  } catch (error) {
    // The nodes have given it back to the preferred one meanwhile, or are about to: that is the transfer.
    if (!(error instanceof PacelineError) || !givenBack.has(error.reason)) throw error;
  } finally {
    transport.close();
  }
  await until('appends are accepted again', resumeDeadlineMs, () => load.gaps.resumed([partition]));
}

/**
 * One conversation gets a full frame after the other: when its leader is told to hand over it has often
 * sequenced a part of one.
 */
async function transferAmidBursts(run: FaultRun, cluster: Cluster, load: Load): Promise<void> {
  const conversation = load.conversations[0] ?? '';
  const partition = partitionIn(conversation, cluster.partitions);
  let transfers = 0;
  const burstOnAndOn = async () => {
    for (let sent = 0; transfers < burstTransfers; sent += burstAppends) {
      const appends = Array.from({ length: burstAppends }, (_, n) => {
        const value = `burst${sent + n}`;
        const of = { conversation, sender: 'burst', key: value, value };
        return load.append(of, run.history.newProcess());
      });
      await Promise.all(appends);
    }
  };
  const work = burstOnAndOn();
  for (; transfers < burstTransfers; transfers++) {
    const goal = load.acknowledged.length + 2 * burstAppends;
    await until('bursts are stored', resumeDeadlineMs, () => load.acknowledged.length >= goal);
    load.gaps.begin(performance.now());
    await transfer(cluster, load, partition);
  }
  await work;
}

/** The longest time in which `partition` accepted nothing, from the start of `work` on. */
async function longestGap(
  load: Load,
  partition: number,
  work: () => Promise<void>,
): Promise<number> {
  load.gaps.begin(performance.now());
  await work();
  const goal = load.acknowledged.length + 500;
  await until('the load goes on', resumeDeadlineMs, () => load.acknowledged.length >= goal);
  return rounded(load.gaps.longestOf([partition], performance.now()));
}
