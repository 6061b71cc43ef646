// Subscriptions of callers without types: refused by the name of the field before a node is asked, also while
// no map is loaded. On the wire a conversation without a name is a partition, with all that others say there.
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { Subscribe } from '../../src/client/subscription.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

function open() {
  const clock = new FakeClock();
  const cluster = new FakeCluster();
  const opened: string[] = [];
  const transport: ClientTransport = {
    call: (address, rpc) => cluster.call(address, rpc),
    openStream: (address) => {
      opened.push(address);
      return { send() {}, close() {} };
    },
    close: () => {},
  };
  const servers = cluster.nodes.map(({ address }) => address);
  const given = { servers, transport, clock, random: () => 0.5, clientId: 'test' };
  return { client: new PacelineClient(given), clock, opened };
}

const conversation = 'g:a';
const notNumbers = [null, '5', 5n, Number.NaN, -1, 1.5, 2 ** 53];
const badName = ['BAD_CONVERSATION', 'conversation'] as const;
const badRequest = (field: string) => ['BAD_REQUEST', field] as const;

const bad: readonly (readonly [unknown, readonly [string, string]])[] = [
  ...['', 'lobby', undefined, null, 5].map((name) => [{ conversation: name }, badName] as const),
  [{ conversation: '', prefer: 'leader' }, badName],
  [{}, badRequest('conversation')],
  ...[...notNumbers, undefined, 2 ** 32].map(
    (partition) => [{ partition }, badRequest('partition')] as const,
  ),
  ...notNumbers.flatMap((value) => [
    [{ conversation, afterSeq: value }, badRequest('after_seq')] as const,
    [{ conversation, afterRev: value }, badRequest('after_rev')] as const,
    [{ partition: 0, afterIndex: value }, badRequest('after_index')] as const,
  ]),
  ...[null, '5', 0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, 1_000_001].map(
    (window) => [{ conversation, window }, badRequest('window')] as const,
  ),
  [{ conversation, afterSeq: 3, afterRev: 5 }, badRequest('after_rev')],
  ...[undefined, null, 'g:a', 5].map((none) => [none, badRequest('subscribe')] as const),
  ...[null, 'first', 1].map((prefer) => [{ conversation, prefer }, badRequest('prefer')] as const),
  ...[null, '', 7400, 'garbage', 'a:b', '127.0.0.1:99999'].map(
    (server) => [{ conversation, server }, badRequest('server')] as const,
  ),
  [{ conversation, viewer: 5 }, badRequest('viewer')],
  [{ conversation, signal: {} }, badRequest('signal')],
  [{ conversation, onReach: 'tell me' }, badRequest('onReach')],
];

test.each(bad)('%o is refused: %s', async (subscribe, [reason, field]) => {
  for (const isLoaded of [false, true]) {
    const { client, clock, opened } = open();
    if (isLoaded) client.subscribe({ partition: 0 });
    await clock.pass(0);
    const streams = opened.length;
    const subscription = client.subscribe(subscribe as Subscribe);
    const ended = expect(subscription.next()).rejects.toMatchObject({ reason, field });
    await clock.pass(0);
    await ended;
    expect(subscription.isOver).toBe(true);
    expect(opened).toHaveLength(streams);
    await client.close();
  }
});

test('messages without anything to follow are refused by the first of them', async () => {
  const { client } = open();
  const next = client.messages(undefined as unknown as Subscribe).next();
  await expect(next).rejects.toMatchObject({ reason: 'BAD_REQUEST', field: 'subscribe' });
});

test('a window too wide is refused with the limit', async () => {
  const { client } = open();
  const refusal = { field: 'window', limit: 1_000_000 };
  const next = client.subscribe({ conversation, window: 1_000_001 }).next();
  await expect(next).rejects.toMatchObject(refusal);
});

test('absent values and the widest window are fine', async () => {
  const { client, clock, opened } = open();
  const absent = { afterSeq: undefined, window: undefined, viewer: undefined, signal: undefined };
  client.subscribe({ conversation, ...absent } as unknown as Subscribe);
  client.subscribe({ conversation: 'p:b~a', window: 1_000_000 });
  client.subscribe({ conversation, afterSeq: 0, afterRev: 5 });
  await clock.pass(0);
  expect(opened).toHaveLength(3);
});
