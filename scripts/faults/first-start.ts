// kill -9 at each step of the very first start, of one node or of all, then a start without it: the
// cluster has to become ready, take an append and give it back from every node.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { crashSteps } from '../../src/cli/crash-points.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { createClient } from '../harness/load.ts';
import type { NodeProcess } from '../harness/node-process.ts';
import { rounded } from '../harness/under-load.ts';
import { until, within } from '../harness/until.ts';

/** At which times each step is tried. */
const timesOf: Readonly<Record<(typeof crashSteps)[number], readonly number[]>> = {
  opened: [1],
  'before-founding': [1],
  'after-founding': [1],
  'before-recovery': [1, 7, 16],
  'before-write': [1, 2, 3],
  'after-write': [1, 2, 3],
};
const dyingDeadlineMs = 5000;
const readyDeadlineMs = 10_000;

interface Case {
  readonly crashAt: string;
  readonly nodes: readonly number[];
}

interface CaseEnd extends Case {
  readonly killed: readonly number[];
  readonly readyMs: number;
  readonly problem: string;
}

export const fault: Fault = {
  about: 'kill -9 of one node or all at each step of the very first start',
  limitMs: 900_000,
  async run(run) {
    const crashes = crashSteps.flatMap((step) => timesOf[step].map((times) => `${step}:${times}`));
    const ends: CaseEnd[] = [];
    for (const crashAt of crashes) {
      for (const nodes of [[1], [2], [3], [1, 2, 3]]) {
        const end = await oneCase(run, { crashAt, nodes });
        ends.push(end);
        run.say(row(end));
      }
    }
    const reached = (crashAt: string) =>
      ends.some((end) => end.crashAt === crashAt && end.killed.length > 0);
    const unreached = crashes.filter((crashAt) => !reached(crashAt));
    const problems = ends.filter(({ problem }) => problem !== '').map(row);
    return {
      ok: unreached.length === 0 && problems.length === 0,
      faultsDone: ends.reduce((sum, { killed }) => sum + killed.length, 0),
      figures: {
        cases: ends.length,
        steps_never_reached: unreached,
        ready_ms_max: Math.max(...ends.map(({ readyMs }) => readyMs)),
        problems,
      },
    };
  },
};

async function oneCase(run: FaultRun, { crashAt, nodes }: Case): Promise<CaseEnd> {
  const name = `${crashAt.replace(':', '-')}-${nodes.join('')}`;
  const directory = path.join(run.directory, name);
  const cluster = await run.cluster({ directory, name });
  for (const node of cluster.nodes) {
    node.start(nodes.includes(node.id) ? { env: { PACELINE_CRASH_AT: crashAt } } : {});
  }
  const armed = new Set(nodes.map((id) => cluster.node(id)));
  await within(dyingDeadlineMs, async () => {
    const isOver = [...armed].every((node) => !node.isRunning);
    return isOver || (await isReadyEverywhere(cluster));
  });
  const startedMs = performance.now();
  const killed = new Set<number>();
  const problem = await problemOf(async () => {
    await until('ready', readyDeadlineMs, async () => {
      startDead(armed, killed);
      return isReadyEverywhere(cluster);
    });
    await useIt(cluster, () => startDead(armed, killed));
  });
  const readyMs = rounded(performance.now() - startedMs);
  await cluster.close();
  const fatal = cluster.fatalLines();
  if (problem === '' && fatal.length === 0) rmSync(directory, { recursive: true });
  return { crashAt, nodes, killed: [...killed], readyMs, problem: problem || fatal.join('; ') };
}

/** Starts again, without the crash, what has died of it. */
function startDead(armed: ReadonlySet<NodeProcess>, killed: Set<number>): void {
  for (const node of armed) {
    if (node.isRunning) continue;
    if (!killed.has(node.id)) node.start();
    killed.add(node.id);
  }
}

async function isReadyEverywhere(cluster: Cluster): Promise<boolean> {
  const statuses = [...(await cluster.statuses()).values()];
  const isServing = statuses.filter(({ state }) => state === 'serving').length;
  if (isServing < cluster.nodes.length) return false;
  return (await cluster.leaders()).every((leader) => leader !== 0);
}

/** One append, to be read on every node. `tend`: called while waiting. */
async function useIt(cluster: Cluster, tend: () => void): Promise<void> {
  const client = createClient(cluster.servers);
  const conversation = 'g:first';
  const tending = setInterval(tend, 10);
  try {
    const { seq } = await client.append({ conversation, sender: 'first-start', body: 'hello' });
    if (seq !== 1) throw new Error(`the first message is seq ${seq}`);
    for (const { id, address: server } of cluster.nodes) {
      await until(`the message is on node ${id}`, readyDeadlineMs, async () => {
        const read = client.read({ conversation, level: 'eventual', server });
        return (await read.catch(() => null))?.headSeq === 1;
      });
    }
  } finally {
    clearInterval(tending);
    await client.close();
  }
}

/** '' where the work ended well. */
async function problemOf(work: () => Promise<void>): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return String(error);
  }
}

function row({ crashAt, nodes, killed, readyMs, problem }: CaseEnd): string {
  const where = nodes.length === 1 ? `node ${nodes[0]}` : 'all';
  const died = killed.length === 0 ? 'not reached' : `killed ${killed.join(',')}`;
  const columns = [
    crashAt.padEnd(18),
    where.padEnd(7),
    died.padEnd(13),
    `${readyMs} ms`.padStart(9),
  ];
  return `${columns.join(' ')} ${problem === '' ? 'ok' : `PROBLEM ${problem}`}`;
}
