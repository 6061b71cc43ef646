// NATS: one JetStream stream with three replicas on files, a subject a conversation. Published without
// waiting for the answer before, as its client does by itself.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { connect as connectNats, type NatsConnection, StorageType } from 'nats';
import { freePorts } from '../../harness/cluster.ts';
import { makeDirectory, ServerProcess, together } from '../processes.ts';
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
const stream = 'bench';

export const nats: Subject = {
  name: 'nats',
  durability: 'written by a majority, synced by none (every 2 minutes)',
  idempotency: 'Nats-Msg-Id, a window of 2 minutes',
  needs: { binaries: ['nats-server'], debianPackage: 'nats-server' },
  start,
  connect,
};

interface Member {
  readonly name: string;
  readonly client: number;
  readonly cluster: number;
  readonly monitor: number;
  readonly data: string;
}

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const ports = await freePorts(nodes * 3);
  const members = Array.from({ length: nodes }, (_, i): Member => {
    const name = `nats-${i + 1}`;
    const [client = 0, cluster = 0, monitor = 0] = ports.slice(i * 3, i * 3 + 3);
    return { name, client, cluster, monitor, data: makeDirectory(directory, name) };
  });
  const servers = members.map((member) => {
    const config = path.join(directory, `${member.name}.conf`);
    writeFileSync(config, configOf(member, members));
    return new ServerProcess({
      name: member.name,
      command: [...through, 'nats-server', '-c', config],
      logFile: path.join(directory, `${member.name}.log`),
    });
  });
  const [first] = servers;
  let leader = '';
  await first?.ready('the stream has a leader and two replicas', startMs, async () => {
    leader = await createStream(members[0]?.client ?? 0);
    return leader !== '';
  });
  const led = members.find(({ name }) => name === leader);
  return {
    version: await versionOf(members[0]?.monitor ?? 0),
    place: { addresses: [`127.0.0.1:${led?.client}`], partitions },
    ...together(servers, 'SIGKILL'),
    dataDirectories: members.map(({ data }) => data),
    held: () => Promise.all(members.map(({ monitor }) => heldAt(monitor))),
  };
}

function configOf({ name, client, cluster, monitor, data }: Member, members: readonly Member[]) {
  const routes = members.map((member) => `nats://127.0.0.1:${member.cluster}`);
  return [
    `server_name: ${name}`,
    `listen: 127.0.0.1:${client}`,
    `http: 127.0.0.1:${monitor}`,
    `jetstream { store_dir: "${data}" }`,
    `cluster { name: bench, listen: 127.0.0.1:${cluster}, routes: [${routes.join(', ')}] }`,
    '',
  ].join('\n');
}

/** Name of the stream's leader once both others follow it, else ''. */
async function createStream(port: number): Promise<string> {
  const connection = await connectNats({ servers: `127.0.0.1:${port}`, reconnect: false });
  try {
    const manager = await connection.jetstreamManager();
    const config = { name: stream, subjects: ['m.>'], storage: StorageType.File };
    await manager.streams.add({ ...config, num_replicas: nodes });
    const { cluster } = await manager.streams.info(stream);
    const replicas = cluster?.replicas ?? [];
    const all = replicas.length === nodes - 1 && replicas.every(({ current }) => current);
    return all ? (cluster?.leader ?? '') : '';
  } finally {
    await connection.close();
  }
}

async function connect({ addresses }: Place): Promise<Driver> {
  const connection = await connectNats({ servers: [...addresses], reconnect: false });
  const stopped = connection.closed().then((error) => error ?? new Error('closed'));
  stopped.catch(() => {});
  const jetstream = connection.jetstream({ timeout: 30_000 });
  const id = crypto.randomUUID();
  return {
    append({ number, conversation, body }, done) {
      const subject = `m.${conversationName(conversation)}`;
      jetstream.publish(subject, body, { msgID: `${id}-${number}` }).then(() => done(null), done);
    },
    subscribe: (onBody) => follow(connection, onBody),
    close: () => connection.close(),
  };
}

async function follow(
  connection: NatsConnection,
  onBody: (body: Uint8Array) => void,
): Promise<void> {
  const { state } = await (await connection.jetstreamManager()).streams.info(stream);
  const ordered = { opt_start_seq: state.last_seq + 1 };
  const consumer = await connection.jetstream().consumers.get(stream, ordered);
  await consumer.consume({ callback: ({ data }) => onBody(data) });
}

interface MonitoredStream {
  readonly state: { readonly messages: number };
}

interface MonitoredAccount {
  readonly stream_detail?: readonly MonitoredStream[];
}

/** As the node itself counts, by its monitoring port. */
async function heldAt(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/jsz?streams=true&accounts=true`);
  const said: { account_details?: MonitoredAccount[] } = JSON.parse(await response.text());
  const streams = (said.account_details ?? []).flatMap((account) => account.stream_detail ?? []);
  return streams.reduce((sum, { state }) => sum + state.messages, 0);
}

async function versionOf(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/varz`);
  const said: { version: string } = JSON.parse(await response.text());
  return said.version;
}
