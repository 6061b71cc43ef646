// PostgreSQL: a table of messages on a primary with two standbys, of which any one has to sync. A prepared
// INSERT a message, each a transaction of its own, over up to 64 connections: `pg` does not pipeline.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePorts } from '../../harness/cluster.ts';
import {
  findBinary,
  makeDirectory,
  otherUser,
  ServerProcess,
  together,
  type User,
} from '../processes.ts';
import {
  conversationName,
  type Driver,
  type Place,
  type Servers,
  type Setup,
  type Subject,
  sender,
} from './subject.ts';

const nodes = 3;
const startMs = 30_000;
const connections = 64;
const versionsFolder = '/usr/lib/postgresql';
/** The id is made by the client and rises, as chat services do: one index serves order and idempotency. */
const table = `create table messages (
  conversation text not null, id bigint not null, sender text not null, body bytea not null,
  primary key (conversation, id))`;
const insert = {
  name: 'append',
  text: 'insert into messages values ($1, $2, $3, $4) on conflict do nothing',
};

export const postgresql: Subject = {
  name: 'postgresql',
  durability: 'synced by the primary and one standby',
  idempotency: 'primary key, ON CONFLICT DO NOTHING',
  needs: { binaries: programs('postgres'), debianPackage: 'postgresql' },
  start,
  connect,
};

interface Member {
  readonly name: string;
  readonly port: number;
  readonly data: string;
}

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const user = otherUser('postgres');
  const ports = await freePorts(nodes);
  const members = ports.map((port, i): Member => {
    return { name: `pg${i + 1}`, port, data: makeDirectory(directory, `node-${i + 1}`, user) };
  });
  const [primary, ...standbys] = members;
  if (primary === undefined) throw new Error('there are three nodes');
  const initdb = ['-D', primary.data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
  await run('initdb', initdb, user);
  const launch = (member: Member, more: readonly string[]) =>
    launchMember(directory, member, more, { through, user });
  const any = `ANY 1 (${standbys.map(({ name }) => name).join(', ')})`;
  const first = launch(primary, ['-c', `synchronous_standby_names=${any}`]);
  await first.ready('answers', startMs, async () => (await ask(primary, 'select 1')).length === 1);
  for (const { name, data } of standbys) {
    const from = `host=127.0.0.1 port=${primary.port} user=bench application_name=${name}`;
    await run('pg_basebackup', ['-D', data, '-d', from, '-R', '--no-sync', '-c', 'fast'], user);
  }
  const servers = [first, ...standbys.map((member) => launch(member, []))];
  const streaming = `select 1 from pg_stat_replication where state = 'streaming'`;
  await first.ready('both standbys follow', startMs, async () => {
    return (await ask(primary, streaming)).length === standbys.length;
  });
  await ask(primary, table);
  const [version] = await ask<{ server_version: string }>(primary, 'show server_version');
  return {
    version: version?.server_version.split(' ')[0] ?? '',
    place: { addresses: members.map(({ port }) => `127.0.0.1:${port}`), partitions },
    ...together(servers, 'SIGQUIT'),
    dataDirectories: members.map(({ data }) => data),
    held: () => Promise.all(members.map(countAt)),
  };
}

function launchMember(
  directory: string,
  { name, port, data }: Member,
  more: readonly string[],
  { through, user }: { readonly through: readonly string[]; readonly user: User | undefined },
): ServerProcess {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: connections + 20,
    logging_collector: 'off',
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  return new ServerProcess({
    name,
    command: [...through, program('postgres'), '-D', data, ...flags, ...more],
    logFile: path.join(directory, `${name}.log`),
    user,
    directory: data,
  });
}

/** Where Debian puts its programs, the newest version first. */
function programs(name: string): string[] {
  try {
    const versions = readdirSync(versionsFolder).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => path.join(versionsFolder, version, 'bin', name));
  } catch {
    return [name];
  }
}

function program(name: string): string {
  const found = programs(name).find((each) => findBinary(each) !== null);
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

async function run(name: string, args: readonly string[], user: User | undefined): Promise<void> {
  await promisify(execFile)(program(name), args, { ...user, cwd: '/' });
}

async function ask<Row>({ port }: Pick<Member, 'port'>, sql: string): Promise<Row[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'bench', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query(sql);
    return rows;
  } finally {
    await client.end();
  }
}

async function countAt(member: Member): Promise<number> {
  const [row] = await ask<{ count: string }>(member, 'select count(*) from messages');
  return Number(row?.count ?? 0);
}

async function connect({ addresses }: Place): Promise<Driver> {
  const [host, port] = (addresses[0] ?? '').split(':');
  const pool = new pg.Pool({
    host,
    port: Number(port),
    user: 'bench',
    database: 'postgres',
    max: connections,
  });
  const firstId = BigInt(Date.now()) << 22n;
  return {
    append({ number, conversation, body }, done) {
      const id = `${firstId + BigInt(number)}`;
      const values = [conversationName(conversation), id, sender, body];
      pool.query({ ...insert, values }, (error) => done(error ?? null));
    },
    close: () => pool.end(),
  };
}
