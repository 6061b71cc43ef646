// Which node a subscription begins at, and where it goes on.
import { describe, expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { Subscribe } from '../../src/client/subscription.ts';
import type { ClientTransport, StreamEvents } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { rpcs } from '../../src/gen/services.ts';
import { FakeClock } from './fake-clock.ts';

const servers = ['n1:1', 'n2:1', 'n3:1'];
const map = {
  partitionCount: 1,
  nodes: servers.map((address, i) => ({ id: i + 1, address })),
  leaders: [{ partition: 0, leader: 3, term: 1 }],
};
const unreachable = new PacelineError({ reason: 'UNREACHABLE', message: 'not reached' });

/** A client of three nodes, the third of which leads; the addresses of its streams. */
function open({ hasMap = true } = {}) {
  const clock = new FakeClock();
  const opened: string[] = [];
  const streams: StreamEvents[] = [];
  const transport: ClientTransport = {
    openStream: (address, _path, events) => {
      opened.push(address);
      streams.push(events);
      return { send() {}, close() {} };
    },
    call: async (_address, rpc) => {
      if (!hasMap || rpc.path !== rpcs.getPartitionMap.path) throw unreachable;
      return rpc.response.decode(rpcs.getPartitionMap.response.encode(map));
    },
    close: () => {},
  };
  const client = new PacelineClient({ servers, transport, clock, random: () => 0, clientId: 'c' });
  return { client, clock, opened, streams, transport };
}

const partition = { partition: 0 } as const;
const conversation = { conversation: 'g:a' } as const;

describe('a subscription begins', () => {
  test.each<[string, Subscribe, string]>([
    ['of a partition: at its leader', partition, 'n3:1'],
    ['of a conversation: at the next node', conversation, 'n2:1'],
    ['of a partition, at any node: at the next', { ...partition, prefer: 'any' }, 'n2:1'],
    ['of a conversation, at the leader: there', { ...conversation, prefer: 'leader' }, 'n3:1'],
    ['at one server only: there', { ...partition, server: 'n1:1' }, 'n1:1'],
  ])('%s', async (_, subscribe, address) => {
    const { client, clock, opened } = open();
    client.subscribe(subscribe);
    await clock.pass(0);
    expect(opened).toEqual([address]);
  });

  test('anywhere, where no server says who leads', async () => {
    const { client, clock, opened } = open({ hasMap: false });
    client.subscribe(partition);
    await clock.pass(0);
    expect(opened).toEqual(['n2:1']);
  });

  test('nowhere, where the name is none, which the consumer is told', async () => {
    const { client, clock, opened } = open();
    const subscription = client.subscribe({ conversation: 'lobby', prefer: 'leader' });
    await clock.pass(0);
    await expect(subscription.next()).rejects.toMatchObject({ reason: 'BAD_CONVERSATION' });
    expect(opened).toEqual([]);
  });

  test('nowhere, where it ended before it was known who leads', async () => {
    const { client, clock, opened } = open();
    await client.subscribe(partition).return();
    await clock.pass(0);
    expect(opened).toEqual([]);
  });
});

test.each<[string, Subscribe]>([
  ['a name that is none, of a map that is known,', { conversation: 'lobby' }],
  ['a signal that was given before', { conversation: 'g:a', signal: AbortSignal.abort() }],
])('%s ends it as it begins, and the client closes', async (_, subscribe) => {
  const { client, clock, opened } = open();
  client.subscribe({ partition: 0 });
  await clock.pass(0);
  const subscription = client.subscribe(subscribe);
  expect(subscription.isOver).toBe(true);
  await client.close();
  expect(opened).toHaveLength(1);
});

test('an error of the transport ends it, also where the leader had to be asked for', async () => {
  const { client, clock, transport } = open();
  transport.openStream = () => {
    throw new Error('no channel');
  };
  const subscription = client.subscribe(partition);
  const ended = expect(subscription.next()).rejects.toThrow('no channel');
  await clock.pass(0);
  await ended;
});

test('after a failure it goes on at another node', async () => {
  const { client, clock, opened, streams } = open();
  client.subscribe(partition);
  await clock.pass(0);
  streams[0]?.onEnd(unreachable);
  await clock.pass(100);
  expect(opened).toEqual(['n3:1', 'n2:1']);
});

test('what it lost because it was not reached, others do not begin at', async () => {
  const { client, clock, opened, streams } = open();
  for (let i = 0; i < 3; i++) client.subscribe(conversation);
  await clock.pass(0);
  expect(opened).toEqual(['n2:1', 'n3:1', 'n1:1']);
  streams[0]?.onEnd(unreachable);
  await clock.pass(100);
  for (let i = 0; i < 3; i++) client.subscribe(conversation);
  expect(opened.slice(3)).toEqual(['n3:1', 'n1:1', 'n3:1', 'n1:1']);
  await clock.pass(5000);
  for (let i = 0; i < 3; i++) client.subscribe(conversation);
  expect(opened.slice(7)).toContain('n2:1');
});
