// Redis: a stream a conversation on a primary with two replicas. What is appended in one tick goes out in
// one pipeline with one WAIT behind it; while that is out the next gathers, on four connections.
import path from 'node:path';
import { createClient } from '@redis/client';
import { freePorts } from '../../harness/cluster.ts';
import { makeDirectory, ServerProcess, together } from '../processes.ts';
import {
  conversationName,
  conversations,
  type Driver,
  type Message,
  type Place,
  type Servers,
  type Setup,
  type Subject,
} from './subject.ts';

const nodes = 3;
const startMs = 30_000;
const connections = 4;
const pipelineMax = 1000;

type Client = ReturnType<typeof clientAt>;

export const redis: Subject = {
  name: 'redis',
  durability: 'synced by the primary, received by one replica (WAIT 1)',
  idempotency: 'none',
  needs: { binaries: ['redis-server'], debianPackage: 'redis-server' },
  start,
  connect,
};

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const ports = await freePorts(nodes);
  const [primary = 0] = ports;
  const dataDirectories = ports.map((_, i) => makeDirectory(directory, `node-${i + 1}`));
  const servers = ports.map((port, i) => {
    const replica = i === 0 ? [] : ['--replicaof', '127.0.0.1', `${primary}`];
    const own = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dataDirectories[i] ?? ''];
    const kept = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    return new ServerProcess({
      name: `redis ${i + 1}`,
      command: [...through, 'redis-server', ...own, ...kept, ...replica],
      logFile: path.join(directory, `node-${i + 1}.log`),
    });
  });
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  await servers[0]?.ready('both replicas follow', startMs, async () => {
    const said = await ask(addresses[0] ?? '', (client) => client.sendCommand(['INFO']));
    return /^slave0:.*state=online/m.test(`${said}`) && /^slave1:.*state=online/m.test(`${said}`);
  });
  const info = await ask(addresses[0] ?? '', (client) => client.sendCommand(['INFO', 'server']));
  return {
    version: /redis_version:(\S+)/.exec(`${info}`)?.[1] ?? '',
    place: { addresses, partitions },
    ...together(servers, 'SIGKILL'),
    dataDirectories,
    held: () => Promise.all(addresses.map((address) => ask(address, countOf))),
  };
}

function clientAt(address: string) {
  const client = createClient({ url: `redis://${address}`, socket: { reconnectStrategy: false } });
  // Every command that fails says so itself.
  client.on('error', () => {});
  return client;
}

async function ask<Answer>(
  address: string,
  question: (client: Client) => Promise<Answer>,
): Promise<Answer> {
  const client = clientAt(address);
  await client.connect();
  try {
    return await question(client);
  } finally {
    client.destroy();
  }
}

async function countOf(client: Client): Promise<number> {
  const counts = await Promise.all(conversations.map((name) => client.xLen(`m:${name}`)));
  return counts.reduce((sum, count) => sum + count, 0);
}

interface Waiting {
  readonly message: Message;
  readonly done: (error: Error | null) => void;
}

async function connect({ addresses }: Place): Promise<Driver> {
  const [primary = ''] = addresses;
  const clients = Array.from({ length: connections }, () => clientAt(primary));
  await Promise.all(clients.map((client) => client.connect()));
  return new RedisDriver(clients);
}

class RedisDriver implements Driver {
  private readonly clients: readonly Client[];
  private readonly free: Client[];
  private waiting: Waiting[] = [];
  private isScheduled = false;

  constructor(clients: readonly Client[]) {
    this.clients = clients;
    this.free = [...clients];
  }

  append(message: Message, done: (error: Error | null) => void): void {
    this.waiting.push({ message, done });
    this.schedule();
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy();
  }

  private schedule(): void {
    if (this.isScheduled || this.waiting.length === 0 || this.free.length === 0) return;
    this.isScheduled = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.isScheduled = false;
    const client = this.free.pop();
    if (client === undefined) return;
    const batch = this.waiting.splice(0, pipelineMax);
    this.send(client, batch).then(
      () => {
        for (const { done } of batch) done(null);
      },
      (error: Error) => {
        for (const { done } of batch) done(error);
      },
    );
    this.schedule();
  }

  private async send(client: Client, batch: readonly Waiting[]): Promise<void> {
    const sent: Promise<unknown>[] = batch.map(({ message }) => {
      const stream = `m:${conversationName(message.conversation)}`;
      return client.sendCommand(['XADD', stream, '*', 's', 'bench', 'b', message.body]);
    });
    sent.push(client.sendCommand(['WAIT', '1', '0']));
    const replicas = (await Promise.all(sent)).at(-1);
    this.free.push(client);
    this.schedule();
    if (Number(replicas) < 1) throw new Error('no replica has received it');
  }
}
