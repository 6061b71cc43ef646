// How a cluster begins: the founding record, made once when every node of the initial list has said
// that its store is blank, and what a node answers to another's hello. Pure: the node makes durable
// and sends what is decided here.
import { sameBytes } from '../bytes.ts';
import type { DedupeWindow } from '../order/dedupe.ts';
import { pack, unpackArray } from '../order/packing.ts';
import type { Hello, NodeId } from '../transport/types.ts';
import type { ClusterConfig, NodeConfig } from './config.ts';

export const peerProtocolVersion = 4;
const recordVersion = 1;

export interface FoundingRecord {
  /** 16 random bytes. */
  readonly clusterId: Uint8Array;
  readonly cluster: ClusterConfig;
  readonly nodes: ReadonlyMap<NodeId, Uint8Array>;
}

export function encodeFounding(record: FoundingRecord): Uint8Array {
  const { name, partitions, mapping, dedupe, lease } = record.cluster;
  const window = [dedupe.windowMs, dedupe.windowBytes];
  const nodes = [...record.nodes].sort(([a], [b]) => a - b);
  return pack([recordVersion, record.clusterId, name, partitions, mapping, window, nodes, lease]);
}

/** null: not a record of this version. */
export function decodeFounding(bytes: Uint8Array): FoundingRecord | null {
  const fields = unpackArray(bytes);
  if (fields === null || fields[0] !== recordVersion) return null;
  const [, clusterId, name, partitions, mapping, window, nodeList, lease = false] = fields;
  if (!(clusterId instanceof Uint8Array) || typeof name !== 'string') return null;
  if (typeof partitions !== 'number' || !isMapping(mapping)) return null;
  if (typeof lease !== 'boolean') return null;
  const dedupe = decodeWindow(window);
  const nodes = decodeNodes(nodeList);
  if (dedupe === null || nodes === null) return null;
  return { clusterId, cluster: { name, partitions, mapping, dedupe, lease }, nodes };
}

/** What a node was told against what its store was founded with; one line for each difference. */
export function differences(
  config: NodeConfig,
  record: FoundingRecord,
  uuid: Uint8Array,
): string[] {
  const { cluster, id, nodes } = config;
  const founded = record.cluster;
  const lines: string[] = [];
  const compare = (name: string, told: unknown, stored: unknown) => {
    if (told !== stored) lines.push(`${name}: told ${told}, stored ${stored}`);
  };
  compare('cluster', cluster.name, founded.name);
  compare('partitions', cluster.partitions, founded.partitions);
  compare('mapping', cluster.mapping, founded.mapping);
  compare('dedupe window ms', cluster.dedupe.windowMs, founded.dedupe.windowMs);
  compare('dedupe window bytes', cluster.dedupe.windowBytes, founded.dedupe.windowBytes);
  compare('lease', cluster.lease, founded.lease);
  compare('peers', listed(nodes), listed(record.nodes));
  const own = [...record.nodes].find(([, stored]) => sameBytes(stored, uuid))?.[0];
  compare('id', id, own ?? 'none: this data directory is not one of the cluster');
  return lines;
}

/** What to do after a hello was taken in. */
export type FoundingStep =
  | { readonly kind: 'none' }
  /** Make it durable, then serve and say hello again. */
  | { readonly kind: 'found'; readonly record: FoundingRecord };

export class Founding {
  record: FoundingRecord | null;
  private readonly config: NodeConfig;
  private readonly uuid: Uint8Array;
  private readonly newClusterId: () => Uint8Array;
  /** The newest hello of each other node. */
  private readonly hellos = new Map<NodeId, Hello>();
  /** Who came last with a store that was not founded under that id. */
  private readonly strange = new Set<NodeId>();
  /** How the offered record differs from what this node was told. */
  private conflict: readonly string[] = [];

  constructor(
    config: NodeConfig,
    uuid: Uint8Array,
    record: FoundingRecord | null,
    newClusterId: () => Uint8Array,
  ) {
    this.config = config;
    this.uuid = uuid;
    this.record = record;
    this.newClusterId = newClusterId;
  }

  /** Why a hello cannot be taken, or null. */
  refuse(hello: Hello): string | null {
    const { cluster, nodes } = this.config;
    const node = `node ${hello.node}`;
    if (hello.version !== peerProtocolVersion) {
      return `${node} speaks peer protocol ${hello.version}, this node ${peerProtocolVersion}`;
    }
    if (hello.cluster !== cluster.name) {
      return `${node} is of cluster "${hello.cluster}", this node of cluster "${cluster.name}"`;
    }
    if (hello.node === this.config.id) return `${node} says it is this node`;
    if (!nodes.has(hello.node)) return `${node} is not in this node's list of peers`;
    if (hello.partitionCount !== cluster.partitions) {
      return `${node} has ${hello.partitionCount} partitions, this node ${cluster.partitions}`;
    }
    if (hello.mapping !== cluster.mapping) {
      return `${node} maps shards by ${hello.mapping}, this node by ${cluster.mapping}`;
    }
    return this.refuseRecord(hello) ?? this.refuseStore(hello);
  }

  /** Takes in a hello that was not refused. */
  take(hello: Hello): FoundingStep {
    this.hellos.set(hello.node, hello);
    this.strange.delete(hello.node);
    if (this.record !== null) return { kind: 'none' };
    const offered = hello.founding === null ? null : decodeFounding(hello.founding);
    if (offered !== null) {
      this.conflict = differences(this.config, offered, this.uuid);
      return this.conflict.length === 0 ? { kind: 'found', record: offered } : { kind: 'none' };
    }
    return this.foundIfAllBlank();
  }

  /** Its connection is lost: nothing is founded with a store that may be gone. */
  forget(node: NodeId): void {
    if (this.record === null) this.hellos.delete(node);
  }

  /** The lowest node id founds, once every node has said that it is blank. */
  foundIfAllBlank(): FoundingStep {
    const { nodes, id, cluster } = this.config;
    if (this.record !== null || id !== Math.min(...nodes.keys())) return { kind: 'none' };
    const stores = new Map<NodeId, Uint8Array>([[id, this.uuid]]);
    for (const [node, hello] of this.hellos) {
      if (hello.founding !== null) return { kind: 'none' };
      stores.set(node, hello.storeUuid);
    }
    if (stores.size < nodes.size) return { kind: 'none' };
    return { kind: 'found', record: { clusterId: this.newClusterId(), cluster, nodes: stores } };
  }

  /** Only the store that was founded under a node id speaks for it. */
  isTrusted(node: NodeId): boolean {
    const stored = this.record?.nodes.get(node);
    const hello = this.hellos.get(node);
    return stored !== undefined && hello !== undefined && sameBytes(stored, hello.storeUuid);
  }

  /** For status; '' where nothing is waited for. */
  waitingFor(): string {
    if (this.record !== null) return '';
    if (this.conflict.length > 0) {
      return `a founding record that fits this node (${this.conflict.join('; ')})`;
    }
    const silent = [...this.config.nodes.keys()].filter(
      (node) => node !== this.config.id && !this.hellos.has(node),
    );
    if (silent.length > 0) return `the first contact with node ${silent.join(', ')}`;
    return `node ${Math.min(...this.config.nodes.keys())} to found the cluster`;
  }

  /** Nodes of the founded cluster whose data directory is another one now. */
  strangers(): NodeId[] {
    if (this.record === null) return [];
    const met = [...this.hellos.keys()].filter((node) => !this.isTrusted(node));
    return [...new Set([...met, ...this.strange])];
  }

  private refuseRecord(hello: Hello): string | null {
    if (hello.founding === null) return null;
    const theirs = decodeFounding(hello.founding);
    if (theirs === null) return `node ${hello.node} has a founding record of an unknown version`;
    if (this.record !== null && !sameBytes(theirs.clusterId, this.record.clusterId)) {
      return `node ${hello.node} was founded with another cluster of the same name`;
    }
    return null;
  }

  /** Taken in, its streams would take the place of those of the node that it says it is. */
  private refuseStore({ node, storeUuid }: Hello): string | null {
    const founded = this.record?.nodes.get(node);
    if (founded === undefined || sameBytes(founded, storeUuid)) return null;
    this.strange.add(node);
    return `node ${node} has another data directory than it was founded with`;
  }
}

function decodeWindow(value: unknown): DedupeWindow | null {
  if (!Array.isArray(value)) return null;
  const [windowMs, windowBytes]: unknown[] = value;
  if (typeof windowMs !== 'number' || typeof windowBytes !== 'number') return null;
  return { windowMs, windowBytes };
}

function decodeNodes(value: unknown): Map<NodeId, Uint8Array> | null {
  if (!Array.isArray(value)) return null;
  const nodes = new Map<NodeId, Uint8Array>();
  for (const pair of value) {
    if (!Array.isArray(pair)) return null;
    const [node, uuid]: unknown[] = pair;
    if (typeof node !== 'number' || !(uuid instanceof Uint8Array)) return null;
    nodes.set(node, uuid);
  }
  return nodes;
}

function isMapping(value: unknown): value is ClusterConfig['mapping'] {
  return value === 'mix' || value === 'tt_sum' || value === 'tt_one';
}

function listed(nodes: ReadonlyMap<NodeId, unknown>): string {
  return [...nodes.keys()].sort((a, b) => a - b).join(',');
}
