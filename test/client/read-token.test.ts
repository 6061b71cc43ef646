// A read with another client's token: not older than that, and not than what the client itself has seen.
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { ReadRequest, ReadResponse } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { FakeClock } from './fake-clock.ts';

const servers = ['n1:1'];
const map = { partitionCount: 1, nodes: [{ id: 1, address: 'n1:1' }], leaders: [] };
const tokenOf = (index: number) => Buffer.from(`token ${index}`);

/** A node that has applied exactly what a read asks for; `newest` where it asks for none. */
function open(newest: number) {
  const asked: string[] = [];
  const transport: ClientTransport = {
    openStream: () => {
      throw new Error('nothing is streamed');
    },
    call: async (_, rpc, request) => {
      if (rpc.path === rpcs.getPartitionMap.path) {
        return rpc.response.decode(Buffer.from(rpcs.getPartitionMap.response.encode(map)));
      }
      const { readToken } = ReadRequest.decode(rpc.request.encode(request));
      const token = Buffer.from(readToken).toString();
      asked.push(token);
      const appliedIndex = token === '' ? newest : Number(token.slice('token '.length));
      const response = ReadResponse.encode({ appliedIndex, readToken: tokenOf(appliedIndex) });
      return rpc.response.decode(Buffer.from(response));
    },
    close: () => {},
  };
  const given = { servers, transport, clock: new FakeClock(), random: () => 0, clientId: 'c' };
  return { client: new PacelineClient(given), asked };
}

const conversation = 'g:a';

test('an older token does not take a client back behind what it has read', async () => {
  const { client, asked } = open(9);
  await client.read({ conversation });
  const page = await client.read({ conversation, token: tokenOf(5) });
  expect(page.appliedIndex).toBe(9);
  expect(asked).toEqual(['', 'token 5', 'token 9']);
});

test('a newer token is asked for once, and is the newest from then on', async () => {
  const { client, asked } = open(9);
  await client.read({ conversation });
  expect((await client.read({ conversation, token: tokenOf(12) })).appliedIndex).toBe(12);
  expect((await client.read({ conversation })).appliedIndex).toBe(12);
  expect(asked).toEqual(['', 'token 12', 'token 12']);
});

test('an eventual read is what the node has, however old', async () => {
  const { client, asked } = open(9);
  await client.read({ conversation, token: tokenOf(12) });
  expect((await client.read({ conversation, level: 'eventual' })).appliedIndex).toBe(9);
  expect(asked).toEqual(['token 12', '']);
});
