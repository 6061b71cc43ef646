// Paceline itself: three `serve` processes, and the client that it comes with.
import path from 'node:path';
import { createGrpcClientTransport } from '../../../src/client/grpc/transport.ts';
import type { Subscription } from '../../../src/client/subscription.ts';
import { rpcs } from '../../../src/gen/services.ts';
import { databasesOf } from '../../../src/storage/level/store.ts';
import { Cluster } from '../../harness/cluster.ts';
import { built } from '../built.ts';
import { compactAll } from '../compaction.ts';
import {
  conversationName,
  conversations,
  type Driver,
  type Place,
  type Servers,
  type Setup,
  type Subject,
  sender,
} from './subject.ts';

const statusMs = 5000;
const stopMs = 20_000;

export const paceline: Subject = {
  name: 'paceline',
  durability: 'synced by a majority',
  idempotency: 'key of every message, checked',
  start: startPaceline,
  connect,
};

export async function startPaceline(setup: Setup): Promise<Servers> {
  const { directory, partitions, nodes = 3, through, flags = [], nodeFlags = () => [] } = setup;
  const cluster = await Cluster.create({
    directory,
    name: 'bench',
    nodes,
    partitions,
    flags: ['--log-level', 'warn', ...flags],
  });
  for (const node of cluster.nodes) node.start({ through, nodeFlags: nodeFlags(node.id) });
  await cluster.ready();
  // Where an election leaves them is another place each time, and decides much on one machine.
  await cluster.spreadLeaders();
  const dataDirectories = cluster.nodes.map(({ id }) => path.join(directory, `node-${id}`));
  return {
    version: await versionOf(cluster),
    place: { addresses: cluster.servers, partitions },
    pids: cluster.nodes.map(({ pid }) => pid ?? 0),
    dataDirectories,
    compact: () => compactAll(dataDirectories.flatMap(databasesOf)),
    held: () => heldBy(cluster),
    async stop() {
      const late = setTimeout(() => void cluster.close(), stopMs);
      // A node that writes its profile does so at its own end.
      await Promise.all(cluster.nodes.map((node) => node.kill('SIGTERM')));
      clearTimeout(late);
      await cluster.close();
    },
  };
}

async function versionOf(cluster: Cluster): Promise<string> {
  return (await cluster.status(1))?.version ?? '';
}

async function heldBy(cluster: Cluster): Promise<number[]> {
  await cluster.caughtUp();
  const transport = createGrpcClientTransport();
  const asked = { conversations: [...conversations] };
  const answers = await Promise.all(
    cluster.servers.map((server) => transport.call(server, rpcs.batchGetHeads, asked, statusMs)),
  );
  transport.close();
  return answers.map(({ heads }) => heads.reduce((sum, head) => sum + Number(head.headSeq), 0));
}

async function connect({ addresses }: Place): Promise<Driver> {
  const client: typeof import('../../../src/client/grpc/connect.ts') =
    await built('client/grpc/connect.js');
  const connected = client.connect({ servers: addresses });
  return {
    append({ conversation, body }, done) {
      const append = { conversation: conversationName(conversation), sender, body };
      connected.start(append, () => done(null), done);
    },
    async subscribe(onBody) {
      const [address = ''] = addresses;
      const { replicas } = await connected.status(address, statusMs);
      await Promise.all(
        replicas.map(({ partition, applied }) => {
          return follow(connected.subscribe({ partition, afterIndex: Number(applied) }), onBody);
        }),
      );
    },
    close: () => connected.close(),
  };
}

/** Resolves once it has caught up; goes on until the client closes. */
function follow(subscription: Subscription, onBody: (body: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const reading = (async () => {
      for await (const event of subscription) {
        if (event.kind === 'message') onBody(event.message.body);
        else if (event.kind === 'caught-up') resolve();
      }
    })();
    reading.catch(reject);
  });
}
