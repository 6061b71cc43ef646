// What clients send and the limits say no to: each answer names the field or the cause.
import { describe, expect, it } from 'vitest';
import { createClient } from '../../scripts/harness/load.ts';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { useCluster } from './fixture.ts';
import { brief, RawSession } from './raw-session.ts';

const bodyBytesMax = 262_144;
const fixture = useCluster();
const sender = 'tester';

function unary(command: AppendCommandInput, node = 1) {
  const { address } = fixture.cluster.node(node);
  return fixture.transport.call(address, rpcs.append, { command }, 10_000);
}

async function withSession<Result>(
  conversation: string,
  use: (session: RawSession, partition: number) => Promise<Result>,
): Promise<Result> {
  const partition = partitionIn(conversation, 16);
  const leader = (await fixture.cluster.leaders())[partition] ?? 0;
  const session = new RawSession(fixture.transport, fixture.cluster.node(leader).address);
  try {
    return await use(session, partition);
  } finally {
    session.close();
  }
}

describe('names of conversations', () => {
  it('(a, b) and (b, a) are one conversation, by every way in and out', async () => {
    const { client } = fixture;
    const first = await client.append({ conversation: 'p:alice~bob', sender, body: '1' });
    const second = await client.append({ conversation: 'p:bob~alice', sender, body: '2' });
    const third = await unary({ conversation: 'p:bob~alice', sender, body: Buffer.from('3') });
    const fourth = await withSession('p:alice~bob', (session, partition) => {
      const command = { conversation: 'p:bob~alice', sender, body: Buffer.from('4') };
      return session.append({ partition, commands: [command] });
    });
    expect([first.seq, second.seq, Number(third.result?.seq)]).toEqual([1, 2, 3]);
    expect(fourth.map(brief)).toEqual([[4]]);
    for (const conversation of ['p:alice~bob', 'p:bob~alice']) {
      const { messages } = await client.read({ conversation, level: 'linearizable' });
      expect(messages.map(({ body }) => Buffer.from(body).toString())).toEqual([
        '1',
        '2',
        '3',
        '4',
      ]);
      expect(new Set(messages.map((message) => message.conversation))).toEqual(
        new Set(['p:alice~bob']),
      );
    }
  });

  it.each(['', 'lobby', 'z:1', 'g:', 'g:a b', 'p:alice', `g:${'x'.repeat(129)}`, 'r:1'])(
    'refuses "%s" and names the field, in appends and reads',
    async (conversation) => {
      const { client } = fixture;
      const refusal = { reason: 'BAD_CONVERSATION', field: 'conversation' };
      await expect(unary({ conversation, sender })).rejects.toMatchObject(refusal);
      await expect(client.append({ conversation, sender, body: '' })).rejects.toMatchObject(
        refusal,
      );
      await expect(client.read({ conversation })).rejects.toMatchObject(refusal);
    },
  );

  it('names the limit that a name of 513 bytes passes', async () => {
    const conversation = `g:${'x'.repeat(511)}`;
    await expect(unary({ conversation, sender })).rejects.toMatchObject({ limit: 512 });
  });
});

describe('bodies', () => {
  it.each([0, 1, bodyBytesMax])('stores %i bytes and gives back the same', async (bytes) => {
    const { client } = fixture;
    const body = Buffer.alloc(bytes, 0xa5);
    const conversation = `g:body${bytes}`;
    await client.append({ conversation, sender, body });
    await unary({ conversation, sender, body });
    const { messages } = await client.read({ conversation, level: 'linearizable' });
    expect(messages.map((message) => body.equals(message.body))).toEqual([true, true]);
  });

  it('refuses one byte more than 256 KiB by the field and the limit, on every way in', async () => {
    const conversation = 'g:too-large';
    const body = Buffer.alloc(bodyBytesMax + 1);
    const refusal = { reason: 'TOO_LARGE', field: 'body', limit: bodyBytesMax };
    await expect(unary({ conversation, sender, body })).rejects.toMatchObject(refusal);
    const append = fixture.client.append({ conversation, sender, body });
    await expect(append).rejects.toMatchObject(refusal);
    expect((await fixture.client.read({ conversation })).headSeq).toBe(0);
  });
});

describe('keys, senders and pages', () => {
  it('refuses a key of 65 bytes and takes one of 64', async () => {
    const conversation = 'g:keys';
    const refusal = { reason: 'BAD_KEY', field: 'key', limit: 64 };
    await expect(unary({ conversation, sender, key: 'k'.repeat(65) })).rejects.toMatchObject(
      refusal,
    );
    const { result } = await unary({ conversation, sender, key: 'k'.repeat(64) });
    expect(Number(result?.seq)).toBe(1);
  });

  it('refuses an absent sender and one of 129 bytes', async () => {
    const conversation = 'g:senders';
    const refusal = { reason: 'BAD_SENDER', field: 'sender' };
    await expect(unary({ conversation })).rejects.toMatchObject(refusal);
    await expect(unary({ conversation, sender: 's'.repeat(129) })).rejects.toMatchObject(refusal);
  });

  it('refuses a page of 1,001 messages', async () => {
    const refusal = { reason: 'TOO_LARGE', field: 'limit', limit: 1000 };
    const read = fixture.client.read({ conversation: 'g:pages', limit: 1001 });
    await expect(read).rejects.toMatchObject(refusal);
  });

  it('refuses an Append without a command', async () => {
    const { address } = fixture.cluster.node(1);
    const append = fixture.transport.call(address, rpcs.append, {}, 5000);
    await expect(append).rejects.toMatchObject({ reason: 'BAD_REQUEST', field: 'command' });
  });
});

describe('frames', () => {
  it('refuses 4,097 commands as a whole, and takes 4,096', async () => {
    const conversation = 'g:frames';
    await withSession(conversation, async (session, partition) => {
      const commands = Array.from({ length: 4097 }, () => ({ conversation, sender }));
      const [refused = []] = await session.append({ partition, commands });
      expect(refused).toHaveLength(4097);
      const reasons = new Set(refused.map(({ error }) => error?.reason));
      expect(reasons).toEqual(new Set(['BATCH_TOO_LARGE']));
      expect(refused[0]?.error).toMatchObject({ field: 'groups' });
      expect([refused[0]?.error?.limit, refused[0]?.error?.actual].map(Number)).toEqual([
        4096, 4097,
      ]);
      const restart = [conversation];
      const [taken] = await session.append({ partition, restart, commands: commands.slice(1) });
      expect(brief(taken)).toEqual(Array.from({ length: 4096 }, (_, i) => i + 1));
    });
  });

  it('refuses a frame above 1 MiB, unless it is one command', async () => {
    const conversation = 'g:heavy-frames';
    const body = Buffer.alloc(bodyBytesMax);
    await withSession(conversation, async (session, partition) => {
      const commands = Array.from({ length: 5 }, () => ({ conversation, sender, body }));
      const [refused] = await session.append({ partition, commands });
      expect(brief(refused)).toEqual(new Array(5).fill('BATCH_TOO_LARGE'));
    });
  });

  it('refuses an empty group, an unknown partition and the wrong one', async () => {
    const conversation = 'g:groups';
    await withSession(conversation, async (session, partition) => {
      const command = { conversation, sender };
      const wrong = (partition + 1) % 16;
      const [, unknown, elsewhere] = await session.append(
        { partition, commands: [] },
        { partition: 16, commands: [command] },
        { partition: wrong, commands: [command] },
      );
      expect(unknown?.[0]?.error).toMatchObject({
        reason: 'NO_SUCH_PARTITION',
        field: 'partition',
      });
      expect(elsewhere?.[0]?.error).toMatchObject({ reason: 'NO_SUCH_PARTITION' });
      expect(Number(elsewhere?.[0]?.error?.actual)).toBe(partition);
    });
  });

  it('names the leader where the node asked is not it', async () => {
    const conversation = 'g:elsewhere';
    const partition = partitionIn(conversation, 16);
    const leader = (await fixture.cluster.leaders())[partition] ?? 0;
    const other = fixture.cluster.node((leader % 3) + 1);
    const session = new RawSession(fixture.transport, other.address);
    const [results] = await session.append({ partition, commands: [{ conversation, sender }] });
    session.close();
    const { address } = fixture.cluster.node(leader);
    const refusal = { reason: 'NOT_LEADER', leader, leaderAddress: address };
    expect(results?.[0]?.error).toMatchObject(refusal);
  });

  it('ends the stream at bytes that are no frame, and goes on with other streams', async () => {
    await withSession('g:garbage', async (session) => {
      session.send(Buffer.from([0x12, 0xff, 0xff, 0xff]));
      await expect.poll(() => session.ended, { timeout: 5000 }).toContain('BAD_COMMAND');
    });
    await unary({ conversation: 'g:garbage', sender });
  });
});

describe('servers', () => {
  it('names the servers where none of them answers', async () => {
    const dead = '127.0.0.1:9';
    const client = createClient([dead], { appendTimeoutMs: 500, readTimeoutMs: 500 });
    const refusal = { reason: 'UNREACHABLE', field: 'servers' };
    const append = client.append({ conversation: 'g:1', sender, body: '' });
    await expect(append).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining(dead),
    });
    const read = client.read({ conversation: 'g:1' });
    await expect(read).rejects.toMatchObject({ reason: 'UNREACHABLE' });
    await client.close();
  });
});
