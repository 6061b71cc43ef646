// What one run is made of, drawn from its seed: how many nodes, partitions and clients, how fast the disks
// and the network are, and limits small enough that rare paths are walked often.
import { assert } from '../assert.ts';
import {
  defaultLimits,
  defaultRaftConfig,
  type NodeConfig,
  type NodeLimits,
} from '../node/config.ts';
import { type DedupeWindow, defaultDedupeWindow } from '../order/dedupe.ts';
import { createPlaces, partitionOf } from '../shard.ts';
import type { DiskTimes } from './disk.ts';
import type { Random } from './random.ts';

/** Clients that are provoked fill it. */
const smallQueue = 64;

export function hasSmallQueue({ limits }: Pick<Shape, 'limits'>): boolean {
  return limits.queuedCommandsMax === smallQueue;
}

/** Its pages are merged often; more keys than any run has fit into it: 1,280. */
const smallWindow: DedupeWindow = { ...defaultDedupeWindow, windowBytes: 40 * 1024 };

export interface Shape {
  readonly nodes: number;
  readonly partitions: number;
  readonly clients: number;
  /** With outboxes. */
  readonly apps: number;
  readonly conversations: number;
  /** Clients read what was acknowledged last, all the time. */
  readonly freshReads: boolean;
  readonly lease: boolean;
  readonly disk: DiskTimes;
  readonly networkMs: number;
  /** Wall clocks of nodes are off by so much at most. */
  readonly skewMs: number;
  readonly limits: NodeLimits;
  readonly dedupe: DedupeWindow;
  readonly raft: NodeConfig['raft'];
}

const places = createPlaces('mix');

export function partitionOfName({ partitions }: Pick<Shape, 'partitions'>, name: string): number {
  const place = places(name);
  assert('shard' in place, 'conversations of the lab have good names');
  return partitionOf(place.shard, partitions);
}

export function drawShape(random: Random): Shape {
  const nodes = random.pick([3, 3, 3, 3, 3, 3, 5, 5, 5, 4, 2, 1]);
  return {
    nodes,
    partitions: random.pick([1, 1, 2, 4]),
    clients: random.between(2, 3),
    apps: random.pick([0, 1, 1, 2]),
    conversations: random.between(2, 6),
    freshReads: random.chance(0.3),
    lease: random.chance(0.3),
    disk: { readMs: random.pick([0.05, 0.2, 2]), syncMs: random.pick([0.5, 2, 10]) },
    networkMs: random.pick([0.2, 1, 10, 40]),
    skewMs: random.pick([0, 50, 2000]),
    limits: drawLimits(random),
    dedupe: random.pick([defaultDedupeWindow, smallWindow]),
    raft: drawRaft(random),
  };
}

/** Usual limits, a quick disk and a quick network. */
export function plainShape(of: Pick<Shape, 'nodes' | 'partitions' | 'lease'>): Shape {
  const { lease: _, ...raft } = defaultRaftConfig;
  return {
    ...of,
    ...{
      clients: 0,
      apps: 0,
      conversations: 0,
      freshReads: false,
      networkMs: 0.2,
      skewMs: 0,
      limits: defaultLimits,
      dedupe: defaultDedupeWindow,
      raft,
    },
    disk: { readMs: 0.05, syncMs: 0.5 },
  };
}

export function configOf(shape: Shape, id: number): NodeConfig {
  const ids = Array.from({ length: shape.nodes }, (_, i) => i + 1);
  const nodes = new Map(ids.map((each) => [each, addressOf(each)]));
  const { partitions, lease, limits, dedupe, raft } = shape;
  const cluster = {
    ...{ name: 'lab', partitions, lease },
    ...{ mapping: 'mix' as const, dedupe },
  };
  return { id, address: addressOf(id), nodes, cluster, limits, raft, version: 'lab' };
}

export function addressOf(id: number): string {
  return `node-${id}:7400`;
}

function drawLimits(random: Random): NodeLimits {
  const sequencing = {
    tickMs: random.pick([25, 50, 50]),
    entryBytesTarget: random.pick([200, 2000, 16_384]),
    sequenceWindow: random.pick([4, 64, 512]),
  };
  // Was that of a limit which is gone: without it every seed would make another run.
  random.next();
  return {
    ...defaultLimits,
    ...sequencing,
    frameBytesMax: random.pick([2000, 64_000, 1_048_576]),
    unfoldedBytesMax: random.pick([2000, 64_000, 8_388_608]),
    checkpointRowsMax: random.pick([1, 5, 50, 2000]),
    checkpointBytesMax: random.pick([2000, 16_384, 262_144]),
    checkpointIdleMs: random.pick([200, 1000]),
    queuedCommandsMax: random.pick([smallQueue, 1024, 16_384]),
  };
}

function drawRaft(random: Random): NodeConfig['raft'] {
  const { lease: _lease, ...usual } = defaultRaftConfig;
  return {
    ...usual,
    appendBytesMax: random.pick([500, 8000, 1_048_576]),
    inflightAppendsMax: random.pick([1, 4, 256]),
    inflightBytesMax: random.pick([1000, 64_000, 8_388_608]),
    memoryBytesMax: random.pick([500, 5000, 1_048_576]),
    quiesceAfterMs: random.pick([500, 3000]),
  };
}
