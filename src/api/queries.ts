// Read, GetPartitionMap and GetStatus: from the request to the answer, without gRPC.
import { pid } from 'node:process';
import { PacelineError } from '../errors.ts';
import {
  AppendCommand,
  type GetPartitionMapResponseInput,
  type GetStatusResponseInput,
  ReadLevel,
  type ReadRequest,
  type ReadResponseInput,
  ShardMapping,
  type StatusReplicaInput,
} from '../gen/proto.ts';
import type { Node } from '../node/node.ts';
import { pageLimits, type StoredMessage } from '../node/reader.ts';
import type { Replica } from '../node/replica.ts';
import { idOf } from './answers.ts';
import { mapVersion } from './append-session.ts';
import { checkConversation } from './check.ts';

const defaultLimit = 100;

const mappings = {
  mix: ShardMapping.SHARD_MAPPING_MIX,
  tt_sum: ShardMapping.SHARD_MAPPING_TT_SUM,
  tt_one: ShardMapping.SHARD_MAPPING_TT_ONE,
} as const;

export async function read(node: Node, request: ReadRequest): Promise<ReadResponseInput> {
  const place = checkConversation(node, request.conversation);
  if ('reason' in place) throw new PacelineError(place);
  const limit = request.limit === 0 ? defaultLimit : request.limit;
  if (limit > pageLimits.messages) throw limitTooLarge(limit);
  const page = await node.read(
    { conversation: place.text, shard: place.shard, afterSeq: request.afterSeq.toNumber(), limit },
    request.level === ReadLevel.READ_LEVEL_EVENTUAL ? 'eventual' : 'linearizable',
  );
  return {
    messages: page.messages.map(messageOf),
    headSeq: page.head.seq,
    headRev: page.head.rev,
    minSeq: Math.min(1, page.head.seq),
    servedBy: node.config.id,
    appliedIndex: page.appliedIndex,
  };
}

export function partitionMap(node: Node): GetPartitionMapResponseInput {
  const { config, replicas } = node;
  const { cluster, nodes } = config;
  return {
    version: mapVersion,
    partitionCount: cluster.partitions,
    mapping: mappings[cluster.mapping],
    nodes: [...nodes].map(([id, address]) => ({ id, address })),
    leaders: replicas.map(({ partition, raft }) => {
      return { partition, leader: raft.leader, term: raft.term };
    }),
  };
}

export function status(node: Node): GetStatusResponseInput {
  const { config, founding } = node;
  return {
    node: config.id,
    cluster: config.cluster.name,
    pid,
    address: config.address,
    state: node.isServing ? 'serving' : 'waiting',
    waitingFor: node.isServing ? strangersNote(node) : founding.waitingFor(),
    nodes: [...config.nodes].map(([id, address]) => {
      return { id, address, connected: node.isConnected(id) };
    }),
    replicas: node.replicas.map(replicaStatus),
    version: config.version,
    recoveryMs: node.recoveryMs,
    replayedEntries: node.replayedEntries,
  };
}

function strangersNote(node: Node): string {
  const strangers = node.founding.strangers();
  if (strangers.length === 0) return '';
  return `node ${strangers.join(', ')} has another data directory than it was founded with`;
}

function replicaStatus({ partition, raft, checkpointIndex }: Replica): StatusReplicaInput {
  const { role, term, leader, commit, applied, lastIndex, ready } = raft;
  const checkpoint = checkpointIndex;
  return { partition, role, term, leader, commit, applied, lastIndex, checkpoint, ready };
}

function messageOf(message: StoredMessage) {
  const { seq, rev, timeMs } = message;
  const command = AppendCommand.decode(message.command);
  return { seq, rev, id: idOf(message), timeMs, command };
}

function limitTooLarge(limit: number): PacelineError {
  const message = `limit is ${limit}, the limit is ${pageLimits.messages}`;
  const field = { field: 'limit', limit: pageLimits.messages };
  return new PacelineError({ reason: 'TOO_LARGE', message, ...field });
}
