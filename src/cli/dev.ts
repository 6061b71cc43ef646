// `paceline dev`: a whole cluster on this machine, each node a real process; data is kept between
// runs. Says when it is ready and what to type next, reports a node that dies, stops all on Ctrl-C.
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { PacelineError } from '../errors.ts';
import { connect } from './connect.ts';
import { forget, makeDataDirectory } from './data-directory.ts';
import { demoConversation, startDemo } from './demo.ts';
import { type DevNode, lastWords, nodeOf, start, stopAll } from './dev-node.ts';
import { usage } from './flags.ts';
import { note, say, sayJson } from './output.ts';
import { listenProblem } from './ports.ts';
import { partitionsOf } from './settings.ts';
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

const host = '127.0.0.1';
const restartMs = 1000;
const pollMs = 50;
const explainMs = 10_000;
const answerMs = 1000;

export async function dev(flags: DevFlags): Promise<void> {
  const nodes = await prepare(flags);
  let stopping = false;
  let wasReady = false;
  let demo: { stop(): void } | null = null;
  let stop: (exitCode: number) => void = () => undefined;
  const stopped = new Promise<number>((resolve) => {
    stop = (exitCode) => {
      if (stopping) return;
      stopping = true;
      demo?.stop();
      stopAll(nodes).then(() => resolve(exitCode));
    };
  });
  const run = (node: DevNode) => {
    start(node).on('exit', (code, signal) => {
      node.child = null;
      if (stopping) return;
      if (!wasReady && isFinal(code, flags)) {
        note(`node ${node.id} cannot start: ${lastWords(node)} (its log: ${node.logFile})`);
        stop(code ?? 1);
        return;
      }
      reportDeath(node, code, signal, flags);
      if (flags.restart) setTimeout(() => stopping || run(node), restartMs);
    });
  };
  for (const node of nodes) run(node);
  process.on('SIGINT', () => stop(0));
  process.on('SIGTERM', () => stop(0));
  const ready = waitUntilReady(nodes, Number(flags.partitions), () => stopping);
  await Promise.race([ready, stopped]);
  if (!stopping) {
    wasReady = true;
    sayReady(nodes, flags);
    if (withDemo(flags)) demo = startDemo(nodes.map(({ address }) => address));
  }
  process.exit(await stopped);
}

/** Everything that can be wrong is found before anything is deleted or started. */
async function prepare(flags: DevFlags): Promise<DevNode[]> {
  const count = whole('nodes', flags.nodes, 1, 7);
  const port = whole('port', flags.port, 1, 65_535 - count);
  const partitions = partitionsOf(flags.partitions);
  const ports = Array.from({ length: count }, (_, i) => port + i);
  await checkPorts(ports);
  makeDataDirectory(flags.data);
  if (flags.fresh) await forget(flags.data);
  const peers = ports.map((each, i) => ({ id: i + 1, address: `${host}:${each}` }));
  return peers.map(({ id, address }) => nodeOf(id, address, peers, { ...flags, partitions }));
}

/** Throws BAD_REQUEST with the first that is taken. */
async function checkPorts(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const problem = await listenProblem(host, port);
    if (problem === null) continue;
    const hint = 'is another cluster running? Stop it, or begin at another --port';
    const text = problem.code === 'EADDRINUSE' ? `is in use: ${hint}` : `: ${problem.text}`;
    throw usage('port', `${port} ${text}`);
  }
}

/** A node that ended by itself before all were ready never will be; with --restart where its settings are refused. */
function isFinal(code: number | null, { restart }: DevFlags): boolean {
  return code === 2 || (code !== null && !restart);
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
  const client = connect(servers, answerMs);
  const started = performance.now();
  let explained = false;
  while (!gaveUp()) {
    const status = await clusterStatus(client, servers, answerMs).catch(unreached);
    if (status !== null && isReady(status, nodes, partitions)) break;
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

/** Only a status of the processes that were started here counts. */
export function isReady(
  status: ClusterStatus,
  nodes: readonly { readonly id: number; readonly child: Pick<ChildProcess, 'pid'> | null }[],
  count: number,
): boolean {
  const pids = new Map(status.nodes.map(({ id, pid }) => [id, pid]));
  const allOwn = nodes.every(({ id, child }) => child !== null && pids.get(id) === child.pid);
  const { partitions } = status;
  return allOwn && partitions.length === count && partitions.every(({ ready }) => ready);
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
  say(killHint(pids));
}

/** The last one, so that a program that knows the first address alone goes on. Two nodes need both. */
function killHint(pids: readonly (number | null)[]): string {
  const stop = 'Ctrl-C stops all.';
  if (pids.length < 3) return stop;
  return `Kill a node to see the others go on: kill -9 ${pids.at(-1)}. ${stop}`;
}

/** Where a program reads the answers, only what it does itself happens. */
function withDemo(flags: DevFlags): boolean {
  return flags.demo && !flags.json;
}

function whole(field: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw usage(field, `is "${text}", it must be a whole number from ${min} to ${max}`);
}
