// One client behind a bad network, with up to 8 MiB unanswered: connections are delayed, throttled,
// stalled, reset and swallowed at random, and now and then two nodes stop for a second. Every
// conversation has what its senders sent, in their order, once; BUSY is seen and survived.
import { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import { systemClock } from '../../src/clock.ts';
import { PacelineError } from '../../src/errors.ts';
import { AppendSessionRequest, AppendSessionResponse } from '../../src/gen/proto.ts';
import { appendSessionPath } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { readWhole, type Seen } from '../harness/follow.ts';
import { anyOf, createClient } from '../harness/load.ts';
import { partitionIn } from '../harness/partitions.ts';
import { NodeProxy, throughProxies } from '../harness/proxy.ts';
import { until } from '../harness/until.ts';

const conversations = Array.from({ length: 12 }, (_, i) => `g:proxy${i}`);
const senders = ['ann', 'bob', 'cy'];
const bufferBytesMax = 8 * 1024 * 1024;
const bodyBytes = { min: 1024, max: 8 * 1024 } as const;
const busyConversation = 'g:raw';
const busyFrames = 12;
const busyAttemptsMax = 10;
const tickMs = 5;
const perTick = 40;

/** Of one sender in one conversation, in the order of the calls. */
interface Sent {
  readonly value: string;
  readonly conversation: string;
  /** 0 = not acknowledged. */
  seq: number;
  /** Why it is not; '' = it is, or has not ended. */
  refused: string;
}

interface Scene {
  readonly run: FaultRun;
  readonly cluster: Cluster;
  readonly proxies: readonly NodeProxy[];
  readonly client: PacelineClient;
  readonly sent: Sent[];
  readonly faults: Record<string, number>;
}

export const fault: Fault = {
  about: 'one client through proxies that delay, throttle, stall and cut; --seconds N (60)',
  option: 'seconds',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const proxies = await Promise.all(cluster.servers.map((server) => NodeProxy.create(server)));
    const client = createProxied(cluster, proxies);
    const scene: Scene = { run, cluster, proxies, client, sent: [], faults: {} };
    const sending = setInterval(() => sendSome(scene), tickMs);
    const endMs = performance.now() + run.option('seconds', 60) * 1000;
    while (performance.now() < endMs) await oneFault(scene);
    clearInterval(sending);
    for (const proxy of proxies) calm(proxy);
    run.say(`the network is good again; ${scene.sent.length} were called`);
    await client.close();
    const sessionBusy = await provokeBusy(scene);
    for (const proxy of proxies) proxy.close();
    const end = await judge(scene);
    return {
      ok: end.problems.length === 0 && end.bufferBusy > 0 && sessionBusy > 0,
      faultsDone: Object.values(scene.faults).reduce((sum, count) => sum + count, 0),
      figures: { faults: scene.faults, session_busy: sessionBusy, ...end },
    };
  },
};

function createProxied(cluster: Cluster, proxies: readonly NodeProxy[]): PacelineClient {
  return new PacelineClient({
    servers: cluster.servers,
    transport: throughProxies(createGrpcClientTransport(), cluster, proxies),
    clock: systemClock,
    random: Math.random,
    clientId: crypto.randomUUID(),
    appendTimeoutMs: 60_000,
    bufferBytesMax,
    whenFull: 'refuse',
  });
}

/** As much as fits: what does not is refused with BUSY, and the caller goes on later. */
function sendSome({ client, sent }: Scene): void {
  for (let i = 0; i < perTick; i++) {
    const conversation = anyOf(conversations);
    const sender = anyOf(senders);
    const one: Sent = { value: `v${sent.length}`, conversation, seq: 0, refused: '' };
    sent.push(one);
    const length = bodyBytes.min + Math.floor(Math.random() * (bodyBytes.max - bodyBytes.min));
    client.start(
      { conversation, sender, body: one.value.padEnd(length) },
      ({ seq }) => {
        one.seq = seq;
      },
      (error) => {
        one.refused = error instanceof PacelineError ? error.reason : error.message;
      },
    );
  }
}

/** Some fault for up to a second and a half, then a while without. */
async function oneFault({ cluster, proxies, faults }: Scene): Promise<void> {
  const kinds = ['delay', 'throttle', 'stall', 'reset', 'swallow', 'stop'] as const;
  const kind = anyOf(kinds);
  const proxy = anyOf(proxies);
  faults[kind] = (faults[kind] ?? 0) + 1;
  const stopped = kind === 'stop' ? cluster.nodes.filter(() => Math.random() < 0.67) : [];
  if (kind === 'delay') proxy.delayMs = 5 + Math.random() * 100;
  else if (kind === 'throttle') proxy.bytesPerSecond = 20_000 + Math.random() * 1e6;
  else if (kind === 'stall') proxy.stalled = true;
  else if (kind === 'reset') proxy.reset();
  else if (kind === 'swallow') proxy.swallow();
  for (const node of stopped) node.signal('SIGSTOP');
  await pause(200 + Math.random() * 1300);
  for (const node of stopped) node.signal('SIGCONT');
  calm(proxy);
  await pause(Math.random() * 500);
}

function calm(proxy: NodeProxy): void {
  proxy.delayMs = 0;
  proxy.bytesPerSecond = 0;
  proxy.stalled = false;
}

/**
 * More than 8 MiB on one session while no majority answers: how often it said BUSY. Its leader steps down
 * after half a second of that: where all was not there by then, it is done again.
 */
async function provokeBusy({ run, cluster }: Scene): Promise<number> {
  for (let attempt = 1; attempt <= busyAttemptsMax; attempt++) {
    await cluster.ready();
    const busy = await overfillSession(cluster);
    run.say(`attempt ${attempt}: a raw session with more than 8 MiB was told BUSY ${busy} times`);
    if (busy > 0) return busy;
  }
  return 0;
}

/** Resolves once each command has its answer. */
async function overfillSession(cluster: Cluster): Promise<number> {
  const partition = partitionIn(busyConversation, cluster.partitions);
  const leader = (await cluster.leaders())[partition] ?? 0;
  const transport = createGrpcClientTransport();
  let busy = 0;
  let answered = 0;
  const stream = transport.openStream(cluster.node(leader).address, appendSessionPath, {
    onResponse: (bytes) => {
      for (const { results } of AppendSessionResponse.decode(bytes).groups) {
        answered += results.length;
        busy += results.filter(({ error }) => error?.reason === 'BUSY').length;
      }
    },
    onEnd: () => {},
  });
  const followers = cluster.nodes.filter(({ id }) => id !== leader);
  for (const follower of followers) follower.signal('SIGSTOP');
  const command = { conversation: busyConversation, sender: 'raw', body: Buffer.alloc(240_000) };
  const commands = Array.from({ length: 4 }, () => command);
  for (let frame = 1; frame <= busyFrames; frame++) {
    stream.send(AppendSessionRequest.encode({ frame, groups: [{ partition, commands }] }));
  }
  await until('the leader has stepped down, or said BUSY', 10_000, () => {
    return busy > 0 || answered === busyFrames * commands.length;
  });
  for (const follower of followers) follower.signal('SIGCONT');
  await until('all is answered', 10_000, () => answered === busyFrames * commands.length);
  stream.close();
  transport.close();
  return busy;
}

async function judge({ run, cluster, sent }: Scene) {
  await cluster.settled();
  const reader = createClient(cluster.servers);
  const problems: string[] = [];
  for (const conversation of conversations) {
    const stored = await readWhole(reader, conversation);
    const called = sent.filter((one) => one.conversation === conversation);
    problems.push(...orderProblems(conversation, called, stored));
  }
  await reader.close();
  problems.push(...cluster.fatalLines());
  for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
  const count = (reason: string) => sent.filter(({ refused }) => refused === reason).length;
  return {
    called: sent.length,
    acknowledged: sent.filter(({ seq }) => seq > 0).length,
    bufferBusy: count('BUSY'),
    unknown: count('OUTCOME_UNKNOWN'),
    not_stored: count('NO_LEADER'),
    unended: sent.filter(({ seq, refused }) => seq === 0 && refused === '').length,
    problems: problems.slice(0, 20),
  };
}

/** What is stored is what was called, in that order, without what was refused; unknown may be both. */
function orderProblems(name: string, called: readonly Sent[], stored: readonly Seen[]): string[] {
  const problems: string[] = [];
  const places = new Map<string, number>();
  for (const { value, seq } of stored) {
    if (places.has(value)) problems.push(`${name}: ${value} is stored twice`);
    places.set(value, seq);
  }
  let before = 0;
  for (const { value, seq, refused } of called) {
    const place = places.get(value) ?? 0;
    if (seq > 0 && place !== seq) problems.push(`${name}: ${value} acked as ${seq}, is ${place}`);
    if (refused !== '' && refused !== 'OUTCOME_UNKNOWN' && place > 0) {
      problems.push(`${name}: ${value} was refused with ${refused} and is stored`);
    }
    if (place > 0 && place < before) problems.push(`${name}: ${value} was overtaken`);
    before = Math.max(before, place);
  }
  return problems;
}

/** Chance decides when the next fault comes; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
