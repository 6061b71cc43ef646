// What operators ask of one node, beyond its status.
import { PacelineError } from '../errors.ts';
import type { TransferLeadershipRequest } from '../gen/proto.ts';
import type { Node } from '../node/node.ts';

/** Resolves once `to` leads. Errors: NO_SUCH_PARTITION, NOT_LEADER, BAD_REQUEST, BUSY, NOT_CAUGHT_UP. */
export async function transferLeadership(
  node: Node,
  { partition, node: to }: TransferLeadershipRequest,
): Promise<Record<string, never>> {
  const { partitions } = node.config.cluster;
  if (partition >= partitions) {
    const message = `partition is ${partition}, this cluster has 0 to ${partitions - 1}`;
    throw new PacelineError({ reason: 'NO_SUCH_PARTITION', field: 'partition', message });
  }
  if (!node.config.nodes.has(to)) {
    const ids = [...node.config.nodes.keys()].sort((a, b) => a - b).join(', ');
    const message = `node: there is no node ${to}, the cluster has ${ids}`;
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'node', message });
  }
  await node.transferLeadership(partition, to);
  return {};
}
