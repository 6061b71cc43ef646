// A cluster of real node processes on loopback: free ports, one directory, status by GetStatus.
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { GetStatusResponse } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { NodeProcess } from './node-process.ts';
import { until } from './until.ts';

export interface ClusterOptions {
  /** Holds each node's data and log. */
  readonly directory: string;
  readonly name?: string;
  readonly nodes?: number;
  readonly partitions?: number;
  /** More flags of `paceline serve`, for every node. */
  readonly flags?: readonly string[];
}

/** By node id. */
export type Statuses = ReadonlyMap<number, GetStatusResponse>;

const statusTimeoutMs = 1000;

export class Cluster {
  readonly partitions: number;
  readonly nodes: readonly NodeProcess[];
  private readonly transport = createGrpcClientTransport();

  private constructor(options: ClusterOptions, addresses: readonly string[]) {
    const { directory, name = 'fault', partitions = 16, flags = [] } = options;
    this.partitions = partitions;
    const peers = addresses.map((address, i) => `${i + 1}=${address}`).join(',');
    const shared = ['--cluster', name, '--peers', peers, '--partitions', `${partitions}`, ...flags];
    this.nodes = addresses.map((address, i) => {
      const data = path.join(directory, `node-${i + 1}`);
      const own = ['--id', `${i + 1}`, '--listen', address, '--data', data];
      return new NodeProcess(i + 1, address, `${data}.log`, [...own, ...shared]);
    });
  }

  /** Starts nothing yet. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    mkdirSync(options.directory, { recursive: true });
    const ports = await freePorts(options.nodes ?? 3);
    return new Cluster(
      options,
      ports.map((port) => `127.0.0.1:${port}`),
    );
  }

  get servers(): readonly string[] {
    return this.nodes.map(({ address }) => address);
  }

  node(id: number): NodeProcess {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** Kills every process and closes the connections to them. */
  async close(): Promise<void> {
    this.transport.close();
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  /** null: the node did not answer. */
  async status(id: number): Promise<GetStatusResponse | null> {
    const { address } = this.node(id);
    try {
      return await this.transport.call(address, rpcs.getStatus, {}, statusTimeoutMs);
    } catch {
      return null;
    }
  }

  /** Of the nodes that answer. */
  async statuses(): Promise<Statuses> {
    const all = await Promise.all(this.nodes.map(({ id }) => this.status(id)));
    return new Map(all.flatMap((status) => (status === null ? [] : [[status.node, status]])));
  }

  /** Leader of each partition, by number: one that sequences; 0 = none. */
  async leaders(): Promise<number[]> {
    const leaders = new Array<number>(this.partitions).fill(0);
    const terms = new Array<number>(this.partitions).fill(-1);
    for (const { node, replicas } of (await this.statuses()).values()) {
      for (const { partition, ready, term } of replicas) {
        if (!ready || Number(term) <= (terms[partition] ?? 0)) continue;
        leaders[partition] = node;
        terms[partition] = Number(term);
      }
    }
    return leaders;
  }

  /** Resolves once every partition has a leader that sequences. */
  async ready(deadlineMs = 20_000): Promise<void> {
    await until('every partition has a ready leader', deadlineMs, async () => {
      return (await this.leaders()).every((leader) => leader !== 0);
    });
  }

  /** Resolves once each partition is led by the node that it prefers: what the balance does within half a minute. */
  async spreadLeaders(deadlineMs = 20_000): Promise<void> {
    await until('every partition is led by the node it prefers', deadlineMs, async () => {
      const leaders = await this.leaders();
      const moves = leaders.map(async (leader, partition) => {
        const to = this.nodes[partition % this.nodes.length]?.id ?? leader;
        if (leader === to || leader === 0) return leader === to;
        const { address } = this.node(leader);
        const asked = { partition, node: to };
        // Refused where it has just moved: looked at again.
        const moved = this.transport.call(address, rpcs.transferLeadership, asked, statusTimeoutMs);
        await moved.catch(() => {});
        return false;
      });
      return (await Promise.all(moves)).every(Boolean);
    });
  }

  /** Resolves once every node has applied what is committed by now. */
  async caughtUp(deadlineMs = 20_000): Promise<void> {
    const now = await this.statuses();
    const goals = new Map<number, number>();
    for (const { replicas } of now.values()) {
      for (const { partition, commit } of replicas) {
        goals.set(partition, Math.max(goals.get(partition) ?? 0, Number(commit)));
      }
    }
    await until('every node has applied what was committed', deadlineMs, async () => {
      const statuses = await this.statuses();
      if (statuses.size < this.nodes.length) return false;
      return [...statuses.values()].every(({ replicas }) => {
        const isBehind = (goal: number, partition: number) =>
          Number(replicas[partition]?.applied ?? -1) < goal;
        return ![...goals].some(([partition, goal]) => isBehind(goal, partition));
      });
    });
  }

  /** Resolves once all replicas have applied the same, and nothing is left to apply. */
  async settled(deadlineMs = 30_000): Promise<void> {
    await until('all replicas have applied the same', deadlineMs, async () => {
      const statuses = await this.statuses();
      if (statuses.size < this.nodes.length) return false;
      const first = [...statuses.values()][0];
      return [...statuses.values()].every(({ replicas }) => {
        return (
          replicas.length === this.partitions &&
          replicas.every(({ applied, lastIndex }, partition) => {
            return applied.eq(lastIndex) && applied.eq(first?.replicas[partition]?.applied ?? -1);
          })
        );
      });
    });
  }

  /** Lines by which a node said that it could not go on. */
  fatalLines(): string[] {
    const isFatal = (line: string) => /"msg":"(fatal|internal error)"|^\w*Error\b/.test(line);
    return this.nodes.flatMap((node) =>
      node
        .log()
        .split('\n')
        .filter(isFatal)
        .map((line) => `node ${node.id}: ${line}`),
    );
  }
}

/**
 * Ports free at this moment, all different, below those that the kernel gives to outgoing connections:
 * one of those could take the port of a killed node before it starts again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
