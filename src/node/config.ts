// What a node is told. Cluster config must be the same everywhere and is founded with the cluster;
// node config may differ.
import { type DedupeWindow, defaultDedupeWindow } from '../order/dedupe.ts';
import { defaultRaftConfig } from '../raft/config.ts';
import type { RaftConfig } from '../raft/types.ts';
import type { ShardMapping } from '../shard.ts';
import type { NodeId } from '../transport/types.ts';

export interface ClusterConfig {
  readonly name: string;
  /** A power of two, 1 to 8192. */
  readonly partitions: number;
  readonly mapping: ShardMapping;
  readonly dedupe: DedupeWindow;
  /** Leaders answer reads by a lease; every replica has to know, as its votes keep the promise. */
  readonly lease: boolean;
}

export interface NodeConfig {
  readonly id: NodeId;
  /** host:port where this node listens. */
  readonly address: string;
  /** Every node of the initial list, this one included: id -> host:port. */
  readonly nodes: ReadonlyMap<NodeId, string>;
  readonly cluster: ClusterConfig;
  readonly limits: NodeLimits;
  /** Without what the cluster's config says. */
  readonly raft: Omit<RaftConfig, 'lease'>;
  readonly version: string;
}

export interface NodeLimits {
  readonly tickMs: number;
  /** Commands of a partition that wait to be sequenced; more are answered BUSY. */
  readonly queuedCommandsMax: number;
  readonly queuedBytesMax: number;
  /** A leader's entries not yet folded; beyond that its partition's commands wait. */
  readonly unfoldedBytesMax: number;
  /** An entry takes the commands at hand up to about this size. */
  readonly entryBytesTarget: number;
  /** Commands looked at together, so that one fetch serves them all. */
  readonly sequenceWindow: number;
  /** One frame to a peer takes messages up to this size; a larger one is alone in its frame. */
  readonly frameBytesMax: number;
  readonly checkpointRowsMax: number;
  readonly checkpointBytesMax: number;
  /** Log since the last checkpoints, of all partitions together: what a start has to replay. */
  readonly replayBytesMax: number;
  /** More than this to replay, because checkpoints do not get written: appends are answered BUSY. */
  readonly replayBytesBusy: number;
  readonly checkpointIdleMs: number;
  /** A read that cannot be confirmed, or an append that finds no leader, gives up after this. */
  readonly leaderWaitMs: number;
}

export const defaultLimits: NodeLimits = {
  tickMs: 25,
  queuedCommandsMax: 16_384,
  queuedBytesMax: 16 * 1024 * 1024,
  unfoldedBytesMax: 8 * 1024 * 1024,
  entryBytesTarget: 32 * 1024,
  sequenceWindow: 512,
  frameBytesMax: 1024 * 1024,
  checkpointRowsMax: 8000,
  checkpointBytesMax: 512 * 1024,
  replayBytesMax: 24 * 1024 * 1024,
  replayBytesBusy: 32 * 1024 * 1024,
  checkpointIdleMs: 1000,
  leaderWaitMs: 5000,
};

export function defaultCluster(name: string): ClusterConfig {
  return { name, partitions: 16, mapping: 'mix', dedupe: defaultDedupeWindow, lease: false };
}

export { defaultRaftConfig };
