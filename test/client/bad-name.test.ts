// Names of conversations that are none: wherever a client is given one, it says what a node says of it.
import { describe, expect, it } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster } from './fake-cluster.ts';
import { Desk } from './outbox-desk.ts';

async function refusalOf(asked: Promise<unknown>, clock: FakeClock): Promise<unknown> {
  const refusal = asked.catch((error) => error);
  await clock.settle();
  return refusal;
}

const names = [
  ['lobby', {}],
  [`g:${'x'.repeat(129)}`, { limit: 128 }],
  [`g:${'x'.repeat(600)}`, { limit: 512 }],
  [`h:g%3A${'x'.repeat(129)}~1`, { limit: 128 }],
] as const;

describe.each(names)('%s', (conversation, limit) => {
  const refusal = {
    reason: 'BAD_CONVERSATION',
    field: 'conversation',
    ...limit,
    message: expect.stringMatching(/^conversation: ./),
  };

  it.each<[string, (client: PacelineClient) => Promise<unknown>]>([
    ['append', (client) => client.append({ conversation, sender: 's', body: '' })],
    ['read', (client) => client.read({ conversation })],
    ['subscribe', (client) => client.subscribe({ conversation }).next()],
  ])('is refused by %s with the limit that it breaks', async (_, ask) => {
    const [clock, cluster] = [new FakeClock(), new FakeCluster()];
    const servers = cluster.nodes.map(({ address }) => address);
    const given = { servers, transport: cluster, clock, random: () => 0.5, clientId: 'test' };
    const client = new PacelineClient(given);
    expect(await refusalOf(ask(client), clock)).toMatchObject(refusal);
    await client.close();
  });

  it('is refused by an outbox with the limit that it breaks', async () => {
    const desk = new Desk();
    const outbox = await desk.open();
    expect(await refusalOf(outbox.send({ conversation, body: '' }), desk.clock)).toMatchObject(
      refusal,
    );
  });
});
