// Read, BatchGetHeads, GetPartitionMap and GetStatus: from the request to the answer, without gRPC.
import { pid } from 'node:process';
import { PacelineError } from '../errors.ts';
import {
  type BatchGetHeadsRequest,
  type BatchGetHeadsResponseInput,
  type GetPartitionMapResponseInput,
  type GetStatusResponseInput,
  ReadDirection,
  ReadLevel,
  type ReadRequest,
  type ReadResponseInput,
  ShardMapping,
  type StatusReplicaInput,
} from '../gen/proto.ts';
import type { ReadLevel as Level, Node } from '../node/node.ts';
import type { PageRange } from '../node/page-range.ts';
import { pageLimits } from '../node/reader.ts';
import type { Replica } from '../node/replica.ts';
import { mapVersion } from './answers.ts';
import { checkConversation } from './check.ts';
import { messageOf } from './messages.ts';
import { decodeToken, encodeToken } from './read-token.ts';

const defaultLimit = 100;
const headsMax = 1000;

const mappings = {
  mix: ShardMapping.SHARD_MAPPING_MIX,
  tt_sum: ShardMapping.SHARD_MAPPING_TT_SUM,
  tt_one: ShardMapping.SHARD_MAPPING_TT_ONE,
} as const;

export async function read(node: Node, request: ReadRequest): Promise<ReadResponseInput> {
  const place = checkConversation(node, request.conversation);
  if ('reason' in place) throw new PacelineError(place);
  const limit = request.limit === 0 ? defaultLimit : request.limit;
  if (limit > pageLimits.messages) throw limitTooLarge('limit', limit, pageLimits.messages);
  const partition = node.partitionOf(place.shard);
  const range = rangeOf(request);
  const { text: conversation, shard } = place;
  const page = await node.read(
    { conversation, shard, range, limit },
    levelOf(node, partition, request),
  );
  return {
    messages: page.messages.map((message) => messageOf(message, request.viewer)),
    headSeq: page.head.seq,
    headRev: page.head.rev,
    minSeq: page.minSeq,
    servedBy: node.config.id,
    appliedIndex: page.appliedIndex,
    lagMs: node.replicaOf(partition).lagMs(node.clock.monotonicMs()),
    readToken: encodeToken(node, partition, page.appliedIndex),
  };
}

function rangeOf(request: ReadRequest): PageRange {
  const after = Number(request.afterSeq);
  const before = Number(request.beforeSeq);
  const around = Number(request.aroundSeq);
  if ([after, before, around].filter((seq) => seq > 0).length > 1) {
    const message = 'at most one of after_seq, before_seq and around_seq';
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'after_seq', message });
  }
  if (around > 0) return { kind: 'around', seq: around };
  const isBackward = request.direction === ReadDirection.READ_DIRECTION_BACKWARD;
  if (before > 0 || (isBackward && after === 0)) return { kind: 'before', seq: before };
  return { kind: 'after', seq: after };
}

function levelOf(node: Node, partition: number, request: ReadRequest): Level {
  const { level, readToken } = request;
  if (level === ReadLevel.READ_LEVEL_EVENTUAL) return { kind: 'eventual' };
  const isAtLeast = level === ReadLevel.READ_LEVEL_AT_LEAST;
  const byToken = level === ReadLevel.READ_LEVEL_UNSPECIFIED && readToken.length > 0;
  if (!isAtLeast && !byToken) return { kind: 'linearizable' };
  return { kind: 'at-least', index: decodeToken(node, partition, readToken) };
}

export async function heads(
  node: Node,
  request: BatchGetHeadsRequest,
): Promise<BatchGetHeadsResponseInput> {
  const { conversations } = request;
  if (conversations.length > headsMax) {
    throw limitTooLarge('conversations', conversations.length, headsMax);
  }
  const places = conversations.map((name) => {
    const place = checkConversation(node, name);
    if ('reason' in place) throw new PacelineError(place);
    return place;
  });
  const extents = await Promise.all(
    places.map(({ text: conversation, shard }) => node.extent({ conversation, shard })),
  );
  const found = extents.map(({ head, minSeq }) => {
    return { headSeq: head.seq, headRev: head.rev, minSeq: head.seq === 0 ? 0 : minSeq };
  });
  return { heads: found, servedBy: node.config.id };
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
  const { config } = node;
  return {
    node: config.id,
    cluster: config.cluster.name,
    pid,
    address: config.address,
    state: node.isServing ? 'serving' : 'waiting',
    waitingFor: node.isServing ? strangersNote(node) : node.waitingFor,
    nodes: [...config.nodes].map(([id, address]) => {
      return { id, address, connected: node.isConnected(id) };
    }),
    replicas: node.replicas.map(replicaStatus),
    version: config.version,
    recoveryMs: node.recoveryMs,
    replayedEntries: node.replayedEntries,
  };
}

/** Of a node that is connected another only took the name, and was sent away. */
function strangersNote(node: Node): string {
  const absent = node.founding.strangers().filter((id) => !node.isConnected(id));
  return absent
    .map((id) => `node ${id} has another data directory than it was founded with`)
    .join('; ');
}

function replicaStatus({ partition, raft, checkpointIndex }: Replica): StatusReplicaInput {
  const { role, term, leader, commit, applied, lastIndex, ready } = raft;
  const checkpoint = checkpointIndex;
  return { partition, role, term, leader, commit, applied, lastIndex, checkpoint, ready };
}

function limitTooLarge(field: string, has: number, limit: number): PacelineError {
  const message = `${field} is ${has}, the limit is ${limit}`;
  return new PacelineError({ reason: 'TOO_LARGE', message, field, limit });
}
