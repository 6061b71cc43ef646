// etcd: a key a message, put by a unary call to the leader. The API has no stream of puts.
import path from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { freePorts } from '../../harness/cluster.ts';
import { makeDirectory, ServerProcess, together } from '../processes.ts';
import {
  asIs,
  countRequest,
  paths,
  putRequest,
  readCount,
  readStatus,
  readValues,
  watchRequest,
} from './etcd-wire.ts';
import {
  conversationName,
  type Driver,
  type Place,
  type Servers,
  type Setup,
  type Subject,
} from './subject.ts';

const nodes = 3;
const startMs = 30_000;
/** All keys of messages: from, and up to. */
const keys = ['m/', 'm0'] as const;

export const etcd: Subject = {
  name: 'etcd',
  durability: 'synced by a majority',
  idempotency: 'a retry puts the same key again',
  needs: { binaries: ['etcd'], debianPackage: 'etcd-server' },
  start,
  connect,
};

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const ports = await freePorts(nodes * 2);
  const members = Array.from({ length: nodes }, (_, i) => ({
    name: `etcd-${i + 1}`,
    client: `127.0.0.1:${ports[i]}`,
    peer: `http://127.0.0.1:${ports[nodes + i]}`,
    data: makeDirectory(directory, `node-${i + 1}`),
  }));
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const servers = members.map(({ name, client, peer, data }) => {
    const own = ['--name', name, '--data-dir', data];
    const clients = ['--listen-client-urls', `http://${client}`];
    const advertised = ['--advertise-client-urls', `http://${client}`];
    const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
    const more = ['--initial-cluster', cluster, '--logger', 'zap', '--log-level', 'error'];
    return new ServerProcess({
      name,
      command: [...through, 'etcd', ...own, ...clients, ...advertised, ...peers, ...more],
      logFile: path.join(directory, `${name}.log`),
    });
  });
  const addresses = members.map(({ client }) => client);
  const [first] = servers;
  let leader = -1;
  let version = '';
  await first?.ready('the cluster has a leader', startMs, async () => {
    const states = await Promise.all(addresses.map(statusAt));
    leader = states.findIndex(({ isLeader }) => isLeader);
    version = states[0]?.version ?? '';
    return leader >= 0;
  });
  return {
    version,
    place: { addresses: [addresses[leader] ?? '', ...addresses], partitions },
    ...together(servers, 'SIGKILL'),
    dataDirectories: members.map(({ data }) => data),
    held: () => Promise.all(addresses.map(countAt)),
  };
}

async function connect({ addresses }: Place): Promise<Driver> {
  const [leader = ''] = addresses;
  const client = new Client(leader, credentials.createInsecure());
  const id = crypto.randomUUID();
  return {
    append({ number, conversation, body }, done) {
      const key = `m/${conversationName(conversation)}/${id}-${number}`;
      client.makeUnaryRequest(paths.put, asIs, asIs, putRequest(key, body), done);
    },
    subscribe(onBody) {
      const stream = client.makeBidiStreamRequest(paths.watch, asIs, asIs);
      return new Promise((resolve, reject) => {
        stream.on('error', reject);
        stream.on('data', (response: Buffer) => {
          resolve();
          for (const value of readValues(response)) onBody(value);
        });
        stream.write(watchRequest(...keys));
      });
    },
    async close() {
      client.close();
    },
  };
}

async function statusAt(address: string) {
  return readStatus(await call(address, paths.status, Buffer.alloc(0)));
}

async function countAt(address: string): Promise<number> {
  return readCount(await call(address, paths.range, countRequest(...keys)));
}

function call(address: string, at: string, request: Buffer): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const deadline = Date.now() + startMs;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(at, asIs, asIs, request, { deadline }, (error, response) => {
      client.close();
      if (error === null && response !== undefined) resolve(response);
      else reject(error);
    });
  });
}
