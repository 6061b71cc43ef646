// Suites that a cluster of three nodes goes through: `npm run bench -- million | chains | idle`. Three nodes
// and the client share this machine; every acknowledgement is synced on a majority.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import { systemClock } from '../../src/clock.ts';
import { Cluster } from '../harness/cluster.ts';
import { type LoadFigures, runLoad } from './load.ts';

const manyConversations = 1_000_000;
const manyChains = 1_000_000;
const fewConversations = 1000;
const bodyBytes = 256;

const suites: Record<string, (cluster: Cluster) => Promise<number>> = { million, chains, idle };

/** The exit code: 1 where a bound is broken, 2 where there is no such suite. */
export async function benchCluster(name: string, partitions: number): Promise<number> {
  const run = suites[name];
  if (run === undefined) return 2;
  const directory = mkdtempSync(path.join(tmpdir(), 'paceline-bench-'));
  const cluster = await Cluster.create({ directory, partitions, flags: ['--log-level', 'warn'] });
  try {
    cluster.start();
    await cluster.ready();
    return await run(cluster);
  } finally {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As many conversations of one message each against a thousand, memory, and how long a restart takes. */
async function million(cluster: Cluster): Promise<number> {
  const client = createClient(cluster);
  const load = { client, inFlight: 512, bodyBytes };
  const warm = { ...load, conversation: randomOf(fewConversations) };
  await runLoad({ ...warm, durationMs: 3000 });
  const few = await runLoad({ ...warm, durationMs: 10_000 });
  say(`${fewConversations} conversations`, few);
  const conversation = (n: number) => `g:single-${n}`;
  const many = await runLoad({ ...load, conversation, appends: manyConversations });
  say(`${manyConversations} conversations of one message each`, many);
  const memoryMiB = cluster.nodes.map((node) => Math.round(node.rssAnon() / 1024 / 1024));
  await client.close();
  const restartMs = await restart(cluster);
  const rateRatio = Number((many.perSecond / few.perSecond).toFixed(2));
  const ok = rateRatio >= 0.5 && Math.max(...memoryMiB) < 300 && restartMs < 5000;
  console.log(JSON.stringify({ name: 'million', ok, rateRatio, memoryMiB, restartMs, few, many }));
  return ok ? 0 : 1;
}

/** As many chains of one message each, then one more each, and the memory. */
async function chains(cluster: Cluster): Promise<number> {
  const client = createClient(cluster);
  const load = { client, inFlight: 512, bodyBytes };
  const plain = await runLoad({
    ...load,
    conversation: randomOf(fewConversations),
    durationMs: 10_000,
  });
  say('without chains', plain);
  const conversation = (n: number) => `g:room-${n % fewConversations}`;
  const sender = (n: number) => `sender-${Math.floor(n / fewConversations)}`;
  const passes: LoadFigures[] = [];
  const memoryMiB: number[][] = [];
  for (const clientSeq of [1, 2]) {
    const more = (n: number) => ({ sender: sender(n), clientSeq, prevClientSeq: clientSeq - 1 });
    const pass = await runLoad({ ...load, conversation, more, appends: manyChains });
    say(`message ${clientSeq} of each of ${manyChains} chains`, pass);
    passes.push(pass);
    memoryMiB.push(cluster.nodes.map((node) => Math.round(node.rssAnon() / 1024 / 1024)));
  }
  await client.close();
  const restartMs = await restart(cluster);
  const ok = Math.max(...memoryMiB.flat()) < 400 && restartMs < 5000;
  console.log(JSON.stringify({ name: 'chains', ok, memoryMiB, restartMs, plain, passes }));
  return ok ? 0 : 1;
}

/**
 * Once every partition sleeps: CPU of each node over 90 s, in percent of a core. In some minute after work V8
 * collects its heap once, for 0.1 to 0.2 s: over 30 s that would be most of what is measured.
 */
async function idle(cluster: Cluster): Promise<number> {
  const { partitions } = cluster;
  const settleMs = 30_000;
  const measuredMs = 90_000;
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const before = cluster.nodes.map((node) => node.cpuMs());
  await new Promise((resolve) => setTimeout(resolve, measuredMs));
  const used = cluster.nodes.map((node, i) => node.cpuMs() - (before[i] ?? 0));
  const cpuPercent = used.map((ms) => Number(((100 * ms) / measuredMs).toFixed(2)));
  const ok = Math.max(...cpuPercent) < 1;
  console.log(JSON.stringify({ name: 'idle', ok, partitions, cpuPercent }));
  return ok ? 0 : 1;
}

/** From the start of all processes, killed before, until every partition takes appends. */
async function restart(cluster: Cluster): Promise<number> {
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  const started = performance.now();
  cluster.start();
  await cluster.ready();
  return Math.round(performance.now() - started);
}

function createClient(cluster: Cluster): PacelineClient {
  return new PacelineClient({
    servers: cluster.servers,
    transport: createGrpcClientTransport(),
    clock: systemClock,
    random: Math.random,
    clientId: randomUUID(),
  });
}

function randomOf(conversations: number): () => string {
  return () => `g:room-${Math.floor(Math.random() * conversations)}`;
}

function say(what: string, figures: LoadFigures): void {
  const { perSecond, p50Ms, p99Ms } = figures;
  console.error(`${what}: ${perSecond} messages/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
}
