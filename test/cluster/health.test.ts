// What probes and tools find on a node's one port: grpc.health.v1 and reflection.
import path from 'node:path';
import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../scripts/harness/cluster.ts';
import { until } from '../../scripts/harness/until.ts';
import { useCluster } from './fixture.ts';

const fixture = useCluster({ nodes: 3 });
const reflectionPath = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const HealthClient = makeGenericClientConstructor(service, 'Health');

function clientOf(node: number): Client {
  return clientAt(fixture.cluster.node(node).address);
}

function clientAt(address: string): Client {
  return new HealthClient(address, credentials.createInsecure());
}

/** The status by name, or the code of the refusal. */
async function check(client: Client, name: string): Promise<unknown> {
  const { path: rpc, requestSerialize, responseDeserialize } = service['Check'] ?? {};
  if (!rpc || !requestSerialize || !responseDeserialize) throw new Error('Health has Check');
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      rpc,
      requestSerialize,
      responseDeserialize,
      { service: name },
      (error: ServiceError | null, answer?: object) => resolve(error?.code ?? answer),
    );
  });
}

/** What a reflection server answers to list_services, as bytes. */
function listServices(client: Client): Promise<Buffer> {
  const identity = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest(reflectionPath, identity, identity);
  return new Promise((resolve, reject) => {
    call.on('data', resolve);
    call.on('error', reject);
    // ServerReflectionRequest { list_services (7): "*" }
    call.end(Buffer.from([0x3a, 1, 0x2a]));
  });
}

describe('health', () => {
  it.each(['', 'paceline.v1.LogService'])(
    'of "%s" is SERVING on a node that serves',
    async (name) => {
      const client = clientOf(1);
      expect(await check(client, name)).toEqual({ status: 'SERVING' });
      client.close();
    },
  );

  it('is NOT_SERVING on a node that waits for the others, and SERVING once they are there', async () => {
    const directory = path.join(fixture.directory, 'alone');
    const cluster = await Cluster.create({ directory, name: 'alone' });
    cluster.node(1).start();
    const client = clientAt(cluster.node(1).address);
    try {
      await until('it answers', 10_000, async () => (await cluster.status(1)) !== null);
      expect(await check(client, '')).toEqual({ status: 'NOT_SERVING' });
      cluster.node(2).start();
      cluster.node(3).start();
      await cluster.ready();
      expect(await check(client, '')).toEqual({ status: 'SERVING' });
    } finally {
      client.close();
      await cluster.close();
    }
  });

  it('of a service that is not there is NOT_FOUND', async () => {
    const client = clientOf(2);
    expect(await check(client, 'nobody')).toBe(status.NOT_FOUND);
    client.close();
  });
});

describe('reflection', () => {
  it('lists the services for clients, and not that of peers', async () => {
    const client = clientOf(3);
    const answer = (await listServices(client)).toString('latin1');
    client.close();
    expect(answer).toContain('paceline.v1.LogService');
    expect(answer).toContain('paceline.v1.OperatorService');
    expect(answer).toContain('grpc.health.v1.Health');
    expect(answer).not.toContain('peer');
  });
});
