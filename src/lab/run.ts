// One run of the lab: a cluster and its clients under one seed. First come faults, and nothing may break;
// then the faults end, and everything must come to its end: every operation answered, all replicas equal.
// At last what clients saw is judged against what is stored.
import { loseFirstVote, loseLast } from './fault-stories.ts';
import { drawFault, faults } from './faults.ts';
import { healMs, judge, judgeLiveness, judgeModeration } from './judge.ts';
import { judgeWaking } from './judge-waking.ts';
import { LabCluster } from './lab-cluster.ts';
import { Moderation } from './moderation.ts';
import { drawShape, type Shape } from './shape.ts';
import { Workload } from './workload.ts';
import { World, type WorldEnd } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  /** Keeps what happened as lines. */
  readonly lines?: boolean;
  /** Nothing is done to anybody, and no rule is looked at: does a cluster work at all? */
  readonly calm?: boolean;
}

export interface RunResult extends WorldEnd, Played {
  readonly seed: number;
}

interface Played {
  readonly shape: Shape;
  readonly figures: Readonly<Record<string, number>>;
  /** What was done, and what of it somebody suffered, by kind. */
  readonly faults: Readonly<Record<string, number>>;
}

/** After all has come to itself. */
const onItsWayMs = 1000;
/** The cluster's first election, the faults, and at least so much in all. */
const phases = { calmMs: 1500, faultsMs: 20_000, leastMs: 60_000 } as const;

export async function runSeed({
  seed,
  lines = false,
  calm = false,
}: RunOptions): Promise<RunResult> {
  const world = new World(seed, lines, !calm);
  const { stackTraceLimit } = Error;
  // Refusals are many, and a stack is looked at only where somebody reads the lines.
  if (!lines) Error.stackTraceLimit = 0;
  try {
    const played = await world.hearingRejections(() => play(world));
    return { seed, ...played, ...world.end };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function play(world: World): Promise<Played> {
  const shape = drawShape(world.random);
  const cluster = new LabCluster(world, shape);
  const workload = new Workload(cluster);
  const random = world.random.fork();
  const moderation = world.random.chance(0.3) ? new Moderation(cluster) : null;
  cluster.start();
  if (world.judges && random.chance(0.1)) loseFirstVote(cluster, random);
  await world.run(phases.calmMs);
  const done = world.judges ? await runFaults(cluster) : {};
  await world.run(phases.faultsMs);
  cluster.heal();
  workload.stop();
  moderation?.stop();
  if (world.judges && random.chance(0.15)) loseLast(cluster, random);
  world.say('lab', () => 'the faults end');
  const healedMs = world.nowMs;
  const isOver = () => workload.isOver && moderation?.isOver !== false;
  const isSettled = () => cluster.allAwake && cluster.hasConverged;
  await world.run(healedMs + healMs, () => isOver() && isSettled());
  // What nobody waits for any more may still be on its way to a node that was stopped.
  await world.run(world.nowMs + onItsWayMs);
  await world.run(healedMs + healMs, isSettled);
  const { acknowledged } = workload.recorder;
  const holds = () => world.judges && world.broken === null;
  if (holds()) judgeLiveness(cluster, isOver());
  const figures = holds() ? await judge(cluster, workload) : { acknowledged };
  if (moderation !== null && holds()) await judgeModeration(cluster, moderation);
  if (holds()) await judgeWaking(cluster, workload.conversations);
  await world.run(phases.leastMs);
  return {
    shape,
    figures: {
      ...figures,
      ...{ elections: cluster.checkers.raft.elections, 'pending messages': moderation?.count ?? 0 },
    },
    faults: { ...done, ...suffered(cluster) },
  };
}

async function runFaults(cluster: LabCluster): Promise<Record<string, number>> {
  const { world } = cluster;
  const random = world.random.fork();
  const done: Record<string, number> = {};
  // A run has some kinds of faults only: where there are all of them, few are met alone.
  const among = Object.keys(faults).filter(() => random.chance(0.4));
  if (among.length === 0) among.push('kill');
  const paceMs = random.pick([400, 1000, 2500]);
  while (world.broken === null && world.nowMs < phases.faultsMs) {
    const name = drawFault(random, among);
    const alive = cluster.nodes.filter(({ node }) => node !== null);
    const node = alive.length === 0 ? null : random.pick(alive);
    const undo = faults[name]?.begin({ cluster, random, node }) ?? null;
    if (undo !== null) {
      done[name] = (done[name] ?? 0) + 1;
      world.say('lab', () => `${name}${node === null ? '' : ` (${node.name})`}`);
      const lastsMs = random.pick([50, 300, 1000, 3000, 8000]);
      world.after(lastsMs, null, undo);
    }
    await world.run(world.nowMs + paceMs * (0.2 + 1.6 * random.next()));
  }
  return done;
}

/** What machines, disks and links had of it. */
function suffered(cluster: LabCluster): Record<string, number> {
  const { lost, duplicated, reordered, held, broken } = cluster.network.counts;
  const sum = (pick: (node: (typeof cluster.nodes)[number]) => number) =>
    cluster.nodes.reduce((total, node) => total + pick(node), 0);
  return {
    'frames lost': lost,
    'frames doubled': duplicated,
    'frames out of order': reordered,
    'frames held by a cut': held,
    'connections broken': broken,
    'processes ended': sum(({ machine }) => machine.incarnation - (machine.alive ? 1 : 0)),
    'writes lost in a crash': sum(({ disk }) => disk.met.lost),
    'writes kept in a crash': sum(({ disk }) => disk.met.kept),
    'writes stalled': sum(({ disk }) => disk.met.stalled),
    'writes failed': sum(({ disk }) => disk.met.refused),
  };
}
