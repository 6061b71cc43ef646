// Reads of a replica that was stopped in its tracks and goes on: AT_LEAST is never older than its token,
// LINEARIZABLE never older than what was acknowledged before, not even at a leader that was deposed
// meanwhile and is asked at the very moment it wakes.
import type { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { ReadLevel, type ReadRequestInput } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { createClient } from '../harness/load.ts';
import { partitionIn } from '../harness/partitions.ts';
import { until } from '../harness/until.ts';

const conversation = 'g:stopped';
const appendsWhileStopped = 20;
const readsAtOnce = 8;
const readDeadlineMs = 10_000;

interface Scene {
  readonly run: FaultRun;
  readonly cluster: Cluster;
  readonly client: PacelineClient;
  readonly transport: ClientTransport;
  readonly partition: number;
}

/** What reads came to. */
interface Tally {
  fresh: number;
  older: number;
  /** EVENTUAL reads sent at the same moment that were older: the others had something to wait for. */
  eventualOlder: number;
  /** The oldest answer that should have been newer: how many messages it lacked. */
  lackedMax: number;
  /** Answered before the replica had what was asked for: it said so. */
  readonly refused: Record<string, number>;
}

export const fault: Fault = {
  about: 'AT_LEAST on a stopped follower, LINEARIZABLE on a deposed leader; --times N (30)',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    const transport = createGrpcClientTransport();
    const partition = partitionIn(conversation, cluster.partitions);
    const scene: Scene = { run, cluster, client, transport, partition };
    const times = run.option('times', 30);
    const atLeast = newTally();
    for (let i = 0; i < times; i++) await stopFollower(scene, atLeast);
    run.say(`AT_LEAST on a stopped follower, ${times} rounds: ${JSON.stringify(atLeast)}`);
    const linearizable = newTally();
    for (let i = 0; i < times; i++) await stopLeader(scene, linearizable);
    run.say(`LINEARIZABLE on a deposed leader, ${times} rounds: ${JSON.stringify(linearizable)}`);
    await client.close();
    transport.close();
    const fatal = cluster.fatalLines();
    const isGood = ({ older, fresh, eventualOlder }: Tally) =>
      older === 0 && fresh > 0 && eventualOlder > 0;
    return {
      ok: isGood(atLeast) && isGood(linearizable) && fatal.length === 0,
      faultsDone: 2 * times,
      figures: { rounds: times, at_least: atLeast, linearizable, fatal },
    };
  },
};

function newTally(): Tally {
  return { fresh: 0, older: 0, eventualOlder: 0, lackedMax: 0, refused: {} };
}

/** The token of what was appended while it was stopped, pinned to it as it wakes. */
async function stopFollower(scene: Scene, tally: Tally): Promise<void> {
  const { cluster, partition } = scene;
  await cluster.ready();
  const leader = (await cluster.leaders())[partition] ?? 0;
  const follower = cluster.node((leader % 3) + 1);
  await warm(scene, follower.address);
  follower.signal('SIGSTOP');
  const seq = await appendSome(scene);
  const { readToken } = await scene.transport.call(
    cluster.node(leader).address,
    rpcs.read,
    { conversation, level: ReadLevel.READ_LEVEL_LINEARIZABLE, afterSeq: seq - 1, limit: 1 },
    readDeadlineMs,
  );
  const level = ReadLevel.READ_LEVEL_AT_LEAST;
  const request = { conversation, level, readToken, afterSeq: Math.max(0, seq - 100) };
  const reads = sendReads(scene, follower.address, request, seq, tally);
  follower.signal('SIGCONT');
  await Promise.all(reads);
}

/** Stopped until another one leads and appends; what it is asked waits in its socket as it wakes. */
async function stopLeader(scene: Scene, tally: Tally): Promise<void> {
  const { cluster, partition } = scene;
  await cluster.ready();
  await cluster.caughtUp();
  const id = (await cluster.leaders())[partition] ?? 0;
  const old = cluster.node(id);
  await warm(scene, old.address);
  old.signal('SIGSTOP');
  const others = cluster.nodes.filter((node) => node !== old);
  const leader = await until('another one leads', 20_000, async () => {
    for (const other of others) {
      const status = await cluster.status(other.id);
      if (status?.replicas[partition]?.ready === true) return other;
    }
    return false;
  });
  const seq = await appendAt(scene, leader.address);
  const level = ReadLevel.READ_LEVEL_LINEARIZABLE;
  const request = { conversation, level, afterSeq: Math.max(0, seq - 100) };
  const reads = sendReads(scene, old.address, request, seq, tally);
  old.signal('SIGCONT');
  await Promise.all(reads);
}

/** The connection stands before the node is stopped. */
async function warm({ transport }: Scene, server: string): Promise<void> {
  await transport.call(server, rpcs.getStatus, {}, readDeadlineMs);
}

/** The newest acknowledged seq. */
async function appendSome({ client }: Scene): Promise<number> {
  const appends = Array.from({ length: appendsWhileStopped }, () => {
    return client.append({ conversation, sender: 'at-least', body: 'x' });
  });
  return Math.max(...(await Promise.all(appends)).map(({ seq }) => seq));
}

/** The same at a node: the client still waits for the stopped one. */
async function appendAt({ transport }: Scene, server: string): Promise<number> {
  const command = { conversation, sender: 'at-least', body: Buffer.from('x') };
  const appends = Array.from({ length: appendsWhileStopped }, () => {
    return transport.call(server, rpcs.append, { command }, readDeadlineMs);
  });
  return Math.max(...(await Promise.all(appends)).map(({ result }) => Number(result?.seq)));
}

function sendReads(
  { run, transport }: Scene,
  server: string,
  request: ReadRequestInput,
  seq: number,
  tally: Tally,
): Promise<void>[] {
  const eventual = async () => {
    const { afterSeq = 0 } = request;
    const read = { conversation, afterSeq, level: ReadLevel.READ_LEVEL_EVENTUAL };
    const page = await transport.call(server, rpcs.read, read, readDeadlineMs);
    if (Number(page.headSeq) < seq) tally.eventualOlder += 1;
  };
  const fresh = async () => {
    try {
      const page = await transport.call(server, rpcs.read, request, readDeadlineMs);
      const has = Math.min(Number(page.headSeq), Number(page.messages.at(-1)?.seq ?? 0));
      if (has >= seq) tally.fresh += 1;
      else {
        tally.older += 1;
        tally.lackedMax = Math.max(tally.lackedMax, seq - has);
        run.say(`VIOLATION head ${page.headSeq}, last ${has}, although ${seq} was acknowledged`);
      }
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      tally.refused[error.reason] = (tally.refused[error.reason] ?? 0) + 1;
    }
  };
  return [eventual(), ...Array.from({ length: readsAtOnce }, fresh)];
}
