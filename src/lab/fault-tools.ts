// What faults are made of.
import type { LabCluster } from './lab-cluster.ts';
import type { LabNode } from './lab-node.ts';
import type { Machine } from './machine.ts';
import { goodLink, type Link } from './network.ts';
import type { Random } from './random.ts';

/** Does it, and says how it is undone; null: there was nothing to do it to. */
export type Fault = (lab: FaultLab) => (() => void) | null;

export interface FaultLab {
  readonly cluster: LabCluster;
  readonly random: Random;
  /** A node of which the process runs. */
  readonly node: LabNode | null;
}

export const nothing = () => {};
const lookMs = 2;

export function kill(node: LabNode | null, power: boolean): (() => void) | null {
  if (node === null) return null;
  node.supervised = false;
  node.kill(power);
  return () => bringBack(node);
}

export function bringBack(node: LabNode): void {
  node.supervised = true;
  node.start();
}

export function cutBoth(cluster: LabCluster, one: Machine, other: Machine): () => void {
  const { network } = cluster;
  network.cut(one, other);
  network.cut(other, one);
  return () => {
    network.heal(one, other);
    network.heal(other, one);
  };
}

export function isolateOne(cluster: LabCluster, machine: Machine): () => void {
  machine.world.say(machine.name, () => 'is cut off from the other nodes');
  const heals = cluster.nodes
    .filter((other) => other.machine !== machine)
    .map((other) => cutBoth(cluster, machine, other.machine));
  return () => {
    for (const heal of heals) heal();
  };
}

export function giveTo(cluster: LabCluster, partition: number, to: LabNode): void {
  if (cluster.isHealed) return;
  const leader = leaderOf(cluster, partition);
  leader?.node?.transferLeadership(partition, to.id).catch(nothing);
}

/** The next step of a fault; none is taken once the faults are over. */
export function later(cluster: LabCluster, afterMs: number, call: () => void): void {
  cluster.world.after(afterMs, null, () => {
    if (!cluster.isHealed) call();
  });
}

/** Once it holds, or after 4 s; never once the faults are over. */
export function whenever(cluster: LabCluster, holds: () => boolean, call: () => void): void {
  const { world } = cluster;
  const untilMs = world.nowMs + 4000;
  const look = () => {
    if (cluster.isHealed) return;
    if (holds() || world.nowMs > untilMs) call();
    else world.after(lookMs, null, look);
  };
  look();
}

/** Of the newest term. */
export function leaderOf({ nodes }: LabCluster, partition: number): LabNode | null {
  let newest: LabNode | null = null;
  let newestTerm = 0;
  for (const each of nodes) {
    const raft = each.node?.replicas[partition]?.raft;
    if (raft?.role !== 'leader' || raft.term <= newestTerm) continue;
    newest = each;
    newestTerm = raft.term;
  }
  return newest;
}

export function allLinks({ nodes, network }: LabCluster): Link[] {
  return nodes.flatMap((from) =>
    nodes.filter((to) => to !== from).map((to) => network.link(from.machine, to.machine)),
  );
}

export function makeGood(links: readonly Link[]): void {
  for (const link of links) Object.assign(link, goodLink);
}
