// The outbox over the real client, whose deadlines end before the outage does, and a server without chains:
// the order is what the client sends.
import { expect, it } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import { FakeCluster } from './fake-cluster.ts';
import { Desk } from './outbox-desk.ts';

const bodies = Array.from({ length: 12 }, (_, i) => String(i));

/** What is stored after an outage without a leader that ends so long after the first message. */
async function storedAfter(outageMs: number, heedsSignal: boolean): Promise<string[]> {
  const desk = new Desk();
  const cluster = new FakeCluster();
  for (const node of cluster.nodes) node.leader = '';
  const client = new PacelineClient({
    servers: cluster.nodes.map(({ address }) => address),
    transport: cluster,
    clock: desk.clock,
    random: () => 0.5,
    clientId: 'test',
    appendTimeoutMs: 1000,
  });
  const outbox = await desk.open({
    append: (append, resolve, reject, signal) => {
      client.start(append, resolve, reject, heedsSignal ? signal : undefined);
    },
  });
  for (let atMs = 0; atMs < outageMs + 30_000; atMs += 100) {
    if (atMs % 300 === 0) await desk.send(outbox, ...bodies.slice(atMs / 300, atMs / 300 + 1));
    if (atMs >= outageMs) for (const node of cluster.nodes) cluster.notice(node);
    for (const stream of cluster.openStreams) while (cluster.take(stream));
    cluster.commit(1000);
    for (const stream of cluster.openStreams) while (cluster.deliver(stream, 0));
    await desk.clock.pass(100);
  }
  await outbox.drain();
  await desk.close(outbox);
  await client.close();
  return cluster.committed.map(({ value }) => value);
}

const outagesMs = Array.from({ length: 30 }, (_, i) => i * 100);

it('nothing overtakes a message whose deadline is over', async () => {
  for (const outageMs of outagesMs) expect(await storedAfter(outageMs, true)).toEqual(bodies);
});

it('without the signal something does: a server with chains has to hold it', async () => {
  const orders = await Promise.all(outagesMs.map((outageMs) => storedAfter(outageMs, false)));
  expect(orders.map((order) => order.toSorted())).toEqual(orders.map(() => bodies.toSorted()));
  expect(orders).not.toEqual(orders.map(() => bodies));
});
