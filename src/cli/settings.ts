// What `paceline serve` takes, from flags or from a file (`config-file.ts`): checked here, each problem
// named by its flag.
import {
  type ClusterConfig,
  defaultCluster,
  defaultLimits,
  defaultRaftConfig,
  type NodeConfig,
} from '../node/config.ts';
import { shardCount, shardMappings } from '../shard.ts';
import { usage } from './flags.ts';
import { version } from './version.ts';

export interface ServeFlags {
  readonly id?: string | number;
  readonly cluster?: string;
  readonly listen?: string;
  readonly peers?: string;
  readonly data?: string;
  readonly partitions?: string | number;
  readonly mapping?: string;
  readonly dedupeWindowMs?: string | number;
  readonly dedupeWindowBytes?: string | number;
  readonly lease?: boolean;
  readonly insecure?: boolean;
  readonly logLevel?: string;
}

export interface ServeSettings {
  readonly node: NodeConfig;
  readonly data: string;
  readonly logLevel: string;
}

const logLevels = ['info', 'warn', 'silent'] as const;

const nodesMax = 7;
const everyAddress = /^(0\.0\.0\.0|\[::\])$/;
const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** Throws BAD_REQUEST with the field. */
export function serveSettings(flags: ServeFlags): ServeSettings {
  const id = whole('id', flags.id, 1, 65_535);
  const listen = address('listen', flags.listen ?? '127.0.0.1:7400');
  const { host } = placeOf(listen);
  if (!loopback.test(host) && flags.insecure !== true) {
    const why = 'has no encryption or passwords: other hosts could read and write everything';
    throw usage('listen', `${listen} ${why}. Say --insecure where the network itself is safe`);
  }
  const nodes = peers(flags.peers, id);
  const { data } = flags;
  if (!data) throw usage('data', "is missing: the directory that keeps this node's log");
  const cluster = clusterSettings(flags);
  const { logLevel = 'info' } = flags;
  if (!logLevels.some((each) => each === logLevel)) {
    throw usage('log-level', `"${logLevel}" is not one of ${logLevels.join(', ')}`);
  }
  const node: NodeConfig = {
    id,
    address: listen,
    nodes,
    cluster,
    limits: defaultLimits,
    raft: defaultRaftConfig,
    version,
  };
  return { node, data, logLevel };
}

function clusterSettings(flags: ServeFlags): ClusterConfig {
  const { cluster } = flags;
  if (!cluster) throw usage('cluster', 'is missing: the same name for every node');
  const defaults = defaultCluster(cluster);
  const partitions = partitionsOf(flags.partitions ?? defaults.partitions);
  const mapping = shardMappings.find((each) => each === (flags.mapping ?? defaults.mapping));
  if (mapping === undefined) throw usage('mapping', `must be one of ${shardMappings.join(', ')}`);
  const { windowMs, windowBytes } = defaults.dedupe;
  const dedupe = {
    windowMs: whole('dedupe-window-ms', flags.dedupeWindowMs ?? windowMs, 1000, 2 ** 45),
    windowBytes: whole(
      'dedupe-window-bytes',
      flags.dedupeWindowBytes ?? windowBytes,
      65_536,
      2 ** 40,
    ),
  };
  return { ...defaults, partitions, mapping, dedupe, lease: flags.lease ?? false };
}

/** Of flags and files: a power of two. */
export function partitionsOf(value: string | number): number {
  const partitions = whole('partitions', value, 1, shardCount);
  if ((partitions & (partitions - 1)) === 0) return partitions;
  throw usage('partitions', `is ${partitions}, it must be a power of two`);
}

/** "1=HOST:PORT,2=HOST:PORT", this node among them: the cluster is founded of these, for good. */
function peers(text: string | undefined, id: number): Map<number, string> {
  const nodes = new Map<number, string>();
  const alone = `a cluster of this node alone is --peers ${id}=HOST:PORT`;
  if (!text) throw usage('peers', `is missing: every node as ID=HOST:PORT; ${alone}`);
  for (const part of text.split(',').filter((each) => each !== '')) {
    const [, peer, at] = /^([^=]*)=(.*)$/.exec(part) ?? [];
    if (peer === undefined || at === undefined)
      throw usage('peers', `"${part}" is not ID=HOST:PORT`);
    const node = whole('peers', peer, 1, 65_535);
    if (nodes.has(node)) throw usage('peers', `names node ${node} twice`);
    nodes.set(node, address('peers', at));
  }
  if (!nodes.has(id)) throw usage('peers', `does not name node ${id}, which is this one`);
  const addresses = [...nodes.values()];
  const twice = addresses.find((each, i) => addresses.indexOf(each) !== i);
  if (twice !== undefined) throw usage('peers', `gives two nodes the address ${twice}`);
  if (nodes.size > nodesMax)
    throw usage('peers', `has ${nodes.size} nodes, the limit is ${nodesMax}`);
  return nodes;
}

/** What --peers says of this node where that is not what it listens at; '' = it fits. */
export function otherAddress({ id, address: listen, nodes }: NodeConfig): string {
  const told = nodes.get(id) ?? listen;
  const [own, said] = [placeOf(listen), placeOf(told)];
  const fits = everyAddress.test(own.host) ? own.port === said.port : told === listen;
  return fits ? '' : told;
}

/** Of HOST:PORT, the host as it stands there. */
export function placeOf(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

function address(field: string, text: string): string {
  if (!/^[^=,\s]+:\d+$/.test(text)) throw usage(field, `"${text}" is not HOST:PORT`);
  const { port } = placeOf(text);
  if (port >= 1 && port <= 65_535) return text;
  throw usage(field, `"${text}" has port ${port}, it must be 1 to 65535`);
}

function whole(field: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    throw usage(field, value === undefined ? 'is missing' : `"${value}" is not a whole number`);
  }
  if (number < min || number > max) throw usage(field, `is ${number}, it must be ${min} to ${max}`);
  return number;
}
