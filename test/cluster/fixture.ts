// A cluster of real processes for the tests of one file: fresh directory, ended and removed after.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { Cluster, type ClusterOptions } from '../../scripts/harness/cluster.ts';
import { createClient } from '../../scripts/harness/load.ts';
import type { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { ClientTransport } from '../../src/client/types.ts';

export interface Fixture {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly client: PacelineClient;
  /** For single calls to single nodes. */
  readonly transport: ClientTransport;
}

/** To be called where the tests are described; what it returns is filled before the first test. */
export function useCluster(options: Partial<ClusterOptions> = {}): Fixture {
  let opened: Fixture | null = null;
  const open = () => {
    if (opened === null) throw new Error('the cluster starts before the first test');
    return opened;
  };
  beforeAll(async () => {
    opened = await openFixture(options);
  });
  afterAll(async () => {
    const { directory, cluster, client, transport } = open();
    transport.close();
    await client.close();
    await cluster.close();
    rmSync(directory, { recursive: true });
  });
  return {
    get directory() {
      return open().directory;
    },
    get cluster() {
      return open().cluster;
    },
    get client() {
      return open().client;
    },
    get transport() {
      return open().transport;
    },
  };
}

async function openFixture(options: Partial<ClusterOptions>): Promise<Fixture> {
  const directory = mkdtempSync(path.join(tmpdir(), 'paceline-test-'));
  const cluster = await Cluster.create({ directory, name: 'test', ...options });
  cluster.start();
  await cluster.ready();
  const client = createClient(cluster.servers);
  return { directory, cluster, client, transport: createGrpcClientTransport() };
}
