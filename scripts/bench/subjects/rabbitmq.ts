// RabbitMQ: one quorum queue on three nodes, the conversation in a header, publisher confirms that are not
// waited for one by one. The nodes know each other by an epmd of the benchmark's own.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { connect as connectAmqp } from 'amqplib';
import { freePorts } from '../../harness/cluster.ts';
import { until } from '../../harness/until.ts';
import { findBinary, makeDirectory, ServerProcess } from '../processes.ts';
import {
  conversationName,
  type Driver,
  type Place,
  type Servers,
  type Setup,
  type Subject,
} from './subject.ts';

const nodes = 3;
const startMs = 120_000;
const queue = 'bench';
/** Debian's wrapper at /usr/sbin changes the user; these do not. */
const programs = '/usr/lib/rabbitmq/bin';

export const rabbitmq: Subject = {
  name: 'rabbitmq',
  durability: 'synced by a majority',
  idempotency: 'none',
  needs: { binaries: [`${programs}/rabbitmq-server`], debianPackage: 'rabbitmq-server' },
  start,
  connect,
};

interface Member {
  readonly name: string;
  readonly port: number;
  readonly data: string;
  readonly env: Readonly<Record<string, string>>;
}

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const [epmdPort = 0, ...ports] = await freePorts(1 + nodes * 2);
  const epmd = new ServerProcess({
    name: 'epmd',
    command: [findBinary('epmd') ?? 'epmd', '-address', '127.0.0.1', '-port', `${epmdPort}`],
    logFile: path.join(directory, 'epmd.log'),
  });
  const members = Array.from({ length: nodes }, (_, i) => {
    return memberAt(directory, i, { epmdPort, port: ports[i] ?? 0, dist: ports[nodes + i] ?? 0 });
  });
  const servers: ServerProcess[] = [];
  // One after the other: nodes that begin at once may each begin a cluster of their own.
  for (const { name, port, env } of members) {
    const server = new ServerProcess({
      name,
      command: [...through, path.join(programs, 'rabbitmq-server')],
      logFile: path.join(directory, `${name}.log`),
      env,
      directory,
    });
    servers.push(server);
    await server.ready('answers', startMs, () => answers(port));
  }
  const [first] = members;
  if (first === undefined) throw new Error('there are three nodes');
  const addresses = members.map(({ port }) => `127.0.0.1:${port}`);
  await declareQueue(addresses[0] ?? '');
  await until('the queue has three members', startMs, async () => {
    return (await indexes(first)).length === nodes;
  });
  return {
    version: (await control(first, 'rabbitmqctl', ['version'])).trim(),
    place: { addresses, partitions },
    pids: servers.map(({ pid }) => pid),
    dataDirectories: members.map(({ data }) => data),
    held: () => heldBy(first, addresses[0] ?? ''),
    async stop() {
      await Promise.all(servers.map((server) => server.stop('SIGKILL')));
      await epmd.stop('SIGKILL');
    },
  };
}

function memberAt(
  directory: string,
  i: number,
  { epmdPort, port, dist }: { epmdPort: number; port: number; dist: number },
): Member {
  const name = `bench${i + 1}`;
  const data = makeDirectory(directory, `node-${i + 1}`);
  const config = path.join(directory, `${name}.conf`);
  const peers = Array.from({ length: nodes }, (_, peer) => {
    return `cluster_formation.classic_config.nodes.${peer + 1} = bench${peer + 1}@localhost`;
  });
  const discovery = 'cluster_formation.peer_discovery_backend = classic_config';
  writeFileSync(config, [discovery, ...peers, ''].join('\n'));
  const plugins = path.join(directory, `${name}.plugins`);
  writeFileSync(plugins, '[].\n');
  const env = {
    // Holds the cookie that the nodes share.
    HOME: directory,
    ERL_EPMD_PORT: `${epmdPort}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Its script then becomes the server, and is no process above it.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: `${name}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${port}`,
    RABBITMQ_DIST_PORT: `${dist}`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: data,
    RABBITMQ_LOG_BASE: directory,
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
  };
  return { name, port, data, env };
}

async function answers(port: number): Promise<boolean> {
  const connection = await connectAmqp(`amqp://127.0.0.1:${port}`);
  await connection.close();
  return true;
}

async function declareQueue(address: string): Promise<void> {
  const connection = await connectAmqp(`amqp://${address}`);
  const channel = await connection.createChannel();
  const more = { 'x-queue-type': 'quorum', 'x-quorum-initial-group-size': nodes };
  await channel.assertQueue(queue, { durable: true, arguments: more });
  await connection.close();
}

async function control(
  { name, env }: Member,
  tool: string,
  args: readonly string[],
): Promise<string> {
  const command = ['-n', `${name}@localhost`, ...args];
  const { stdout } = await promisify(execFile)(path.join(programs, tool), command, {
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** Commit index of each replica. */
async function indexes(member: Member): Promise<number[]> {
  const asked = ['quorum_status', queue, '--formatter', 'json', '--silent'];
  const said: Record<string, unknown>[] = JSON.parse(
    await control(member, 'rabbitmq-queues', asked),
  );
  return said.map((each) => Number(each['Commit Index']));
}

/** No replica tells how many messages it has: where all have committed the same, they have the queue's. */
async function heldBy(member: Member, address: string): Promise<number[]> {
  const committed = await indexes(member);
  const connection = await connectAmqp(`amqp://${address}`);
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  await connection.close();
  const newest = Math.max(...committed);
  return committed.map((index) => (index === newest ? messageCount : 0));
}

async function connect({ addresses }: Place): Promise<Driver> {
  const connection = await connectAmqp(`amqp://${addresses[0]}`);
  const channel = await connection.createConfirmChannel();
  return {
    append({ conversation, body }, done) {
      const headers = { conversation: conversationName(conversation) };
      channel.sendToQueue(queue, body, { persistent: true, headers }, done);
    },
    close: () => connection.close(),
  };
}
