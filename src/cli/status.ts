// `paceline status`: every node asked by itself, put together into one picture; works with any of
// them down.
import { noSuchNode } from '../api/operator.ts';
import type { PacelineClient } from '../client/client.ts';
import { PacelineError } from '../errors.ts';
import type { GetStatusResponse, StatusReplica } from '../gen/proto.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { timeoutMsOf, whole } from './flags.ts';
import { say, sayJson, table } from './output.ts';

export interface StatusFlags extends ServersFlag {
  readonly json?: boolean;
  readonly timeout: string;
}

export interface ClusterStatus {
  readonly nodes: readonly NodeStatus[];
  readonly partitions: readonly PartitionStatus[];
}

interface NodeStatus {
  readonly id: number;
  readonly address: string;
  readonly pid: number | null;
  readonly up: boolean;
  readonly state: string | null;
  readonly waitingFor: string | null;
}

interface PartitionStatus {
  readonly id: number;
  /** null: none that is known. */
  readonly leader: number | null;
  readonly term: number;
  readonly commit: number;
  /** The leader has applied an entry of its term: it takes appends. */
  readonly ready: boolean;
  readonly replicas: readonly { node: number; applied: number; lag: number }[];
}

export async function status(flags: StatusFlags): Promise<void> {
  const timeoutMs = timeoutMsOf(flags);
  const client = connect(serversOf(flags), timeoutMs);
  try {
    const cluster = await clusterStatus(client, serversOf(flags), timeoutMs);
    if (flags.json) sayJson(cluster);
    else sayStatus(cluster);
  } finally {
    await client.close();
  }
}

/** Each node is given that time. Errors: UNREACHABLE where none answers. */
export async function clusterStatus(
  client: Pick<PacelineClient, 'status'>,
  servers: readonly string[],
  nodeTimeoutMs: number,
): Promise<ClusterStatus> {
  const answers = new Map<string, GetStatusResponse>();
  const failures = new Map<string, string>();
  const ask = async (addresses: readonly string[]) => {
    const fresh = addresses.filter((each) => !answers.has(each) && !failures.has(each));
    await Promise.all(
      fresh.map(async (address) => {
        try {
          answers.set(address, await client.status(address, nodeTimeoutMs));
        } catch (error) {
          if (!(error instanceof PacelineError)) throw error;
          const isLate = error.message.startsWith('Deadline exceeded');
          failures.set(address, isLate ? `no answer within ${nodeTimeoutMs} ms` : error.message);
        }
      }),
    );
  };
  await ask(servers);
  const [first] = answers.values();
  if (first === undefined) throw nobody(failures);
  await ask(first.nodes.map(({ address }) => address));
  const all = [...answers.values()];
  return { nodes: nodesOf(first, all), partitions: partitionsOf(all) };
}

/** For a command that goes on with what it gets: a node that hangs holds it up for a second, not for all of --timeout. */
export async function clusterSoon(
  client: Pick<PacelineClient, 'status'>,
  servers: readonly string[],
  timeoutMs: number,
): Promise<ClusterStatus> {
  const soonMs = Math.min(timeoutMs, 1000);
  try {
    return await clusterStatus(client, servers, soonMs);
  } catch (error) {
    if (!(error instanceof PacelineError) || timeoutMs === soonMs) throw error;
    return clusterStatus(client, servers, timeoutMs - soonMs);
  }
}

/** --node as the server to ask; nothing where it is not given. */
export async function serverOf(
  client: PacelineClient,
  servers: readonly string[],
  flags: { readonly node?: string; readonly timeout: string },
): Promise<{ readonly server?: string }> {
  if (flags.node === undefined) return {};
  const node = whole('node', flags.node, 1);
  return { server: await addressOfNode(client, servers, node, timeoutMsOf(flags)) };
}

/** The address of a node by its id; asks the servers. */
async function addressOfNode(
  client: PacelineClient,
  servers: readonly string[],
  node: number,
  timeoutMs: number,
): Promise<string> {
  const { nodes } = await clusterSoon(client, servers, timeoutMs);
  const found = nodes.find(({ id }) => id === node);
  if (found !== undefined) return found.address;
  const ids = nodes.map(({ id }) => id);
  throw noSuchNode(node, ids);
}

function nodesOf(first: GetStatusResponse, answers: readonly GetStatusResponse[]): NodeStatus[] {
  return first.nodes.map(({ id, address }) => {
    const own = answers.find(({ node }) => node === id);
    return {
      id,
      address,
      pid: own?.pid ?? null,
      up: own !== undefined,
      state: own?.state ?? null,
      waitingFor: own?.waitingFor || null,
    };
  });
}

function partitionsOf(answers: readonly GetStatusResponse[]): PartitionStatus[] {
  const byPartition = new Map<number, { node: number; replica: StatusReplica }[]>();
  // By id: answers come in the order in which nodes were fast.
  for (const { node, replicas } of [...answers].sort((a, b) => a.node - b.node)) {
    for (const replica of replicas) {
      const known = byPartition.get(replica.partition) ?? [];
      byPartition.set(replica.partition, [...known, { node, replica }]);
    }
  }
  return [...byPartition].sort(([a], [b]) => a - b).map(([id, all]) => partitionOf(id, all));
}

function partitionOf(
  id: number,
  all: readonly { node: number; replica: StatusReplica }[],
): PartitionStatus {
  const term = Math.max(...all.map(({ replica }) => Number(replica.term)));
  const commit = Math.max(...all.map(({ replica }) => Number(replica.commit)));
  const leader = all.find(({ replica }) => {
    return replica.role === 'leader' && Number(replica.term) === term;
  });
  const replicas = all.map(({ node, replica }) => {
    const applied = Number(replica.applied);
    return { node, applied, lag: commit - applied };
  });
  const ready = leader?.replica.ready ?? false;
  return { id, leader: leader?.node ?? null, term, commit, ready, replicas };
}

function sayStatus({ nodes, partitions }: ClusterStatus): void {
  const rows = nodes.map(({ id, address, pid, up, state, waitingFor }) => {
    const what = waitingFor === null ? (state ?? '') : `${state}: ${waitingFor}`;
    return [id, address, pid === null ? '-' : String(pid), up ? 'up' : 'DOWN', what];
  });
  say(table([['node', 'address', 'pid', '', ''], ...rows]));
  if (partitions.length === 0) return;
  say('');
  const lines = partitions.map(({ id, leader, term, commit, ready, replicas }) => {
    const led = leader === null ? 'none' : `node ${leader}${ready ? '' : ' (not ready)'}`;
    const lags = new Map(replicas.map(({ node, lag }) => [node, lag]));
    const lag = nodes.map(({ id: node }) => `${node}:${lags.get(node) ?? '-'}`).join(' ');
    return [id, led, term, commit, lag];
  });
  say(table([['partition', 'leader', 'term', 'commit', 'lag by node'], ...lines]));
}

function nobody(failures: ReadonlyMap<string, string>): PacelineError {
  const why = [...failures].map(([address, problem]) => `${address}: ${problem}`);
  const message = `no server answered. ${why.join('; ')}`;
  return new PacelineError({ reason: 'UNREACHABLE', field: 'servers', message });
}
