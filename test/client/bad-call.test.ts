// Calls of callers without types: each rejects with the name of what is wrong, and throws nothing itself.
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { FakeClock } from './fake-clock.ts';

function open() {
  const asked: string[] = [];
  const transport: ClientTransport = {
    openStream: () => {
      throw new Error('nothing is streamed');
    },
    call: (address) => {
      asked.push(address);
      return Promise.reject(new Error('nobody is asked'));
    },
    close: () => {},
  };
  const given = { servers: ['n1:1'], transport, clock: new FakeClock(), random: () => 0 };
  return { client: new PacelineClient({ ...given, clientId: 'c' }), asked };
}

type Name = 'setPolicy' | 'release' | 'reject' | 'status' | 'transferLeadership';

const event = { conversation: 'g:a', sender: 's' };
const server = 'n1:1';
const badName = ['BAD_CONVERSATION', 'conversation'] as const;
const badRequest = (field: string) => ['BAD_REQUEST', field] as const;
const badCommand = (field: string) => ['BAD_COMMAND', field] as const;

const bad: readonly (readonly [Name, readonly unknown[], readonly [string, string]])[] = [
  ...[undefined, null, 'g:a', 5].flatMap((none) => [
    ['setPolicy', [none], badName] as const,
    ['release', [none], badName] as const,
    ['reject', [none], badName] as const,
  ]),
  ['setPolicy', [event], badCommand('policy')],
  ['release', [event], badCommand('seq')],
  ['reject', [{ ...event, seq: '1' }], badCommand('seq')],
  ...[undefined, null, '', 5, 'garbage'].flatMap((none) => [
    ['status', [none, 1000], badRequest('server')] as const,
    ['transferLeadership', [none, { partition: 0, node: 1 }, 1000], badRequest('server')] as const,
  ]),
  ...[undefined, null, '5', Number.NaN, -1].flatMap((none) => [
    ['status', [server, none], badRequest('timeoutMs')] as const,
    [
      'transferLeadership',
      [server, { partition: 0, node: 1 }, none],
      badRequest('timeoutMs'),
    ] as const,
  ]),
  ['transferLeadership', [server, undefined, 1000], badRequest('partition')],
  ['transferLeadership', [server, { partition: 1.5, node: 1 }, 1000], badRequest('partition')],
  ['transferLeadership', [server, { partition: 0 }, 1000], badRequest('node')],
];

test.each(bad)('%s %j is refused: %s', async (name, given, [reason, field]) => {
  const { client, asked } = open();
  const call = client[name] as (...given: unknown[]) => Promise<unknown>;
  await expect(call.apply(client, [...given])).rejects.toMatchObject({ reason, field });
  expect(asked).toEqual([]);
});

test('an append with null for its options has no signal', async () => {
  const { client } = open();
  const none = null as unknown as { readonly signal?: AbortSignal };
  const append = { ...event, body: 5 } as never;
  await expect(client.append(append, none)).rejects.toMatchObject({ field: 'body' });
});
