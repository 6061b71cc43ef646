// The faults of a run, drawn from its seed: what is done to which machine, disk or link, and for how long.
// What is counted is what was really done to someone.
import { checkpointKey, entryKey, firstGeneration } from '../storage/keys.ts';
import type { LabCluster } from './lab-cluster.ts';
import type { LabNode } from './lab-node.ts';
import type { Machine } from './machine.ts';
import type { Link } from './network.ts';
import type { Random } from './random.ts';

/** Does it, and says how it is undone; null: there was nothing to do it to. */
type Fault = (lab: FaultLab) => (() => void) | null;

interface FaultLab {
  readonly cluster: LabCluster;
  readonly random: Random;
  /** A node of which the process runs. */
  readonly node: LabNode | null;
}

const nothing = () => {};

export const faults: Readonly<Record<string, { readonly weight: number; readonly begin: Fault }>> =
  {
    kill: { weight: 6, begin: ({ node }) => kill(node, false) },
    'kill in a write': { weight: 6, begin: killInWrite },
    'power loss': { weight: 3, begin: ({ node }) => kill(node, true) },
    'kill of all': { weight: 1, begin: killAll },
    stop: { weight: 4, begin: stop },
    'client stop': { weight: 1, begin: stopClient },
    isolate: { weight: 3, begin: isolate },
    'one-way cut': { weight: 3, begin: (lab) => cutLink(lab, false) },
    'link cut': { weight: 2, begin: (lab) => cutLink(lab, true) },
    halves: { weight: 2, begin: halves },
    'client cut': { weight: 1, begin: cutClient },
    reset: { weight: 2, begin: reset },
    'slow link': {
      weight: 2,
      begin: (lab) => worsen(lab, (link) => (link.slowMs = lab.random.between(20, 400))),
    },
    loss: {
      weight: 2,
      begin: (lab) => worsen(lab, (link) => (link.loss = lab.random.pick([0.05, 0.3]))),
    },
    duplicates: { weight: 2, begin: (lab) => worsen(lab, (link) => (link.duplicate = 0.3)) },
    reordering: { weight: 2, begin: (lab) => worsen(lab, (link) => (link.reorder = 0.3)) },
    'disk stall': { weight: 3, begin: stallDisk },
    'failed fsync': { weight: 1, begin: failSync },
    'full disk': { weight: 1, begin: fillDisk },
    'clock step': { weight: 2, begin: stepClock },
    'clock drift': { weight: 2, begin: driftClock },
    transfer: { weight: 2, begin: transfer },
    'bit flip': { weight: 0.4, begin: (lab) => damage(lab, (node) => node.disk.flipBit(anyRow)) },
    'misdirected write': {
      weight: 0.3,
      begin: (lab) => damage(lab, (node) => node.disk.misdirect(anyRow)),
    },
    'skipped batch': { weight: 0.3, begin: skipBatch },
    'wiped disk': { weight: 0.3, begin: wipe },
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

function kill(node: LabNode | null, power: boolean): (() => void) | null {
  if (node === null) return null;
  node.supervised = false;
  node.kill(power);
  return () => bringBack(node);
}

/** At some moment of its next write: what it has sent by then rests on what may be lost. */
function killInWrite({ node, random }: FaultLab): (() => void) | null {
  if (node === null) return null;
  const power = random.chance(0.5);
  node.disk.duringWrite = () => kill(node, power);
  return () => {
    node.disk.duringWrite = null;
    bringBack(node);
  };
}

function bringBack(node: LabNode): void {
  node.supervised = true;
  node.start();
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
  const { machine } = random.pick(cluster.clients);
  machine.stop(random.pick([100, 1000, 3000]));
  return nothing;
}

function cutBoth(cluster: LabCluster, one: Machine, other: Machine): () => void {
  const { network } = cluster;
  network.cut(one, other);
  network.cut(other, one);
  return () => {
    network.heal(one, other);
    network.heal(other, one);
  };
}

function isolate({ cluster, random }: FaultLab): (() => void) | null {
  if (cluster.nodes.length < 2) return null;
  const { machine } = random.pick(cluster.nodes);
  machine.world.say(machine.name, () => 'is cut off from the other nodes');
  const heals = cluster.nodes
    .filter((other) => other.machine !== machine)
    .map((other) => cutBoth(cluster, machine, other.machine));
  return () => {
    for (const heal of heals) heal();
  };
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
  const { machine } = random.pick(cluster.clients);
  return cutBoth(cluster, machine, random.pick(cluster.nodes).machine);
}

function reset({ cluster, random }: FaultLab): (() => void) | null {
  const machines = [...cluster.nodes, ...cluster.clients].map(({ machine }) => machine);
  const one = random.pick(cluster.nodes).machine;
  const others = machines.filter((machine) => machine !== one);
  cluster.network.reset(one, random.pick(others));
  return nothing;
}

function worsen({ cluster, random }: FaultLab, change: (link: Link) => void): (() => void) | null {
  if (cluster.nodes.length < 2) return null;
  const from = random.pick(cluster.nodes).machine;
  const others = cluster.nodes.filter(({ machine }) => machine !== from);
  const links = (random.chance(0.5) ? others : [random.pick(others)]).map(({ machine }) =>
    cluster.network.link(from, machine),
  );
  for (const link of links) change(link);
  return () => {
    for (const link of links) Object.assign(link, { slowMs: 0, loss: 0, duplicate: 0, reorder: 0 });
  };
}

function stallDisk({ node, random }: FaultLab): (() => void) | null {
  if (node === null) return null;
  node.disk.stall(random.pick([100, 600, 2000]));
  return nothing;
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
  { cluster, node }: FaultLab,
  harm: (node: LabNode) => boolean,
): (() => void) | null {
  return node !== null && cluster.spare > 0 && !node.disk.damaged && harm(node) ? nothing : null;
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

const partitionRows = checkpointKey({ partition: 0, generation: firstGeneration })[0] ?? 1;

/** What belongs to a partition: its log, its hard state, its rows. */
function anyRow(key: string): boolean {
  return key.charCodeAt(0) === partitionRows || key.length === entryKeyLength;
}

const entryKeyLength = entryKey({ partition: 0, generation: firstGeneration }, 1).length;
