// `paceline dev`: a whole cluster on this machine, each node a real process; data is kept between
// runs. Says when it is ready and what to type next, reports a node that dies, stops all on Ctrl-C.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';
import { PacelineError } from '../errors.ts';
import { connect } from './connect.ts';
import { demoConversation, startDemo } from './demo.ts';
import { note, say, sayJson } from './output.ts';
import { type ClusterStatus, clusterStatus } from './status.ts';

export interface DevFlags {
  readonly nodes: string;
  readonly partitions: string;
  readonly data: string;
  readonly port: string;
  readonly fresh?: boolean;
  readonly restart?: boolean;
  readonly json?: boolean;
  readonly demo: boolean;
}

interface DevNode {
  readonly id: number;
  readonly address: string;
  readonly arguments: readonly string[];
  readonly logFile: string;
  child: ChildProcess | null;
}

const restartMs = 1000;
const stopMs = 5000;
const pollMs = 50;
const explainMs = 10_000;

export async function dev(flags: DevFlags): Promise<void> {
  if (flags.fresh) rmSync(flags.data, { recursive: true, force: true });
  mkdirSync(flags.data, { recursive: true });
  const nodes = plan(flags);
  let stopping = false;
  let demo: { stop(): void } | null = null;
  const run = (node: DevNode) => {
    const child = start(node);
    child.on('exit', (code, signal) => {
      node.child = null;
      if (stopping) return;
      reportDeath(node, code, signal, flags);
      if (flags.restart) setTimeout(() => stopping || run(node), restartMs);
    });
  };
  for (const node of nodes) run(node);
  const stopped = new Promise<void>((resolve) => {
    const stop = () => {
      if (stopping) return;
      stopping = true;
      demo?.stop();
      stopAll(nodes).then(resolve);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
  const ready = waitUntilReady(nodes, Number(flags.partitions), () => stopping);
  await Promise.race([ready, stopped]);
  if (!stopping) {
    sayReady(nodes, flags);
    if (withDemo(flags)) demo = startDemo(nodes.map(({ address }) => address));
  }
  await stopped;
  process.exit(0);
}

function plan(flags: DevFlags): DevNode[] {
  const count = whole('nodes', flags.nodes, 1, 7);
  const port = whole('port', flags.port, 1, 65_535 - count);
  const addresses = Array.from({ length: count }, (_, i) => `127.0.0.1:${port + i}`);
  const peers = addresses.map((address, i) => `${i + 1}=${address}`).join(',');
  return addresses.map((address, i) => {
    const id = i + 1;
    const own = ['--id', String(id), '--listen', address];
    const data = path.join(flags.data, `node-${id}`);
    const shared = ['--cluster', 'dev', '--peers', peers, '--partitions', flags.partitions];
    const logFile = path.join(flags.data, `node-${id}.log`);
    const all = ['serve', ...own, ...shared, '--data', data];
    return { id, address, arguments: all, logFile, child: null };
  });
}

function start(node: DevNode): ChildProcess {
  const log = openSync(node.logFile, 'a');
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [...process.execArgv, program, ...node.arguments], {
    stdio: ['ignore', log, log, 'ipc'],
  });
  node.child = child;
  return child;
}

function reportDeath(
  node: DevNode,
  code: number | null,
  signal: NodeJS.Signals | null,
  flags: DevFlags,
): void {
  const { id, logFile } = node;
  if (flags.json) {
    sayJson({ event: 'node-died', id, code, signal, log: logFile });
    return;
  }
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  note(`node ${id} ended ${how} (its log: ${logFile})`);
  if (flags.restart) {
    note(`  it is started again in ${restartMs / 1000} s`);
    return;
  }
  const program = path.relative(process.cwd(), process.argv[1] ?? '');
  note(`  start it again with: node ${program} ${node.arguments.join(' ')}`);
}

/** Every partition has a leader that applied an entry of its term, and every node is up. */
async function waitUntilReady(
  nodes: readonly DevNode[],
  partitions: number,
  gaveUp: () => boolean,
): Promise<void> {
  const servers = nodes.map(({ address }) => address);
  const client = connect(servers, 1000);
  const started = performance.now();
  let explained = false;
  while (!gaveUp()) {
    const status = await clusterStatus(client, servers).catch(unreached);
    if (status !== null && isReady(status, partitions)) break;
    if (!explained && performance.now() - started > explainMs) {
      explained = true;
      explain(status, nodes);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  await client.close();
}

function unreached(error: unknown): null {
  if (error instanceof PacelineError) return null;
  throw error;
}

function isReady({ nodes, partitions }: ClusterStatus, count: number): boolean {
  const allUp = nodes.every(({ up }) => up);
  return allUp && partitions.length === count && partitions.every(({ ready }) => ready);
}

function explain(status: ClusterStatus | null, nodes: readonly DevNode[]): void {
  note('still not ready:');
  if (status === null) note('  no node answers');
  for (const { id, up, waitingFor } of status?.nodes ?? []) {
    if (!up) note(`  node ${id} does not answer`);
    else if (waitingFor !== null) note(`  node ${id} waits for ${waitingFor}`);
  }
  for (const { id, logFile } of nodes) note(`  log of node ${id}: ${logFile}`);
}

function sayReady(nodes: readonly DevNode[], flags: DevFlags): void {
  const servers = nodes.map(({ address }) => address);
  const pids = nodes.map(({ child }) => child?.pid ?? null);
  if (flags.json) {
    sayJson({ ready: true, servers, pids });
    return;
  }
  const program = `node ${path.relative(process.cwd(), process.argv[1] ?? '')}`;
  const at = flags.port === '7400' ? '' : ` --servers ${servers.join(',')}`;
  const running = nodes.map(({ id, address }, i) => `node ${id} at ${address} (pid ${pids[i]})`);
  say(`Paceline is ready: ${running.join(', ')}`);
  say(`Data in ${flags.data}, kept between runs. In another terminal:`);
  const conversation = withDemo(flags) ? demoConversation : 'g:lobby';
  say(`  ${program} tail ${conversation}${at}`);
  say(`  ${program} append ${conversation} "hello" --sender you${at}`);
  say(`  ${program} read ${conversation}${at}`);
  say(`  ${program} status${at}`);
  say(`Kill a node to see the others go on: kill -9 ${pids[0]}. Ctrl-C stops all.`);
}

/** Where a program reads the answers, only what it does itself happens. */
function withDemo(flags: DevFlags): boolean {
  return flags.demo && !flags.json;
}

/** SIGTERM, then SIGKILL for what does not end in time. */
async function stopAll(nodes: readonly DevNode[]): Promise<void> {
  await Promise.all(
    nodes.map(({ child }) => {
      if (child === null) return null;
      return new Promise<void>((resolve) => {
        const forced = setTimeout(() => child.kill('SIGKILL'), stopMs);
        child.on('exit', () => {
          clearTimeout(forced);
          resolve();
        });
        child.kill('SIGTERM');
      });
    }),
  );
}

function whole(field: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const message = `${field} is "${text}", it must be a whole number from ${min} to ${max}`;
  throw new PacelineError({ reason: 'BAD_REQUEST', field, message });
}
