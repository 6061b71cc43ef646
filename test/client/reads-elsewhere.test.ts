// What a client does with a node that cannot answer a read: another one may.
import { describe, expect, it } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { PacelineError, type Reason } from '../../src/errors.ts';
import { ReadResponse } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { FakeClock } from './fake-clock.ts';

const servers = ['n1:1', 'n2:1', 'n3:1'];
const map = {
  partitionCount: 1,
  nodes: servers.map((address, i) => ({ id: i + 1, address })),
  leaders: [],
};

/** Of three nodes all but one answer reads with a refusal. */
function open(reason: Reason, { answering = 'n3:1' } = {}) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const transport: ClientTransport = {
    openStream: () => {
      throw new Error('nothing is streamed');
    },
    call: async (address, rpc) => {
      if (rpc.path === rpcs.getPartitionMap.path) {
        return rpc.response.decode(Buffer.from(rpcs.getPartitionMap.response.encode(map)));
      }
      asked.push(address);
      if (address !== answering) throw new PacelineError({ reason, message: reason });
      return rpc.response.decode(Buffer.from(ReadResponse.encode({ headSeq: 7, servedBy: 3 })));
    },
    close: () => {},
  };
  const client = new PacelineClient({ servers, transport, clock, random: () => 0, clientId: 'c' });
  return { client, clock, asked };
}

describe('a read that one node refuses', () => {
  it.each(['NOT_CAUGHT_UP', 'CORRUPT', 'UNREACHABLE'] as const)(
    '%s is asked of the others',
    async (reason) => {
      const { client, clock, asked } = open(reason);
      const read = client.read({ conversation: 'g:a' });
      await clock.pass(1000);
      expect(await read).toMatchObject({ headSeq: 7, servedBy: 3 });
      expect(asked.at(-1)).toBe('n3:1');
    },
  );

  it.each(['CORRUPT', 'NOT_CAUGHT_UP'] as const)(
    '%s, and that was asked of this node only, is refused',
    async (reason) => {
      const { client, clock, asked } = open(reason);
      const read = client.read({ conversation: 'g:a', server: 'n2:1' });
      const refused = expect(read).rejects.toMatchObject({ reason });
      await clock.pass(1000);
      await refused;
      expect(asked).toEqual(['n2:1']);
    },
  );

  it('for a reason that is the same everywhere is not asked again', async () => {
    const { client, clock, asked } = open('TRIMMED');
    const refused = expect(client.read({ conversation: 'g:a' })).rejects.toMatchObject({
      reason: 'TRIMMED',
    });
    await clock.pass(1000);
    await refused;
    expect(asked).toHaveLength(1);
  });
});

describe('a server that did not answer', () => {
  it('is passed over for 5 s by later reads', async () => {
    const { client, clock, asked } = open('UNREACHABLE');
    const read = () => client.read({ conversation: 'g:a' });
    const first = read();
    await clock.pass(100);
    await first;
    expect(asked).toEqual(['n2:1', 'n3:1']);
    for (let i = 0; i < 4; i++) {
      const next = read();
      await clock.pass(100);
      await next;
    }
    // The first node was asked once, too.
    expect(asked.slice(2)).toEqual(['n1:1', 'n3:1', 'n3:1', 'n3:1', 'n3:1']);
    await clock.pass(5000);
    const again = read();
    await clock.pass(100);
    await again;
    expect(asked.slice(7)).not.toEqual(['n3:1']);
  });

  it('is asked all the same where no other is left', async () => {
    const { client, clock, asked } = open('UNREACHABLE', { answering: 'none' });
    const refused = expect(client.read({ conversation: 'g:a' })).rejects.toMatchObject({
      reason: 'UNREACHABLE',
    });
    await clock.pass(11_000);
    await refused;
    expect(new Set(asked.slice(-3)).size).toBe(3);
  });
});
