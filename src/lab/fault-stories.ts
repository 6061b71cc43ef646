// Faults of several steps, each of which waits for what the one before has led to.
import {
  allLinks,
  cutBoth,
  type FaultLab,
  giveTo,
  isolateOne,
  kill,
  later,
  leaderOf,
  makeGood,
  nothing,
  whenever,
} from './fault-tools.ts';
import type { LabCluster } from './lab-cluster.ts';
import type { LabNode } from './lab-node.ts';
import type { Random } from './random.ts';

const firstLookMs = 0.5;
/** A checkpoint that moves nothing is soon written. */
const movingLooks = 5;

/** A leader: it comes to itself while nobody can tell it that it leads no more. */
export function stopAlone({ cluster, random }: FaultLab): (() => void) | null {
  const leader = leaderOf(cluster, random.below(cluster.shape.partitions));
  if (cluster.nodes.length < 3 || leader === null) return null;
  const { heartbeats } = leader;
  whenever(
    cluster,
    () => leader.heartbeats > heartbeats,
    () => stopNow(cluster, leader, random),
  );
  return nothing;
}

/** It has just sent heartbeats: the answers still reach it, and wait there. */
function stopNow(cluster: LabCluster, leader: LabNode, random: Random): void {
  const stopMs = random.pick([300, 700, 1500, 2500, 4000]);
  leader.machine.stop(stopMs);
  later(cluster, 200 * random.next(), () => {
    const heal = isolateOne(cluster, leader.machine);
    cluster.world.after(stopMs + 700 * random.next(), null, heal);
  });
  // Some find its successor, and write there.
  later(cluster, 300 + 1200 * random.next(), () => {
    for (const { machine } of cluster.clients) {
      if (random.chance(0.6)) cluster.network.reset(machine, leader.machine);
    }
    later(cluster, 100, () => cluster.provoke());
  });
  // From when it comes to itself.
  for (const afterMs of [-20, 100, 250, 400]) {
    later(cluster, stopMs + afterMs, () => cluster.question(leader, 'newest'));
  }
}

/**
 * A leader is cut off with what only it has; its successor dies as soon as it has committed something, and
 * the first one once it has given up what it had.
 */
export function leaderAfterLeader({ cluster, random }: FaultLab): (() => void) | null {
  const { world } = cluster;
  const partition = random.below(cluster.shape.partitions);
  const first = leaderOf(cluster, partition);
  if (cluster.nodes.length < 3 || first === null) return null;
  const raftOf = ({ node }: LabNode) => node?.replicas[partition]?.raft;
  const lastIndex = raftOf(first)?.lastIndex;
  const successor = () => {
    const next = leaderOf(cluster, partition);
    return next !== first && next !== null && raftOf(next)?.ready ? next : null;
  };
  const killFor = (node: LabNode | null) => {
    const start = kill(node, random.chance(0.5));
    world.after(500 + 2000 * random.next(), null, () => start?.());
  };
  const cutOff = () => {
    const heal = isolateOne(cluster, first.machine);
    cluster.provoke();
    const succeeded = () => {
      killFor(successor());
      heal();
      const next = random.chance(0.5)
        ? () => killFor(first.node === null ? null : first)
        : () => giveTo(cluster, partition, first);
      later(cluster, 1500 * random.next(), next);
    };
    whenever(cluster, () => successor() !== null, succeeded);
  };
  whenever(cluster, () => raftOf(first)?.lastIndex !== lastIndex, cutOff);
  return nothing;
}

/**
 * A leader is cut off with less than half of the nodes, whose disks stall: what it sends to them is still
 * being written when the leader of the others takes it back.
 */
export function leaderWithFew({ cluster, random }: FaultLab): (() => void) | null {
  const { world, nodes } = cluster;
  const partition = random.below(cluster.shape.partitions);
  const first = leaderOf(cluster, partition);
  if (nodes.length < 5 || first === null) return null;
  const others = nodes.filter((node) => node !== first);
  const companion = random.pick(others);
  const rest = others.filter((node) => node !== companion);
  const heals = [first, companion].flatMap(({ machine }) =>
    rest.map((other) => cutBoth(cluster, machine, other.machine)),
  );
  companion.disk.stall(random.between(1500, 3500));
  for (const afterMs of [0, 50, 150]) world.after(afterMs, null, () => cluster.provoke());
  const successor = () => {
    const next = leaderOf(cluster, partition);
    return next !== null && next !== first;
  };
  whenever(cluster, successor, () => {
    for (const heal of heals) heal();
  });
  return nothing;
}

/**
 * A follower hears its leader badly, and its answers are overdue: they arrive when the leader has given
 * leadership away, has got it back, and hears from the follower at once again.
 */
export function overdueAnswers({ cluster, random }: FaultLab): (() => void) | null {
  const { world, nodes, network } = cluster;
  const partition = random.below(cluster.shape.partitions);
  const first = leaderOf(cluster, partition);
  if (nodes.length < 3 || first === null) return null;
  const others = nodes.filter((node) => node !== first);
  const late = random.pick(others);
  const rest = others.filter((node) => node !== late);
  const heals = rest.map((other) => cutBoth(cluster, late.machine, other.machine));
  const [there, back] = [
    network.link(first.machine, late.machine),
    network.link(late.machine, first.machine),
  ];
  Object.assign(there, { loss: 0.6 });
  Object.assign(back, { slowMs: random.between(300, 600), reorder: 1 });
  const heal = () => {
    makeGood([there, back]);
    for (const each of heals) each();
  };
  for (const afterMs of [0, 40, 80]) world.after(afterMs, null, () => cluster.provoke());
  const giveAway = () => {
    giveTo(cluster, partition, random.pick(rest));
    whenever(cluster, () => leaderOf(cluster, partition) !== first, giveBack);
  };
  const giveBack = () => {
    giveTo(cluster, partition, first);
    whenever(cluster, () => leaderOf(cluster, partition) === first, hearAgain);
  };
  const matchOfLate = () => first.node?.replicas[partition]?.raft.follower(late.id)?.match ?? 0;
  const hearAgain = () => {
    heal();
    // Its overdue answers find it in the middle of catching up.
    whenever(
      cluster,
      () => matchOfLate() > 0,
      () => late.disk.stall(600),
    );
  };
  world.after(100 + 200 * random.next(), null, giveAway);
  return nothing;
}

/**
 * What a client sends is long on its way, and it loses its connections and sends it again before that arrives:
 * an append that expects more than there is yet, but is by then.
 */
export function lateFrame({ cluster, random }: FaultLab): () => void {
  const { nodes, network } = cluster;
  const of = random.pick(cluster.clients);
  const links = nodes.map(({ machine }) => network.link(of.machine, machine));
  cluster.expectAhead(of, () => {
    if (cluster.isHealed) return;
    for (const link of links) link.slowMs = random.between(300, 800);
    later(cluster, 30, () => {
      makeGood(links);
      for (const { machine } of nodes) network.reset(of.machine, machine);
    });
  });
  return nothing;
}

/**
 * A leader's disk takes long to read, and clients send again what they sent before: the keys that it looks up
 * are moved meanwhile by a checkpoint, which takes long as it reads what it moves.
 */
export function retriesAtBusyDisk({ cluster, random }: FaultLab): (() => void) | null {
  const partition = random.below(cluster.shape.partitions);
  const leader = leaderOf(cluster, partition);
  if (leader === null) return null;
  const { disk } = leader;
  disk.busyMs = random.pick([60, 200]);
  let isOver = false;
  cluster.trickle(partition);
  let looks = 0;
  /** For some looks in a row. */
  const isMoving = () => {
    looks = leader.node?.replicas[partition]?.rows.freezing ? looks + 1 : 0;
    return isOver || looks > movingLooks;
  };
  const wait = () => {
    whenever(cluster, isMoving, () => {
      if (isOver) return;
      cluster.resend(partition);
      later(cluster, 200 * random.next(), wait);
    });
  };
  wait();
  return () => {
    isOver = true;
    disk.busyMs = 0;
  };
}

/** A vote that was given at the very start is gone, before anything else was written. */
export function loseFirstVote({ nodes, shape, world }: LabCluster, random: Random): void {
  if (nodes.length < 3) return;
  const node = random.pick(nodes);
  const partition = random.below(shape.partitions);
  const untilMs = 1000;
  const look = () => {
    if (world.nowMs > untilMs) return;
    if (!node.disk.hasOnlyVote(partition)) {
      world.after(firstLookMs, null, look);
      return;
    }
    const start = kill(node, true);
    node.disk.loseVote(partition);
    world.after(300, null, () => start?.());
  };
  look();
}

/** What comes last is lost, and nothing follows it by which that would be noticed. */
export function loseLast(cluster: LabCluster, random: Random): void {
  for (const link of allLinks(cluster)) link.loss = 0.5;
  cluster.world.after(random.between(1500, 3000), null, () => cluster.network.healAll());
}
