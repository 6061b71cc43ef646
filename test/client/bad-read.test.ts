// Reads and heads of callers without types: refused by the name of the field before a node is asked.
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { Read } from '../../src/client/reads.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { ReadDirection } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { FakeClock } from './fake-clock.ts';

function open() {
  const clock = new FakeClock();
  const asked: unknown[] = [];
  const map = { partitionCount: 1, nodes: [{ id: 1, address: 'n1:1' }], leaders: [] };
  const transport: ClientTransport = {
    openStream: () => {
      throw new Error('nothing is streamed');
    },
    call: async (_, rpc, request) => {
      const isMap = rpc.path === rpcs.getPartitionMap.path;
      if (!isMap) asked.push(request);
      const answer = isMap ? rpcs.getPartitionMap.response.encode(map) : [];
      return rpc.response.decode(Buffer.from(answer));
    },
    close: () => {},
  };
  const given = { servers: ['n1:1'], transport, clock, random: () => 0, clientId: 'c' };
  return { client: new PacelineClient(given), asked };
}

const conversation = 'g:a';
const notNumbers = [null, '5', 5n, Number.NaN, -1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY];
const badRequest = (field: string, limit = {}) => ({ reason: 'BAD_REQUEST', field, ...limit });
const badName = { reason: 'BAD_CONVERSATION', field: 'conversation' };

const badReads: readonly (readonly [unknown, object])[] = [
  ...[undefined, null, 'g:a'].map((read) => [read, badRequest('read')] as const),
  ...[undefined, null, 5, 'lobby'].map((name) => [{ conversation: name }, badName] as const),
  ...notNumbers.flatMap((value) => [
    [{ conversation, afterSeq: value }, badRequest('after_seq')] as const,
    [{ conversation, beforeSeq: value }, badRequest('before_seq')] as const,
    [{ conversation, aroundSeq: value }, badRequest('around_seq')] as const,
  ]),
  ...[null, '5', 5n, Number.NaN, 0, -1, 1.5, Number.POSITIVE_INFINITY].map(
    (limit) => [{ conversation, limit }, badRequest('limit', { limit: 1000 })] as const,
  ),
  ...[1001, 2 ** 32 + 1].map(
    (limit) =>
      [
        { conversation, limit },
        { reason: 'TOO_LARGE', field: 'limit', limit: 1000 },
      ] as const,
  ),
  ...[null, 'back', 1].map(
    (direction) => [{ conversation, direction }, badRequest('direction')] as const,
  ),
  ...[null, 'foo', 2].map((level) => [{ conversation, level }, badRequest('level')] as const),
  [{ conversation, viewer: 5 }, badRequest('viewer')],
  ...[null, 7400, '', 'garbage'].map(
    (server) => [{ conversation, server }, badRequest('server')] as const,
  ),
  [{ conversation, token: 'abc' }, badRequest('read_token')],
];

test.each(badReads)('a read %o is refused: %o', async (read, refusal) => {
  const { client, asked } = open();
  await expect(client.read(read as Read)).rejects.toMatchObject(refusal);
  expect(asked).toEqual([]);
});

const noArray = badRequest('conversations');

test.each<[unknown, object]>([
  [undefined, noArray],
  [null, noArray],
  ['g:x', noArray],
  [new Set(['g:x']), noArray],
  [['g:x', 5], { reason: 'BAD_CONVERSATION', field: 'conversations[1]' }],
  [['lobby'], { reason: 'BAD_CONVERSATION', field: 'conversations[0]' }],
  [[`g:${'x'.repeat(129)}`], { field: 'conversations[0]', limit: 128 }],
  [new Array(1001).fill('g:x'), { reason: 'TOO_LARGE', field: 'conversations', limit: 1000 }],
])('heads of %o are refused: %o', async (names, refusal) => {
  const { client, asked } = open();
  await expect(client.heads(names as string[])).rejects.toMatchObject(refusal);
  expect(asked).toEqual([]);
});

test('absent values, 0 for no starting point and the largest limit are fine', async () => {
  const { client, asked } = open();
  const absent = { beforeSeq: undefined, limit: undefined, level: undefined, viewer: undefined };
  await client.read({ conversation, afterSeq: 0, ...absent } as unknown as Read);
  await client.read({
    conversation: 'p:b~a',
    limit: 1000,
    direction: 'backward',
    level: 'eventual',
  });
  await client.heads([]);
  await client.heads(['p:b~a']);
  expect(asked).toMatchObject([
    { conversation, limit: 100, direction: ReadDirection.READ_DIRECTION_FORWARD },
    { limit: 1000, direction: ReadDirection.READ_DIRECTION_BACKWARD },
    { conversations: [] },
    { conversations: ['p:b~a'] },
  ]);
});
