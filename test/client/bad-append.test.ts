// Appends of callers without types: each is refused by the name of its field, alone, and the client goes on.
import { expect, test } from 'vitest';
import type { Append } from '../../src/client/append.ts';
import { PacelineClient } from '../../src/client/client.ts';
import type { Policy } from '../../src/client/event-append.ts';
import type { Reason } from '../../src/errors.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

const good: Append = { conversation: 'g:a', sender: 's', body: 'x' };

function open() {
  const clock = new FakeClock();
  const cluster = new FakeCluster();
  const servers = cluster.nodes.map(({ address }) => address);
  const given = { servers, transport: cluster, clock, random: () => 0.5, clientId: 'test' };
  const client = new PacelineClient({ ...given, appendTimeoutMs: 1000 });
  const serve = async () => {
    await clock.settle();
    for (const stream of cluster.openStreams) while (cluster.take(stream));
    cluster.commit(1000);
    for (const stream of cluster.openStreams) while (cluster.deliver(stream, 0));
    await clock.settle();
  };
  return { client, cluster, serve };
}

function endOf(append: Promise<{ readonly seq: number }>): Promise<unknown> {
  return append.then(
    ({ seq }) => seq,
    ({ reason, field }) => [reason, field],
  );
}

const numbers = ['expectedSeq', 'epoch', 'clientSeq', 'prevClientSeq', 'seenSeq'] as const;
const notNumbers = [null, '5', 5n, Number.NaN, -1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY];
const fieldOf = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const bad: readonly (readonly [Record<string, unknown>, Reason, string])[] = [
  ...[undefined, null, 5].map(
    (conversation) => [{ conversation }, 'BAD_CONVERSATION', 'conversation'] as const,
  ),
  ...[undefined, null, 5].map((sender) => [{ sender }, 'BAD_SENDER', 'sender'] as const),
  ...[null, 5, ''].map((key) => [{ key }, 'BAD_KEY', 'key'] as const),
  ...[undefined, null, 12, [1, 2], new ArrayBuffer(5), new Uint16Array([256])].map(
    (body) => [{ body }, 'BAD_COMMAND', 'body'] as const,
  ),
  ...[null, { a: 'b' }, [null], [{ name: 'a' }], [{ name: 1, value: 'b' }]].map(
    (headers) => [{ headers }, 'BAD_COMMAND', 'headers'] as const,
  ),
  [{ contentType: 5 }, 'BAD_COMMAND', 'content_type'],
  [{ device: null }, 'BAD_COMMAND', 'device'],
  [{ pending: 1 }, 'BAD_COMMAND', 'pending'],
  ...numbers.flatMap((name) =>
    notNumbers.map((value) => [{ [name]: value }, 'BAD_COMMAND', fieldOf(name)] as const),
  ),
  ...[null, '5', Number.NaN, -1].map(
    (clientTimeMs) => [{ clientTimeMs }, 'BAD_COMMAND', 'client_time_ms'] as const,
  ),
];

test.each(bad)('%o is refused: %s, %s', async (change, reason, field) => {
  const { client, serve } = open();
  const ends = [good, { ...good, ...change } as Append, good].map((each) =>
    endOf(client.append(each)),
  );
  await serve();
  expect(await Promise.all(ends)).toEqual([1, [reason, field], 2]);
  const loaded = endOf(client.append({ ...good, ...change } as Append));
  const next = endOf(client.append(good));
  await serve();
  expect([await loaded, await next]).toEqual([[reason, field], 3]);
  await client.close();
});

test('a key that is left out is made, which the refusal says', async () => {
  const { client } = open();
  const append = client.append({ ...good, key: '' });
  await expect(append).rejects.toThrow('one that is left out is made');
});

test('what is no append at all is refused BAD_COMMAND', async () => {
  const { client } = open();
  for (const append of [undefined, null, 'x'] as unknown as Append[]) {
    expect(await endOf(client.append(append))).toEqual(['BAD_COMMAND', 'append']);
  }
  await client.close();
});

test('absent values, and a time with fractions of a millisecond, are fine', async () => {
  const { client, serve } = open();
  const absent = { key: undefined, headers: undefined, expectedSeq: undefined, pending: undefined };
  const given = { contentType: '', device: '', epoch: 0, clientTimeMs: 1_700_000_000_000.7 };
  const end = endOf(client.append({ ...good, ...given, ...absent } as unknown as Append));
  await serve();
  expect(await end).toBe(1);
});

test.each([
  ['no policy', (client: PacelineClient) => policy(client, null), 'policy'],
  ['a word', (client: PacelineClient) => policy(client, { order: 'any' }), 'order'],
  ['a wait', (client: PacelineClient) => policy(client, { gapWaitMs: 2 ** 32 }), 'gap_wait_ms'],
  ['a ttl', (client: PacelineClient) => policy(client, { pendingTtlMs: '5' }), 'pending_ttl_ms'],
  ['no seq', (client: PacelineClient) => client.release({ ...event } as never), 'seq'],
  ['a seq', (client: PacelineClient) => client.reject({ ...event, seq: 1.5 }), 'seq'],
  ['a device', (client: PacelineClient) => client.registerDevice('u', 5 as never), 'device'],
  ['a key', (client: PacelineClient) => client.release({ ...event, seq: 1, key: '' }), 'key'],
  ['a user', (client: PacelineClient) => client.registerDevice(5 as never, 'd'), 'sender'],
])('%s of an event', async (_, start, field) => {
  const { client } = open();
  await expect(start(client)).rejects.toMatchObject({ field });
  await client.close();
});

const event = { conversation: 'g:a', sender: 's' };

function policy(client: PacelineClient, given: unknown) {
  return client.setPolicy({ ...event, policy: given as Policy });
}

test('what nobody has thought of ends its own append alone', async () => {
  const { client, serve } = open();
  const trap = { ...good };
  const throwing = Object.defineProperty({ ...good }, 'body', {
    get: () => {
      throw new Error('a trap');
    },
  });
  let reads = 0;
  const changing = Object.defineProperty({ ...good }, 'body', {
    get: () => {
      reads += 1;
      return reads === 1 ? 'x' : null;
    },
  });
  const ends = [good, trap, throwing, changing, good].map((each) => endOf(client.append(each)));
  // Waits for the map, and is another one by then: it is stored as it was.
  Object.assign(trap, { body: null });
  await serve();
  const refused = ['BAD_COMMAND', 'append'];
  expect(await Promise.all(ends)).toEqual([1, 2, refused, refused, 3]);
  await client.drain();
});

test.each([
  ['body', { body: Buffer.alloc(17 * 1024 * 1024) }],
  ['headers', { headers: [{ name: 'a', value: 'x'.repeat(2 * 1024 * 1024) }] }],
  ['sender', { sender: 'x'.repeat(2 * 1024 * 1024) }],
])('what no frame holds for its %s is refused before it is sent', async (field, change) => {
  const { client, cluster, serve } = open();
  const ends = [good, { ...good, ...change }, good].map((each) => endOf(client.append(each)));
  await serve();
  const reason = field === 'sender' ? 'BAD_SENDER' : 'TOO_LARGE';
  expect(await Promise.all(ends)).toEqual([1, [reason, field], 2]);
  expect(cluster.frames).toBe(1);
});

test('a signal that is none is refused, and does not count as open', async () => {
  const { client } = open();
  for (const signal of [null, {}, 'x', { aborted: false }] as unknown as AbortSignal[]) {
    expect(await endOf(client.append(good, { signal }))).toEqual(['BAD_REQUEST', 'signal']);
  }
  await client.drain();
});
