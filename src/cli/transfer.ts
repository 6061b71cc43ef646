// `paceline transfer PARTITION NODE`: gives the leadership of a partition to a node.
import { PacelineError } from '../errors.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { timeoutMsOf, whole } from './flags.ts';
import { say, sayJson } from './output.ts';
import { clusterSoon } from './status.ts';

export interface TransferFlags extends ServersFlag {
  readonly json?: boolean;
  readonly timeout: string;
}

export async function transfer(
  partitionText: string,
  nodeText: string,
  flags: TransferFlags,
): Promise<void> {
  const partition = whole('partition', partitionText, 0);
  const to = whole('node', nodeText, 1);
  const timeoutMs = timeoutMsOf(flags);
  const client = connect(serversOf(flags), timeoutMs);
  try {
    const { nodes, partitions } = await clusterSoon(client, serversOf(flags), timeoutMs);
    const from = partitions.find(({ id }) => id === partition)?.leader ?? null;
    const address = nodes.find(({ id }) => id === from)?.address;
    // A node that leads nothing says itself what is wrong with the request.
    const server = address ?? nodes.find(({ up }) => up)?.address ?? '';
    const startMs = performance.now();
    await client.transferLeadership(server, { partition, node: to }, timeoutMs);
    const ms = Math.round(performance.now() - startMs);
    if (flags.json) sayJson({ partition, from, to, ms });
    else if (from === to) say(`node ${to} leads partition ${partition} already`);
    else say(`partition ${partition}: node ${from} gave leadership to node ${to} in ${ms} ms`);
  } catch (error) {
    if (!(error instanceof PacelineError) || error.reason !== 'NOT_LEADER') throw error;
    const message = `${error.message}; leadership has just moved: look at \`paceline status\``;
    throw new PacelineError({ ...error, message });
  } finally {
    await client.close();
  }
}
