// What `paceline serve` takes, from flags or from a JSON file with the same names: checked here, each
// problem named by its field.
import { readFileSync } from 'node:fs';
import { PacelineError } from '../errors.ts';
import {
  type ClusterConfig,
  defaultCluster,
  defaultLimits,
  defaultRaftConfig,
  type NodeConfig,
} from '../node/config.ts';
import { shardCount, shardMappings } from '../shard.ts';
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

const flagNames: readonly (keyof ServeFlags)[] = [
  'id',
  'cluster',
  'listen',
  'peers',
  'data',
  'partitions',
  'mapping',
  'dedupeWindowMs',
  'dedupeWindowBytes',
  'lease',
  'insecure',
  'logLevel',
];
const nodesMax = 7;
const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

export function readConfigFile(file: string): ServeFlags {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) throw bad('config', 'is not a JSON object');
  const names: readonly string[] = flagNames;
  const unknown = Object.keys(parsed).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw bad('config', `has unknown settings: ${unknown.join(', ')}`);
  return parsed;
}

/** Throws BAD_REQUEST with the field. */
export function serveSettings(flags: ServeFlags): ServeSettings {
  const id = whole('id', flags.id, 1, 65_535);
  const listen = address('listen', flags.listen ?? '127.0.0.1:7400');
  const host = listen.slice(0, listen.lastIndexOf(':'));
  if (!loopback.test(host) && flags.insecure !== true) {
    const why = 'has no encryption or passwords: other hosts could read and write everything';
    throw bad('listen', `${listen} ${why}. Say --insecure where the network itself is safe`);
  }
  const nodes = peers(flags.peers, id, listen);
  const { data } = flags;
  if (!data) throw bad('data', "is missing: the directory that keeps this node's log");
  const cluster = clusterSettings(flags);
  const node: NodeConfig = {
    id,
    address: listen,
    nodes,
    cluster,
    limits: defaultLimits,
    raft: defaultRaftConfig,
    version,
  };
  return { node, data, logLevel: flags.logLevel ?? 'info' };
}

function clusterSettings(flags: ServeFlags): ClusterConfig {
  const { cluster } = flags;
  if (!cluster) throw bad('cluster', 'is missing: the same name for every node');
  const defaults = defaultCluster(cluster);
  const partitions = partitionsOf(flags.partitions ?? defaults.partitions);
  const mapping = shardMappings.find((each) => each === (flags.mapping ?? defaults.mapping));
  if (mapping === undefined) throw bad('mapping', `must be one of ${shardMappings.join(', ')}`);
  const { windowMs, windowBytes } = defaults.dedupe;
  const dedupe = {
    windowMs: whole('dedupeWindowMs', flags.dedupeWindowMs ?? windowMs, 1000, 2 ** 45),
    windowBytes: whole(
      'dedupeWindowBytes',
      flags.dedupeWindowBytes ?? windowBytes,
      65_536,
      2 ** 40,
    ),
  };
  if (flags.lease !== undefined && typeof flags.lease !== 'boolean') {
    throw bad('lease', `"${flags.lease}" is not true or false`);
  }
  return { ...defaults, partitions, mapping, dedupe, lease: flags.lease ?? false };
}

/** Of flags and files: a power of two. */
export function partitionsOf(value: string | number): number {
  const partitions = whole('partitions', value, 1, shardCount);
  if ((partitions & (partitions - 1)) === 0) return partitions;
  throw bad('partitions', `is ${partitions}, it must be a power of two`);
}

/** "1=HOST:PORT,2=HOST:PORT": with or without this node. */
function peers(text: string | undefined, id: number, listen: string): Map<number, string> {
  const nodes = new Map<number, string>();
  for (const part of (text ?? '').split(',').filter((each) => each !== '')) {
    const [peer = '', at = ''] = part.split('=');
    const node = whole('peers', peer, 1, 65_535);
    if (nodes.has(node)) throw bad('peers', `names node ${node} twice`);
    nodes.set(node, address('peers', at));
  }
  if (!nodes.has(id)) nodes.set(id, listen);
  if (nodes.size > nodesMax)
    throw bad('peers', `has ${nodes.size} nodes, the limit is ${nodesMax}`);
  return nodes;
}

function address(field: string, text: string): string {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) {
    throw bad(field, `"${text}" is not HOST:PORT`);
  }
  return text;
}

function whole(field: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    throw bad(field, value === undefined ? 'is missing' : `"${value}" is not a whole number`);
  }
  if (number < min || number > max) throw bad(field, `is ${number}, it must be ${min} to ${max}`);
  return number;
}

function bad(field: string, problem: string): PacelineError {
  return new PacelineError({ reason: 'BAD_REQUEST', field, message: `${field} ${problem}` });
}
