// What operators ask of one node, beyond its status.
import { PacelineError } from '../errors.ts';
import type { TransferLeadershipRequest } from '../gen/proto.ts';
import type { Node } from '../node/node.ts';
import { checkPartition } from './check.ts';

/** Resolves once `to` leads. Errors: NO_SUCH_PARTITION, NOT_LEADER, BAD_REQUEST, BUSY, NOT_CAUGHT_UP. */
export async function transferLeadership(
  node: Node,
  { partition, node: to }: TransferLeadershipRequest,
): Promise<Record<string, never>> {
  const refusal = checkPartition(node, partition);
  if (refusal !== null) throw new PacelineError(refusal);
  if (!node.config.nodes.has(to)) throw noSuchNode(to, [...node.config.nodes.keys()]);
  await node.transferLeadership(partition, to);
  return {};
}

export function noSuchNode(node: number, all: readonly number[]): PacelineError {
  const ids = all.toSorted((a, b) => a - b).join(', ');
  const message = `node: there is no node ${node}, the cluster has ${ids}`;
  return new PacelineError({ reason: 'BAD_REQUEST', field: 'node', message });
}
