// Unary calls on any node, what each read level promises, and verdicts that rest on state.
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../scripts/harness/load.ts';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { until } from '../../scripts/harness/until.ts';
import { PacelineError } from '../../src/errors.ts';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { useCluster } from './fixture.ts';

const fixture = useCluster();
const sender = 'tester';
const everyNode = [1, 2, 3];

/** By the same key again while there is no connection to that node: it may have been started just now. */
async function unary(node: number, command: AppendCommandInput) {
  const { address } = fixture.cluster.node(node);
  for (;;) {
    try {
      return await fixture.transport.call(address, rpcs.append, { command }, 10_000);
    } catch (error) {
      if (!(error instanceof PacelineError && error.reason === 'UNREACHABLE')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('unary calls', () => {
  it('any node takes an append, passes it on once and says who decided', async () => {
    const conversation = 'g:unary';
    const servedBy = new Set<number>();
    for (const node of everyNode) {
      const answer = await unary(node, { conversation, sender, key: `k${node}` });
      expect(Number(answer.result?.seq)).toBe(node);
      servedBy.add(answer.servedBy);
    }
    expect(servedBy.size).toBe(1);
  });

  it('any node answers a read itself', async () => {
    const { client, cluster } = fixture;
    const conversation = 'g:unary-read';
    await client.append({ conversation, sender, body: 'hello' });
    for (const node of everyNode) {
      const answer = await client.read({ conversation, server: cluster.node(node).address });
      expect(answer.servedBy).toBe(node);
      expect(answer.messages.map(({ body }) => Buffer.from(body).toString())).toEqual(['hello']);
    }
  });

  it('a read of a conversation without messages is an empty page', async () => {
    const answer = await fixture.client.read({ conversation: 'g:nobody' });
    expect([answer.messages.length, Number(answer.headSeq), Number(answer.minSeq)]).toEqual([
      0, 0, 0,
    ]);
  });
});

describe('read levels', () => {
  it('AT_LEAST on any node has what a subscription brought from the leader', async () => {
    const { cluster } = fixture;
    const conversation = 'g:received';
    const reader = createClient(cluster.servers);
    onTestFinished(() => reader.close());
    const partition = partitionIn(conversation, cluster.partitions);
    const leader = (await cluster.leaders())[partition] ?? 0;
    const events = reader.messages({ conversation, server: cluster.node(leader).address });
    const others = cluster.nodes.filter(({ id }) => id !== leader);
    for (let i = 0; i < 40; i++) {
      const [{ value }] = await Promise.all([
        events.next(),
        fixture.client.append({ conversation, sender, body: `${i}` }),
      ]);
      const reads = others.map(({ address: server }) =>
        reader.read({ conversation, server, level: 'at-least' }),
      );
      for (const { headSeq } of await Promise.all(reads))
        expect(headSeq).toBeGreaterThanOrEqual(value?.seq ?? 0);
    }
  });

  it('LINEARIZABLE on any node sees every acknowledged append', async () => {
    const { client, cluster } = fixture;
    const conversation = 'g:linearizable';
    for (let i = 0; i < 30; i++) {
      const { seq } = await client.append({ conversation, sender, body: `${i}` });
      const reads = cluster.nodes.map(({ address: server }) =>
        client.read({ conversation, server, level: 'linearizable' }),
      );
      const heads = (await Promise.all(reads)).map(({ headSeq }) => Number(headSeq));
      expect(heads).toEqual([seq, seq, seq]);
    }
  });

  it('EVENTUAL is answered by any node, and arrives at the same', async () => {
    const { client, cluster } = fixture;
    const conversation = 'g:eventual';
    const { seq } = await client.append({ conversation, sender, body: 'x' });
    for (const { address: server } of cluster.nodes) {
      await until('the message is there', 5000, async () => {
        const { headSeq } = await client.read({ conversation, server, level: 'eventual' });
        return Number(headSeq) === seq;
      });
    }
  });

  it('a stopped majority: EVENTUAL is answered, LINEARIZABLE says that no leader confirms it', async () => {
    const { client, cluster } = fixture;
    const conversation = 'g:alone';
    await client.append({ conversation, sender, body: 'x' });
    await cluster.caughtUp();
    const [one, two, three] = everyNode.map((id) => cluster.node(id));
    const server = one?.address ?? '';
    await Promise.all([two?.kill(), three?.kill()]);
    const { headSeq } = await client.read({ conversation, server, level: 'eventual' });
    expect(Number(headSeq)).toBe(1);
    const strict = { conversation, server, level: 'linearizable' } as const;
    await expect(client.read(strict)).rejects.toMatchObject({
      reason: 'NO_LEADER',
    });
    two?.start();
    three?.start();
    await cluster.ready();
    expect((await client.read(strict)).headSeq).toBe(1);
  });
});

describe('verdicts that rest on state', () => {
  it('expected_seq stores at that head only, and says what the head is', async () => {
    const { client } = fixture;
    const conversation = 'g:expected';
    const append = (expectedSeq: number) =>
      client.append({ conversation, sender, body: 'x', expectedSeq });
    expect((await append(0)).seq).toBe(1);
    expect((await append(1)).seq).toBe(2);
    const refusal = { reason: 'EXPECTED_SEQ_MISMATCH', field: 'expected_seq', actual: 2 };
    await expect(append(0)).rejects.toMatchObject(refusal);
    await expect(append(3)).rejects.toMatchObject(refusal);
    expect(Number((await client.read({ conversation })).headSeq)).toBe(2);
  });

  it('a retry of a key is answered with the numbers of the original', async () => {
    const { client } = fixture;
    const append = { conversation: 'g:retry', sender, key: 'k', body: 'x' };
    const first = await client.append(append);
    await client.append({ ...append, key: 'other' });
    const again = await client.append(append);
    expect(first.duplicate).toBe(false);
    expect(again).toEqual({ ...first, duplicate: true });
    const retries = everyNode.map((node) => unary(node, { ...append, body: Buffer.from('x') }));
    for (const { result } of await Promise.all(retries)) {
      expect([Number(result?.seq), result?.duplicate]).toEqual([first.seq, true]);
    }
  });

  it('a key is of one sender in one conversation', async () => {
    const { client } = fixture;
    const append = { conversation: 'g:whose', sender, key: 'k', body: 'x' };
    await client.append(append);
    expect((await client.append({ ...append, sender: 'other' })).duplicate).toBe(false);
    expect((await client.append({ ...append, conversation: 'g:whose2' })).duplicate).toBe(false);
  });

  it('a key with another body is refused and names the seq of the original', async () => {
    const { client } = fixture;
    const append = { conversation: 'g:mismatch', sender, key: 'k', body: 'x' };
    await client.append({ ...append, key: 'first' });
    await client.append(append);
    const refusal = { reason: 'IDEMPOTENCY_MISMATCH', field: 'key', actual: 2 };
    await expect(client.append({ ...append, body: 'y' })).rejects.toMatchObject(refusal);
    const headers = [{ name: 'a', value: 'b' }];
    await expect(client.append({ ...append, headers })).rejects.toMatchObject(refusal);
  });
});
