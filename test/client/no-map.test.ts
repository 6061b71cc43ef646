// Before a client has its map: an append or a read ends at its deadline, whatever the servers do, and nobody is
// asked any more once the client is closed.
import { expect, test, vi } from 'vitest';
import type { Appended } from '../../src/client/append.ts';
import { PacelineClient } from '../../src/client/client.ts';
import type { Page } from '../../src/client/message.ts';
import type { ClientOptions, ClientTransport } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { rpcs } from '../../src/gen/services.ts';
import { FakeClock } from './fake-clock.ts';

const servers = ['n1:1', 'n2:1', 'n3:1'];
const map = {
  partitionCount: 1,
  nodes: servers.map((address, i) => ({ id: i + 1, address })),
  leaders: [{ partition: 0, leader: 1, term: 1 }],
};

/** Servers that say nothing, or the map after so long. */
function open(options: Partial<ClientOptions> = {}, { mapAfterMs = 1e9 } = {}) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const transport: ClientTransport = {
    openStream: (address) => {
      asked.push(address);
      return { send() {}, close() {} };
    },
    call: (address, rpc, _request, timeoutMs) => {
      asked.push(address);
      return new Promise((resolve, reject) => {
        const isMap = rpc.path === rpcs.getPartitionMap.path;
        if (isMap && mapAfterMs < timeoutMs) {
          const bytes = rpcs.getPartitionMap.response.encode(map);
          clock.after(mapAfterMs, () => resolve(rpc.response.decode(bytes)));
        } else clock.after(timeoutMs, () => reject(unreachable()));
      });
    },
    close: () => {},
  };
  const given = { servers, transport, clock, random: () => 0.5, clientId: 'test' };
  return { clock, asked, transport, client: new PacelineClient({ ...given, ...options }) };
}

function unreachable(): PacelineError {
  return new PacelineError({ reason: 'UNREACHABLE', message: 'not reached' });
}

const append = { conversation: 'g:a', sender: 's', body: 'x' };
const short = { appendTimeoutMs: 200, readTimeoutMs: 200 };

test.each<[string, (client: PacelineClient) => Promise<Appended | Page>]>([
  ['an append', (client) => client.append(append)],
  ['a read', (client) => client.read({ conversation: 'g:a' })],
])('%s ends at its deadline, not after a round of all servers', async (_, start) => {
  const { client, clock } = open(short);
  let end = '';
  start(client).catch((error) => {
    end = `${error.reason} ${error.field}`;
  });
  await clock.pass(199);
  expect(end).toBe('');
  await clock.pass(1);
  expect(end).toBe('UNREACHABLE servers');
});

test('where every server refused at once the error says so, also at the deadline', async () => {
  const { clock, transport } = open();
  const refusing: ClientTransport = {
    ...transport,
    call: async () => {
      throw new PacelineError({ reason: 'UNREACHABLE', message: 'connect ECONNREFUSED' });
    },
  };
  // The last try is out as the time is over.
  let tries = 0;
  const slow: ClientTransport = {
    ...refusing,
    call: (...asked) => {
      tries += 1;
      return tries <= servers.length ? refusing.call(...asked) : transport.call(...asked);
    },
  };
  for (const given of [refusing, slow]) {
    const options = { servers, transport: given, clock, random: () => 0.5, clientId: 'test' };
    const read = new PacelineClient({ ...options, ...short }).read({ conversation: 'g:a' });
    const message = `none of ${servers.join(', ')} answered: connect ECONNREFUSED`;
    const refused = expect(read).rejects.toMatchObject({ reason: 'UNREACHABLE', message });
    await clock.pass(200);
    await refused;
  }
});

test('what was asked by then goes on: what is appended meanwhile is sent', async () => {
  const { client, clock, asked } = open(short, { mapAfterMs: 400 });
  const first = expect(client.append(append)).rejects.toMatchObject({ reason: 'UNREACHABLE' });
  await clock.pass(300);
  await first;
  const second = expect(client.append(append)).rejects.toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
  await clock.pass(99);
  expect(asked).toEqual(['n1:1']);
  await clock.pass(1);
  expect(asked).toEqual(['n1:1', 'n1:1']);
  await clock.pass(1000);
  await second;
});

test('a deadline later than timers reach is none', async () => {
  const { client, clock } = open({ readTimeoutMs: Number.POSITIVE_INFINITY });
  const after = vi.spyOn(clock, 'after');
  client.read({ conversation: 'g:a' }).catch(() => {});
  await clock.pass(100_000);
  expect(Math.max(...after.mock.calls.map(([delayMs]) => delayMs))).toBeLessThan(2 ** 31);
  expect(after.mock.calls.length).toBeLessThan(500);
});

test('of a closed client nothing is asked any more, and a read that waited is refused', async () => {
  const { client, clock, asked } = open();
  const abort = new AbortController();
  const aborted = expect(client.append(append, { signal: abort.signal })).rejects.toThrow('gone');
  const read = expect(client.read({ conversation: 'g:a' })).rejects.toMatchObject(closed);
  await clock.pass(1500);
  abort.abort(new Error('gone'));
  await aborted;
  await client.close();
  const { length } = asked;
  await clock.pass(60_000);
  await read;
  expect(asked).toHaveLength(length);
});

test.each([
  ['is out', 100],
  ['waits for its next try', 3020],
])('a read that %s as the client closes is tried nowhere else', async (_, closedAtMs) => {
  const { client, clock, asked } = open({}, { mapAfterMs: 10 });
  const read = expect(client.read({ conversation: 'g:a' })).rejects.toMatchObject(closed);
  await clock.pass(closedAtMs);
  await client.close();
  const { length } = asked;
  await clock.pass(60_000);
  await read;
  expect(asked).toHaveLength(length);
});

const closed = { reason: 'STOPPING', message: 'the client is closed' };

test.each<[string, (client: PacelineClient) => Promise<unknown>]>([
  ['append', (client) => client.append(append)],
  ['setPolicy', (client) => client.setPolicy({ ...append, policy: {} })],
  ['registerDevice', (client) => client.registerDevice('u', 'd')],
  ['read', (client) => client.read({ conversation: 'g:a' })],
  ['heads', (client) => client.heads(['g:a'])],
  ['status', (client) => client.status('n1:1', 1000)],
  ['transfer', (client) => client.transferLeadership('n1:1', { partition: 0, node: 1 }, 1000)],
  ['subscribe', (client) => client.subscribe({ conversation: 'g:a' }).next()],
  ['subscribe, at the leader', (client) => client.subscribe({ partition: 0 }).next()],
  ['messages', (client) => client.messages({ conversation: 'g:a' }).next()],
])('after close: %s is refused', async (_, start) => {
  const { client, clock, asked } = open();
  await client.close();
  const refused = expect(start(client)).rejects.toMatchObject(closed);
  await clock.pass(60_000);
  await refused;
  expect(asked).toEqual([]);
});
