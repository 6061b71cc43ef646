// What the client does with one append: when it is sent, when it ends, and with which error.
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientOptions } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { createPlaces, partitionOf } from '../../src/shard.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster, type FakeStream } from './fake-cluster.ts';

type Ends = Map<string, number | string>;

const timeoutMs = 1000;
const conversation = 'g:a';
let clock = new FakeClock();
let cluster = new FakeCluster();

afterEach(() => {
  clock = new FakeClock();
  cluster = new FakeCluster();
});

function createClient(options: Partial<ClientOptions> = {}): PacelineClient {
  const servers = cluster.nodes.map(({ address }) => address);
  const given = { servers, transport: cluster, clock, random: () => 0.5, clientId: 'test' };
  return new PacelineClient({ ...given, appendTimeoutMs: timeoutMs, ...options });
}

/** How each append ends: its seq, or the reason or message of its error. */
function appendAll(client: PacelineClient, bodies: readonly string[], signal?: AbortSignal): Ends {
  const ends: Ends = new Map();
  for (const body of bodies) {
    const append = { conversation, sender: 's', body };
    client.append(append, signal === undefined ? {} : { signal }).then(
      ({ seq }) => ends.set(body, seq),
      (error) => ends.set(body, error.reason ?? error.message),
    );
  }
  return ends;
}

/** The cluster takes, commits and answers all that was sent. */
async function serve(): Promise<void> {
  await clock.settle();
  for (const stream of cluster.openStreams) while (cluster.take(stream));
  cluster.commit(1000);
  for (const stream of cluster.openStreams) while (cluster.deliver(stream, 0));
  await clock.settle();
}

function only(): FakeStream {
  const [stream] = cluster.streams;
  if (stream === undefined) throw new Error('a stream is open');
  return stream;
}

describe('coalescing', () => {
  it('sends all appends of a tick in one frame', async () => {
    const client = createClient();
    const ends = appendAll(client, ['1', '2', '3', '4']);
    await serve();
    expect(cluster.frames).toBe(1);
    expect([...ends.values()]).toEqual([1, 2, 3, 4]);
  });

  it('lets another partition send before the rest of one that has much', async () => {
    const partitions = 2;
    cluster = new FakeCluster(undefined, partitions);
    const place = createPlaces('mix');
    const partitionFor = (name: string) => {
      const known = place(name);
      return 'shard' in known ? partitionOf(known.shard, partitions) : -1;
    };
    const names = Array.from({ length: 20 }, (_, i) => `g:${i}`);
    const [busy = '', quiet = ''] = [0, 1].map((partition) => {
      return names.find((name) => partitionFor(name) === partition);
    });
    const client = createClient();
    const ended = Array.from({ length: 300 }, () =>
      client.append({ conversation: busy, sender: 's', body: 'x'.repeat(10_000) }),
    );
    ended.push(client.append({ conversation: quiet, sender: 's', body: '' }));
    await clock.settle();
    const partitionsSent = only().inbox.map(({ groups }) => groups.map((each) => each.partition));
    expect(partitionsSent).toEqual([[0], [1, 0], [0]]);
    await serve();
    await Promise.all(ended);
  });

  it('keeps the order of calls made before and while the map is loaded', async () => {
    const client = createClient();
    const ends = appendAll(client, ['1', '2']);
    await Promise.resolve();
    for (const [body, seq] of appendAll(client, ['3', '4'])) ends.set(body, seq);
    await serve();
    expect(cluster.committed.map(({ value }) => value)).toEqual(['1', '2', '3', '4']);
  });
});

describe('a body', () => {
  it('is stored as it was at the call, also before the map is loaded', async () => {
    const client = createClient();
    for (const seq of [1, 2]) {
      const body = Buffer.from('hello');
      const ended = client.append({ conversation, sender: 's', body });
      body.fill('z');
      await serve();
      expect((await ended).seq).toBe(seq);
    }
    expect(cluster.committed.map(({ value }) => value)).toEqual(['hello', 'hello']);
  });
});

describe('who leads', () => {
  it('follows the hint of a node that does not', async () => {
    cluster.mapNode = 2;
    const client = createClient();
    cluster.elect(0);
    for (const node of cluster.nodes.slice(0, 2)) cluster.notice(node);
    const ends = appendAll(client, ['1']);
    await serve();
    await clock.pass(10);
    await serve();
    expect(cluster.openStreams.map(({ address }) => address)).toEqual(['n1:1', cluster.leader]);
    expect(ends.get('1')).toBe(1);
  });

  it('is asked of other nodes where one does not know it', async () => {
    const [first] = cluster.nodes;
    if (first !== undefined) first.leader = '';
    cluster.leader = 'n2:1';
    for (const node of cluster.nodes.slice(1)) cluster.notice(node);
    const ends = appendAll(createClient(), ['1']);
    await clock.pass(100);
    await serve();
    expect(ends.get('1')).toBe(1);
  });

  it('changes while an append is out: a later one does not overtake it elsewhere', async () => {
    const client = createClient();
    appendAll(client, ['1']);
    await serve();
    cluster.elect(0);
    for (const node of cluster.nodes) cluster.notice(node);
    appendAll(client, ['2']);
    for (let i = 0; i < 3; i++) {
      await serve();
      await clock.pass(20);
    }
    const [idle, second] = cluster.openStreams;
    if (idle === undefined || second === undefined) throw new Error('two nodes were sent to');
    appendAll(client, ['3']);
    await clock.settle();
    cluster.take(second);
    cluster.elect(2);
    for (const node of cluster.nodes) if (node.address !== second.address) cluster.notice(node);
    // A reason to ask for the map, which now names the new leader.
    cluster.mapNode = 0;
    idle.cut();
    await clock.pass(50);
    appendAll(client, ['4']);
    await serve();
    cluster.notice(cluster.node(second.address));
    for (let i = 0; i < 5; i++) {
      await serve();
      await clock.pass(200);
    }
    expect(cluster.committed.map(({ value }) => value)).toEqual(['1', '2', '3', '4']);
  });
});

describe('deadlines', () => {
  it('NO_LEADER: no node ever took it', async () => {
    for (const node of cluster.nodes) node.leader = '';
    const ends = appendAll(createClient(), ['1']);
    await clock.pass(timeoutMs - 1);
    expect(ends.size).toBe(0);
    await clock.pass(200);
    expect(ends.get('1')).toBe('NO_LEADER');
  });

  it('OUTCOME_UNKNOWN: it was sent and never answered', async () => {
    const ends = appendAll(createClient(), ['1']);
    await clock.pass(timeoutMs + 200);
    expect(ends.get('1')).toBe('OUTCOME_UNKNOWN');
  });

  it('OUTCOME_UNKNOWN: its stream was lost, and nobody leads since', async () => {
    const ends = appendAll(createClient(), ['1']);
    await clock.settle();
    for (const node of cluster.nodes) node.leader = '';
    only().cut();
    await clock.pass(timeoutMs + 200);
    expect(ends.get('1')).toBe('OUTCOME_UNKNOWN');
  });

  it('OUTCOME_UNKNOWN and the same key: the seq is that of the first attempt', async () => {
    const ends = appendAll(createClient(), ['1']);
    await clock.settle();
    cluster.take(only());
    cluster.commit(1);
    only().cut();
    await clock.pass(100);
    await serve();
    expect(cluster.committed).toHaveLength(1);
    expect(ends.get('1')).toBe(1);
  });

  it('a later answer is not an error', async () => {
    const client = createClient();
    const ends = appendAll(client, ['1']);
    await clock.pass(timeoutMs + 200);
    await serve();
    for (const [body, seq] of appendAll(client, ['2'])) ends.set(body, seq);
    await serve();
    expect(cluster.committed.map(({ value }) => value)).toEqual(['1', '2']);
  });
});

describe('BUSY', () => {
  it('is survived: the same is sent again', async () => {
    cluster.node(cluster.leader).busy = 2;
    const ends = appendAll(createClient(), ['1', '2']);
    for (let i = 0; i < 3; i++) {
      await serve();
      await clock.pass(20);
    }
    expect([...ends.values()]).toEqual([1, 2]);
  });
});

describe('abort', () => {
  it('ends with the reason of the signal what was not sent, and it is never stored', async () => {
    for (const node of cluster.nodes) node.leader = '';
    const client = createClient();
    const abort = new AbortController();
    const ends = appendAll(client, ['1'], abort.signal);
    const kept = appendAll(client, ['2']);
    await clock.settle();
    abort.abort(new Error('changed my mind'));
    await clock.settle();
    expect(ends.get('1')).toBe('changed my mind');
    for (const node of cluster.nodes) node.leader = cluster.leader;
    await clock.pass(100);
    await serve();
    expect(cluster.committed.map(({ value }) => value)).toEqual(['2']);
    expect(kept.get('2')).toBe(1);
  });

  it('ends with OUTCOME_UNKNOWN what was sent', async () => {
    const abort = new AbortController();
    const ends = appendAll(createClient(), ['1'], abort.signal);
    await clock.settle();
    abort.abort();
    await clock.settle();
    expect(ends.get('1')).toBe('OUTCOME_UNKNOWN');
  });

  it('before the call, and before the map is loaded, nothing is sent', async () => {
    const client = createClient();
    const ends = appendAll(client, ['1'], AbortSignal.abort(new Error('too late')));
    const abort = new AbortController();
    const early = appendAll(client, ['2'], abort.signal);
    abort.abort(new Error('early'));
    await serve();
    expect([ends.get('1'), early.get('2')]).toEqual(['too late', 'early']);
    expect(cluster.frames).toBe(0);
  });

  it('while it waits for room: it is gone, and those behind it are not', async () => {
    const client = createClient({ bufferBytesMax: 100 });
    const first = appendAll(client, ['x'.repeat(80)]);
    await clock.settle();
    const abort = new AbortController();
    const ends = appendAll(client, ['y'.repeat(80)], abort.signal);
    const behind = appendAll(client, ['z']);
    abort.abort(new Error('gone'));
    await serve();
    await serve();
    expect([...first.values(), ...ends.values(), ...behind.values()]).toEqual([1, 'gone', 2]);
  });
});

describe('many appends with one signal', () => {
  it('have one listener of it, which ends all, and none once all have ended', async () => {
    const client = createClient();
    const abort = new AbortController();
    const { signal } = abort;
    const bodies = Array.from({ length: 11 }, (_, i) => `${i}`);
    const stored = appendAll(client, bodies, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await serve();
    expect([...stored.values()]).toEqual(bodies.map((_, i) => i + 1));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const aborted = appendAll(client, bodies, signal);
    abort.abort(new Error('enough'));
    await clock.settle();
    expect([...aborted.values()]).toEqual(bodies.map(() => 'enough'));
  });
});

describe('backpressure', () => {
  it('waits for room, in order, and sends no more than the buffer holds', async () => {
    const client = createClient({ bufferBytesMax: 200 });
    const bodies = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(40));
    const ends = appendAll(client, bodies);
    for (let i = 0; i < 20; i++) {
      await clock.settle();
      const sent = cluster.openStreams.flatMap(({ inbox }) => inbox).flatMap((f) => f.groups);
      const bytes = sent.flatMap(({ commands }) => commands).length * 40;
      expect(bytes).toBeLessThanOrEqual(200);
      await serve();
    }
    expect([...ends.values()]).toEqual(bodies.map((_, i) => i + 1));
  });

  it('or refuses at once with BUSY and the limit', async () => {
    const client = createClient({ bufferBytesMax: 100, whenFull: 'refuse' });
    const append = { conversation, sender: 's', body: 'x'.repeat(60) };
    const first = client.append(append);
    const second = client.append(append);
    await clock.settle();
    await expect(second).rejects.toMatchObject({ reason: 'BUSY', limit: 100 });
    await serve();
    await expect(first).resolves.toMatchObject({ seq: 1 });
  });

  it('counts what waits for the map: it is refused before the map is loaded', async () => {
    const client = createClient({ bufferBytesMax: 100, whenFull: 'refuse' });
    const ends = appendAll(client, ['x'.repeat(60), 'y'.repeat(60)]);
    await Promise.resolve();
    expect([...ends.values()]).toEqual(['BUSY']);
    await serve();
    expect([...ends.values()]).toEqual(['BUSY', 1]);
  });

  it('waits for room also before the map is loaded, until the deadline of each', async () => {
    const load = vi.spyOn(cluster, 'call');
    load.mockRejectedValue(new PacelineError({ reason: 'UNREACHABLE', message: 'down' }));
    const client = createClient({ bufferBytesMax: 100 });
    const bodies = ['x', 'y', 'z'].map((letter) => letter.repeat(60));
    const first = appendAll(client, bodies);
    await clock.pass(timeoutMs / 2);
    const second = appendAll(client, bodies);
    await clock.pass(timeoutMs / 2);
    expect([...first.values(), ...second.values()]).toEqual(Array(3).fill('UNREACHABLE'));
    load.mockRestore();
    await clock.pass(100);
    for (let i = 0; i < 3; i++) await serve();
    expect([...second.values()]).toEqual([1, 2, 3]);
  });
});

describe('a callback that throws', () => {
  it('is heard of by the process, not by its siblings', async () => {
    const thrown: (() => void)[] = [];
    vi.stubGlobal('queueMicrotask', (call: () => void) => thrown.push(call));
    onTestFinished(() => {
      vi.unstubAllGlobals();
    });
    const client = createClient();
    const fail = () => {
      throw new Error('of the caller');
    };
    const append = { conversation, sender: 's', body: 'x' };
    client.start(append, fail, fail);
    const second = client.append(append);
    client.start({ ...append, conversation: 'lobby' }, fail, fail);
    const third = client.append(append);
    await serve();
    expect([(await second).seq, (await third).seq]).toEqual([2, 3]);
    expect(thrown).toHaveLength(2);
    for (const call of thrown) expect(call).toThrow('of the caller');
    const later = client.append(append);
    await serve();
    expect((await later).seq).toBe(4);
    await client.close();
  });
});

describe('close', () => {
  it('drains what was called, takes no more, and closes the streams', async () => {
    const client = createClient();
    const ends = appendAll(client, ['1', '2']);
    const closing = client.close();
    const late = appendAll(client, ['3']);
    await serve();
    await closing;
    expect([...ends.values(), ...late.values()]).toEqual([1, 2, 'STOPPING']);
    expect(cluster.openStreams).toEqual([]);
  });
});
