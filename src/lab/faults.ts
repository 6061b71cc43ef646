// The faults of a run, drawn from its seed: what is done to which machine, disk or link, and for how long.
// What is counted is what was really done to someone.
import { entryKey, firstGeneration, rowsRange } from '../storage/keys.ts';
import {
  lateFrame,
  leaderAfterLeader,
  leaderWithFew,
  overdueAnswers,
  retriesAtBusyDisk,
  stopAlone,
} from './fault-stories.ts';
import {
  allLinks,
  bringBack,
  cutBoth,
  type Fault,
  type FaultLab,
  giveTo,
  isolateOne,
  kill,
  later,
  leaderOf,
  makeGood,
  nothing,
} from './fault-tools.ts';
import type { LabCluster } from './lab-cluster.ts';
import type { LabNode } from './lab-node.ts';
import type { Link } from './network.ts';
import type { Random } from './random.ts';
import { hasSmallQueue } from './shape.ts';

const readBackMs = 500;

export const faults: Readonly<Record<string, { readonly weight: number; readonly begin: Fault }>> =
  {
    kill: { weight: 6, begin: ({ node }) => kill(node, false) },
    'kill in a write': { weight: 6, begin: killInWrite },
    'power loss': { weight: 3, begin: ({ node }) => kill(node, true) },
    'kill of all': { weight: 1, begin: killAll },
    stop: { weight: 4, begin: stop },
    'client stop': { weight: 1, begin: stopClient },
    isolate: { weight: 3, begin: isolate },
    'stopped alone': { weight: 3, begin: stopAlone },
    'leader after leader': { weight: 3, begin: leaderAfterLeader },
    'leader with few': { weight: 3, begin: leaderWithFew },
    'overdue answers': { weight: 4, begin: overdueAnswers },
    'one-way cut': { weight: 3, begin: (lab) => cutLink(lab, false) },
    'link cut': { weight: 2, begin: (lab) => cutLink(lab, true) },
    halves: { weight: 2, begin: halves },
    'client cut': { weight: 1, begin: cutClient },
    reset: { weight: 2, begin: reset },
    'slow link': {
      weight: 2,
      begin: (lab) => worsen(lab, (link) => (link.slowMs = lab.random.between(20, 400))),
    },
    'slow client': { weight: 2, begin: slowClient },
    loss: {
      weight: 2,
      begin: (lab) => worsen(lab, (link) => (link.loss = lab.random.pick([0.05, 0.3]))),
    },
    duplicates: { weight: 2, begin: (lab) => worsen(lab, (link) => (link.duplicate = 0.3)) },
    reordering: { weight: 2, begin: (lab) => worsen(lab, (link) => (link.reorder = 0.3)) },
    'disk stall': { weight: 3, begin: stallDisk },
    flood: { weight: 2, begin: flood },
    'late frame': { weight: 2, begin: lateFrame },
    'retries at a busy disk': { weight: 3, begin: retriesAtBusyDisk },
    'failed fsync': { weight: 1, begin: failSync },
    'full disk': { weight: 1, begin: fillDisk },
    'clock step': { weight: 2, begin: stepClock },
    'clock drift': { weight: 2, begin: driftClock },
    transfer: { weight: 2, begin: transfer },
    'bit flip': { weight: 2, begin: (lab) => damage(lab, ({ disk }, rows) => disk.flipBit(rows)) },
    'misdirected write': {
      weight: 1,
      begin: (lab) => damage(lab, ({ disk }, rows) => disk.misdirect(rows)),
    },
    'lost row': { weight: 2, begin: loseRow },
    'skipped batch': { weight: 1, begin: skipBatch },
    'wiped disk': { weight: 0.5, begin: wipe },
  };

export function drawFault(random: Random, among: readonly string[]): string {
  const weights = among.map((name) => faults[name]?.weight ?? 0);
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, name] of among.entries()) {
    left -= weights[i] ?? 0;
    if (left < 0) return name;
  }
  return random.pick(among);
}

/** At some moment of its next write: what it has sent by then rests on what may be lost. */
function killInWrite({ cluster, node, random }: FaultLab): (() => void) | null {
  if (node === null) return null;
  const power = random.chance(0.5);
  // A process that is stopped in a write goes on with it perhaps once the faults are over.
  node.disk.duringWrite = () => {
    if (!cluster.isHealed) kill(node, power);
  };
  return () => {
    node.disk.duringWrite = null;
    bringBack(node);
  };
}

function killAll({ cluster, random }: FaultLab): (() => void) | null {
  const power = random.chance(0.5);
  const killed = cluster.nodes.filter(({ machine }) => machine.alive);
  for (const node of killed) kill(node, power);
  return killed.length === 0 ? null : () => killed.forEach(bringBack);
}

function stop({ node, random }: FaultLab): (() => void) | null {
  if (node === null) return null;
  node.machine.stop(random.pick([60, 300, 700, 1500, 4000]));
  node.machine.world.say(node.name, () => 'is stopped');
  return nothing;
}

function stopClient({ cluster, random }: FaultLab): () => void {
  const { machine } = random.pick([...cluster.clients, ...cluster.apps]);
  machine.stop(random.pick([100, 1000, 3000]));
  return nothing;
}

function isolate({ cluster, random }: FaultLab): (() => void) | null {
  if (cluster.nodes.length < 2) return null;
  return isolateOne(cluster, random.pick(cluster.nodes).machine);
}

function cutLink({ cluster, random }: FaultLab, both: boolean): (() => void) | null {
  if (cluster.nodes.length < 2) return null;
  const { network } = cluster;
  const from = random.pick(cluster.nodes).machine;
  const to = random.pick(cluster.nodes.filter(({ machine }) => machine !== from)).machine;
  from.world.say(from.name, () => `${both ? 'the link' : 'what it sends'} to ${to.name} is cut`);
  if (both) return cutBoth(cluster, from, to);
  network.cut(from, to);
  return () => network.heal(from, to);
}

function halves({ cluster, random }: FaultLab): (() => void) | null {
  if (cluster.nodes.length < 3) return null;
  const sides = cluster.nodes.map(({ machine }) => ({ machine, isLeft: random.chance(0.5) }));
  const left = sides.filter(({ isLeft }) => isLeft);
  const right = sides.filter(({ isLeft }) => !isLeft);
  if (left.length === 0 || right.length === 0) return null;
  const heals = left.flatMap((one) =>
    right.map((other) => cutBoth(cluster, one.machine, other.machine)),
  );
  return () => {
    for (const heal of heals) heal();
  };
}

function cutClient({ cluster, random }: FaultLab): () => void {
  const { machine } = random.pick([...cluster.clients, ...cluster.apps]);
  return cutBoth(cluster, machine, random.pick(cluster.nodes).machine);
}

/** Much is on its way at once. */
function slowClient({ cluster, random }: FaultLab): () => void {
  const { machine } = random.pick([...cluster.clients, ...cluster.apps]);
  const slowMs = random.between(20, 200);
  const links = cluster.nodes.flatMap((node) => [
    cluster.network.link(machine, node.machine),
    cluster.network.link(node.machine, machine),
  ]);
  for (const link of links) link.slowMs = slowMs;
  return () => {
    for (const link of links) link.slowMs = 0;
  };
}

function reset({ cluster, random }: FaultLab): (() => void) | null {
  const machines = [...cluster.nodes, ...cluster.clients, ...cluster.apps].map(
    ({ machine }) => machine,
  );
  const one = random.pick(cluster.nodes).machine;
  const others = machines.filter((machine) => machine !== one);
  cluster.network.reset(one, random.pick(others));
  return nothing;
}

function worsen({ cluster, random }: FaultLab, change: (link: Link) => void): (() => void) | null {
  if (cluster.nodes.length < 2) return null;
  const from = random.pick(cluster.nodes).machine;
  const others = cluster.nodes.filter(({ machine }) => machine !== from);
  const links = random.chance(0.3)
    ? allLinks(cluster)
    : (random.chance(0.5) ? others : [random.pick(others)]).map(({ machine }) =>
        cluster.network.link(from, machine),
      );
  for (const link of links) change(link);
  return () => {
    makeGood(links);
  };
}

function stallDisk({ cluster, node, random }: FaultLab): (() => void) | null {
  if (node === null) return null;
  const leader = leaderOf(cluster, random.below(cluster.shape.partitions));
  const isLeader = leader !== null && random.chance(0.5);
  (isLeader ? leader : node).disk.stall(random.pick([30, 100, 600, 2000]));
  // Queues fill.
  for (let left = isLeader ? 2 : 0; left > 0; left -= 1) cluster.provoke();
  return nothing;
}

/** A small queue overflows, or leadership is given away, while more is on its way. */
function flood({ cluster, random }: FaultLab): () => void {
  const { shape, nodes } = cluster;
  const partition = random.below(shape.partitions);
  const isSmall = hasSmallQueue(shape);
  cluster.flood();
  if (isSmall) return fillAndDrain(cluster, random);
  const to = random.pick(nodes);
  later(cluster, 80 * random.next(), () => giveTo(cluster, partition, to));
  return nothing;
}

/** Queues are full, and have room again, several times before clients hear of what was refused. */
function fillAndDrain(cluster: LabCluster, random: Random): () => void {
  const { nodes, clients, network } = cluster;
  const answers = nodes.flatMap(({ machine: from }) =>
    clients.map(({ machine: to }) => network.link(from, to)),
  );
  for (const link of answers) link.slowMs = random.pick([10, 30, 60]);
  const stallMs = random.pick([10, 30, 60]);
  for (let at = 0; at < 450; at += stallMs * 1.5) {
    later(cluster, at, () => {
      for (const { disk } of nodes) disk.stall(stallMs);
    });
  }
  return () => {
    makeGood(answers);
  };
}

function failSync({ node }: FaultLab): (() => void) | null {
  if (node === null) return null;
  node.disk.failsSync = true;
  return () => {
    node.disk.failsSync = false;
  };
}

function fillDisk({ node }: FaultLab): (() => void) | null {
  if (node === null) return null;
  node.disk.full = true;
  return () => {
    node.disk.full = false;
  };
}

/** Only the clocks of a minority are wrong at a time. */
function stepClock({ cluster, random }: FaultLab): (() => void) | null {
  if (cluster.nodes.length < 3) return null;
  const { machine } = cluster.nodes[0] ?? random.pick(cluster.nodes);
  machine.stepWall(random.pick([-3_600_000, -500, 500, 3_600_000, 86_400_000]));
  return () => machine.setWallRight();
}

/** A lease is promised only where clocks run at about the same rate. */
function driftClock({ cluster, random, node }: FaultLab): (() => void) | null {
  if (node === null) return null;
  node.machine.setRate(random.pick(cluster.shape.lease ? [0.97, 1.03] : [0.8, 0.97, 1.03, 1.25]));
  return () => node.machine.setRate(1);
}

function transfer({ cluster, random, node }: FaultLab): (() => void) | null {
  const partition = random.below(cluster.shape.partitions);
  const to = random.pick(cluster.nodes).id;
  const serving = node?.node;
  if (!serving?.isServing || serving.replicaOf(partition).raft.role !== 'leader') return null;
  serving.transferLeadership(partition, to).catch(nothing);
  return nothing;
}

function damage(
  { cluster, node, random }: FaultLab,
  harm: (node: LabNode, rows: (key: string) => boolean) => boolean,
): (() => void) | null {
  if (node === null || cluster.spare < 1 || node.disk.damaged) return null;
  if (!harm(node, random.chance(0.5) ? anyRow : isFolded)) return null;
  // What is in memory hides what is on the disk.
  const start = random.chance(0.8) ? kill(node, false) : nothing;
  return () => {
    start?.();
    cluster.world.after(readBackMs, null, () => cluster.question(node, 'everything'));
  };
}

/** A vote, or an entry but the newest: that the newest is gone cannot be seen. */
function loseRow({ cluster, node, random }: FaultLab): (() => void) | null {
  if (node === null || cluster.spare < 1 || node.disk.damaged) return null;
  const partition = random.below(cluster.shape.partitions);
  const start = kill(node, true);
  const first = entryKey({ partition, generation: firstGeneration }, 0).toString('latin1');
  const beforeIndex = first.slice(0, -entryIndexLength);
  const isEntry = (key: string) => key.length === first.length && key.startsWith(beforeIndex);
  if (random.chance(0.5)) node.disk.loseVote(partition);
  else {
    const among = node.disk.rows.keys().filter(isEntry).slice(-20, -1);
    node.disk.loseRow((key) => among.includes(key));
  }
  return start;
}

function skipBatch({ cluster, node }: FaultLab): (() => void) | null {
  if (node === null || cluster.spare < 1 || node.disk.damaged) return null;
  const start = kill(node, true);
  node.disk.skipBatch();
  return start;
}

function wipe({ cluster, node }: FaultLab): (() => void) | null {
  if (node === null || cluster.spare < 1 || node.disk.damaged) return null;
  const start = kill(node, true);
  node.disk.wipe();
  return start;
}

const entryIndexLength = 8;
// space | partition u16 | generation, table ...
const afterPartition = 3;
const firstRow = rowsRange({ partition: 0, generation: firstGeneration }).gte.toString('latin1');
const partitionSpace = firstRow.slice(0, 1);
const tableOfRows = firstRow.slice(afterPartition);

/** What belongs to a partition: its log, its hard state, its rows. */
function anyRow(key: string): boolean {
  return key.startsWith(partitionSpace);
}

/** What was made of the log: heads, places, chains, keys. */
function isFolded(key: string): boolean {
  return key.startsWith(partitionSpace) && key.startsWith(tableOfRows, afterPartition);
}
