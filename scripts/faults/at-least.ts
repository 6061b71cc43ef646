// AT_LEAST reads of a follower that was stopped in its tracks and goes on: never older than their token.
import type { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { ReadLevel } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault } from '../harness/fault.ts';
import { FreshReads } from '../harness/fresh-reads.ts';
import { createClient } from '../harness/load.ts';
import { partitionIn } from '../harness/partitions.ts';

const conversation = 'g:stopped';
const appendsWhileStopped = 20;
const readsAtOnce = 8;
const readDeadlineMs = 10_000;

interface Scene {
  readonly cluster: Cluster;
  readonly client: PacelineClient;
  readonly transport: ClientTransport;
  readonly partition: number;
  readonly reads: FreshReads;
  /** EVENTUAL reads sent at the same moment that were older: the others had something to wait for. */
  eventualOlder: number;
}

export const fault: Fault = {
  about: 'AT_LEAST on a stopped follower; --times N (30)',
  option: 'times',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    const transport = createGrpcClientTransport();
    const partition = partitionIn(conversation, cluster.partitions);
    const reads = new FreshReads(run, transport);
    const scene: Scene = { cluster, client, transport, partition, reads, eventualOlder: 0 };
    const times = run.option('times', 30);
    for (let i = 0; i < times; i++) await stopFollower(scene);
    const { eventualOlder } = scene;
    const figures = { rounds: times, ...reads.figures, eventual_older: eventualOlder };
    run.say(`AT_LEAST on a stopped follower: ${JSON.stringify(figures)}`);
    await client.close();
    transport.close();
    const fatal = cluster.fatalLines();
    const isGood = reads.older === 0 && reads.fresh > 0 && eventualOlder > 0;
    return { ok: isGood && fatal.length === 0, faultsDone: times, figures: { ...figures, fatal } };
  },
};

/** The token of what was appended while it was stopped, pinned to it as it wakes. */
async function stopFollower(scene: Scene): Promise<void> {
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
  const request = { conversation, level: ReadLevel.READ_LEVEL_AT_LEAST, readToken };
  const reads = Array.from({ length: readsAtOnce }, () => {
    return scene.reads.read(follower.address, request, seq);
  });
  const eventual = readEventual(scene, follower.address, seq);
  follower.signal('SIGCONT');
  await Promise.all([eventual, ...reads]);
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

async function readEventual(scene: Scene, server: string, seq: number): Promise<void> {
  const read = { conversation, level: ReadLevel.READ_LEVEL_EVENTUAL };
  const page = await scene.transport.call(server, rpcs.read, read, readDeadlineMs);
  if (Number(page.headSeq) < seq) scene.eventualOlder += 1;
}
