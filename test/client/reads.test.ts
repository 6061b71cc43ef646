// Pages, heads, tokens and subscriptions of real nodes, and what they say of places that are gone.
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { until } from '../../scripts/harness/until.ts';
import type { Read } from '../../src/client/reads.ts';
import type { Subscribe } from '../../src/client/subscription.ts';
import type { SubscriptionEvent } from '../../src/client/subscription-events.ts';
import { rpcs } from '../../src/gen/services.ts';
import { firstIndexKey, floorKey } from '../../src/order/row-keys.ts';
import { encodeFloor } from '../../src/order/row-values.ts';
import { createPlaces } from '../../src/shard.ts';
import { openStore } from '../../src/storage/level/store.ts';
import { useCluster } from '../cluster/fixture.ts';

const fixture = useCluster({ partitions: 4 });
const sender = 'tester';
const placeOf = createPlaces('mix');

async function fill(conversation: string, count: number, bodyBytes = 1): Promise<void> {
  const body = Buffer.alloc(bodyBytes, 'x');
  const appends = Array.from({ length: count }, () =>
    fixture.client.append({ conversation, sender, body }),
  );
  await Promise.all(appends);
}

async function seqs(read: Read): Promise<number[]> {
  return (await fixture.client.read(read)).messages.map(({ seq }) => seq);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Events until the first of that kind, which is the last one. */
async function follow(subscribe: Subscribe, last: SubscriptionEvent['kind']) {
  const events: SubscriptionEvent[] = [];
  for await (const event of fixture.client.subscribe(subscribe)) {
    events.push(event);
    if (event.kind === last) break;
  }
  return events;
}

function seqsOf(events: readonly SubscriptionEvent[]): number[] {
  return events.flatMap((event) => (event.kind === 'message' ? [event.message.seq] : []));
}

describe('a page', () => {
  const conversation = 'g:pages';

  it('lies after, before or around a seq, at most `limit` long, always in order', async () => {
    await fill(conversation, 250);
    const page = (read: Omit<Read, 'conversation'>) => seqs({ conversation, ...read });
    expect(await page({})).toEqual(range(1, 100));
    expect(await page({ limit: 10 })).toEqual(range(1, 10));
    expect(await page({ afterSeq: 240, limit: 100 })).toEqual(range(241, 250));
    expect(await page({ afterSeq: 250 })).toEqual([]);
    expect(await page({ beforeSeq: 11, limit: 4 })).toEqual(range(7, 10));
    expect(await page({ beforeSeq: 4 })).toEqual(range(1, 3));
    expect(await page({ beforeSeq: 1 })).toEqual([]);
    expect(await page({ direction: 'backward', limit: 3 })).toEqual(range(248, 250));
    expect(await page({ aroundSeq: 100, limit: 5 })).toEqual(range(98, 102));
    expect(await page({ aroundSeq: 1, limit: 5 })).toEqual(range(1, 5));
    expect(await page({ aroundSeq: 250, limit: 5 })).toEqual(range(246, 250));
    expect(await page({ aroundSeq: 9999, limit: 5 })).toEqual(range(246, 250));
    expect(await page({ limit: 1000 })).toEqual(range(1, 250));
  });

  it('is the same from every replica, from memory and from disk', async () => {
    await fixture.cluster.caughtUp();
    for (const { address: server } of fixture.cluster.nodes) {
      expect(await seqs({ conversation, limit: 1000, server })).toEqual(range(1, 250));
    }
  });

  it('beyond the head says IN_FUTURE and what there is', async () => {
    const read = fixture.client.read({ conversation, afterSeq: 251 });
    await expect(read).rejects.toMatchObject({ reason: 'IN_FUTURE', min: 1, max: 250 });
  });

  it('with two starting points is refused', async () => {
    const read = fixture.client.read({ conversation, afterSeq: 1, beforeSeq: 9 });
    await expect(read).rejects.toMatchObject({ reason: 'BAD_REQUEST', field: 'after_seq' });
  });

  it('is cut where its bodies pass 1 MiB, at the far end from where it starts', async () => {
    const large = 'g:large';
    await fill(large, 10, 200_000);
    expect(await seqs({ conversation: large })).toEqual(range(1, 5));
    expect(await seqs({ conversation: large, afterSeq: 3 })).toEqual(range(4, 8));
    expect(await seqs({ conversation: large, direction: 'backward' })).toEqual(range(6, 10));
    expect(await seqs({ conversation: large, beforeSeq: 8 })).toEqual(range(3, 7));
  });

  it('around a seq holds it, also where 1 MiB cuts the page', async () => {
    expect(await seqs({ conversation: 'g:large', aroundSeq: 8, limit: 100 })).toContain(8);
  });
});

describe('heads', () => {
  it('are answered in the order asked, 0 where there is nothing', async () => {
    await fill('g:heads', 7);
    await fixture.cluster.caughtUp();
    const heads = await fixture.client.heads(['g:nobody', 'g:heads', 'g:pages']);
    expect(heads.map(({ seq, minSeq }) => [seq, minSeq])).toEqual([
      [0, 0],
      [7, 1],
      [250, 1],
    ]);
  });

  it('of more than 1,000 conversations are refused with the limit', async () => {
    const names = Array.from({ length: 1001 }, (_, i) => `g:${i}`);
    const refusal = { reason: 'TOO_LARGE', field: 'conversations', limit: 1000 };
    await expect(fixture.client.heads(names)).rejects.toMatchObject(refusal);
  });
});

describe('a read token', () => {
  const other = useCluster({ partitions: 4, nodes: 1 });

  it('of another partition, of another cluster or made up is refused', async () => {
    const [conversation = '', elsewhere = ''] = ['g:t1', 'g:t2', 'g:t3', 'g:t4', 'g:t5'].filter(
      (name, i, all) => i === 0 || partitionIn(name, 4) !== partitionIn(all[0] ?? '', 4),
    );
    const tokenOf = async ({ cluster, transport }: typeof fixture, name: string) => {
      const address = cluster.node(1).address;
      return (await transport.call(address, rpcs.read, { conversation: name }, 5000)).readToken;
    };
    const read = (token: Uint8Array) => fixture.client.read({ conversation, token });
    await expect(read(await tokenOf(fixture, conversation))).resolves.toMatchObject({ headSeq: 0 });
    const refusal = { reason: 'BAD_REQUEST', field: 'read_token' };
    for (const bad of [await tokenOf(fixture, elsewhere), await tokenOf(other, conversation)]) {
      await expect(read(bad)).rejects.toMatchObject(refusal);
    }
    await expect(read(Buffer.from('made up'))).rejects.toMatchObject(refusal);
  });
});

describe('a subscription', () => {
  it('replays from its place, says caught up with its progress, and goes on with what is new', async () => {
    const conversation = 'g:follow';
    await fill(conversation, 20);
    const subscription = fixture.client.subscribe({ conversation, afterSeq: 15 });
    const events: SubscriptionEvent[] = [];
    for await (const event of subscription) {
      events.push(event);
      if (event.kind === 'caught-up') await fill(conversation, 3);
      if (event.kind === 'message' && event.message.seq === 23) break;
    }
    expect(seqsOf(events)).toEqual(range(16, 23));
    const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== 'message');
    expect(kinds).toEqual(['progress', 'caught-up']);
    expect(events).toContainEqual({ kind: 'progress', seq: 20, rev: 20, index: 0 });
  });

  it('by rev, and of what nobody has written yet', async () => {
    const byRev = await follow({ conversation: 'g:follow', afterRev: 21 }, 'caught-up');
    expect(seqsOf(byRev)).toEqual([22, 23]);
    expect(await follow({ conversation: 'g:silent' }, 'caught-up')).toHaveLength(2);
  });

  it('of a partition gives all its conversations in log order, on with any window', async () => {
    const partition = partitionIn('g:follow', 4);
    const wide = await follow({ partition }, 'caught-up');
    const narrow = await follow({ partition, window: 3 }, 'caught-up');
    const places = (events: readonly SubscriptionEvent[]) =>
      events.flatMap((each) =>
        each.kind === 'message' ? [[each.message.index, each.message.slot] as const] : [],
      );
    const sorted = [...places(wide)].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    expect(places(wide)).toEqual(sorted);
    expect(places(narrow)).toEqual(places(wide));
  });

  it('of large messages comes in many answers, of a conversation and of a partition', async () => {
    const conversation = 'g:heavy';
    await fill(conversation, 100, 200_000);
    const whole = await follow({ conversation }, 'caught-up');
    expect(seqsOf(whole)).toEqual(range(1, 100));
    const tail = await follow({ partition: partitionIn(conversation, 4) }, 'caught-up');
    const own = tail.filter((e) => e.kind === 'message' && e.message.conversation === conversation);
    expect(seqsOf(own)).toEqual(range(1, 100));
  });

  it('outlives a node that an operator stops, and so do reads', async () => {
    const conversation = 'g:outlives';
    const { client, cluster } = fixture;
    await fill(conversation, 1);
    let open = 0;
    // As many as there are nodes: one of them is at the node that stops.
    const seen = cluster.nodes.map(async () => {
      for await (const event of client.subscribe({ conversation })) {
        if (event.kind === 'caught-up') open += 1;
        if (event.kind === 'message' && event.message.seq === 2) return event.message.seq;
      }
      return 0;
    });
    await until('all are caught up', 5000, () => open === seen.length);
    const level = 'linearizable';
    const node = cluster.node(1);
    let reading = true;
    const reads = (async () => {
      while (reading) {
        await Promise.all(Array.from({ length: 10 }, () => client.read({ conversation, level })));
      }
    })();
    await node.kill('SIGTERM');
    reading = false;
    node.start();
    await reads;
    await fill(conversation, 1);
    expect(await Promise.all(seen)).toEqual([2, 2, 2]);
    await cluster.ready();
  });

  it('of a partition that does not exist is refused', async () => {
    const refusal = { reason: 'NO_SUCH_PARTITION', field: 'partition', limit: 3 };
    await expect(follow({ partition: 4 }, 'caught-up')).rejects.toMatchObject(refusal);
  });
});

describe('what retention took away', () => {
  const conversation = 'g:trimmed';
  const partition = partitionIn(conversation, 4);
  const firstIndex = 5;

  it('is TRIMMED to a read and RESET to a subscription, with what is left', async () => {
    await fill(conversation, 30);
    await until('rows are on every disk', 15_000, async () => {
      const statuses = [...(await fixture.cluster.statuses()).values()];
      return statuses.every(({ replicas }) => Number(replicas[partition]?.checkpoint) > 0);
    });
    await fixture.cluster.settled();
    await setFloors(11);
    const read = (more: Partial<Read>) => fixture.client.read({ conversation, ...more });
    const trimmed = { reason: 'TRIMMED', min: 11, max: 30 };
    await expect(read({ afterSeq: 3 })).rejects.toMatchObject(trimmed);
    expect(await seqs({ conversation })).toEqual(range(11, 30));
    expect(await seqs({ conversation, afterSeq: 10 })).toEqual(range(11, 30));
    expect(await seqs({ conversation, beforeSeq: 14 })).toEqual(range(11, 13));
    expect(await seqs({ conversation, aroundSeq: 2, limit: 4 })).toEqual(range(11, 14));
    expect((await read({})).minSeq).toBe(11);
    const [reset, ...rest] = await follow({ conversation, afterSeq: 3 }, 'caught-up');
    expect(reset).toEqual({ kind: 'reset', min: 11, max: 30 });
    expect(seqsOf(rest)).toEqual(range(11, 30));
    const fromStart = await follow({ conversation }, 'caught-up');
    expect(fromStart.some(({ kind }) => kind === 'reset')).toBe(false);
    expect(seqsOf(fromStart)).toEqual(range(11, 30));
  });

  it('of a partition is RESET to a tail', async () => {
    await fill(conversation, 5);
    await fixture.cluster.caughtUp();
    const [reset, ...rest] = await follow({ partition, afterIndex: 1 }, 'caught-up');
    expect(reset).toMatchObject({ kind: 'reset', min: firstIndex });
    const indexes = rest.flatMap((e) => (e.kind === 'message' ? [e.message.index] : []));
    expect(Math.min(...indexes)).toBeGreaterThanOrEqual(firstIndex);
    expect(seqsOf(rest)).toEqual(expect.arrayContaining(range(31, 35)));
  });

  /** As a trim will: rows of every replica, while the node is down. */
  async function setFloors(floor: number): Promise<void> {
    const place = placeOf(conversation);
    if (!('shard' in place)) throw new Error('a good name');
    const { cluster, directory } = fixture;
    for (const node of cluster.nodes) {
      await node.kill('SIGTERM');
      const store = await openStore({ directory: path.join(directory, `node-${node.id}`) });
      const batch = store.createBatch();
      const key = floorKey(place.shard, conversation);
      batch.putRow(partition, { key, value: encodeFloor(floor) });
      batch.putRow(partition, { key: firstIndexKey(), value: encodeFloor(firstIndex) });
      await store.write(batch);
      await store.close();
      node.start();
      await cluster.ready();
    }
    await cluster.caughtUp();
  }
});
