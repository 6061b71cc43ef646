// One AppendSession by hand: atomic batches, the order of a stream, and how much may be unanswered.
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import { useCluster } from './fixture.ts';
import { brief, RawSession } from './raw-session.ts';

/** One partition, so that every conversation has the same leader. */
const fixture = useCluster({ partitions: 1 });
const sender = 'tester';
const partition = 0;

async function openSession(): Promise<RawSession> {
  const [leader = 0] = await fixture.cluster.leaders();
  const session = new RawSession(fixture.transport, fixture.cluster.node(leader).address);
  onTestFinished(() => session.close());
  return session;
}

async function headOf(conversation: string): Promise<number> {
  return Number((await fixture.client.read({ conversation, level: 'linearizable' })).headSeq);
}

describe('an atomic batch', () => {
  const command = (conversation: string, key: string, more: AppendCommandInput = {}) => {
    return { conversation, sender, key, body: Buffer.from(key), ...more };
  };

  it('is stored as a whole, without a foreign message between', async () => {
    const conversation = 'g:atomic';
    const session = await openSession();
    const batch = (name: string) => {
      const commands = Array.from({ length: 50 }, (_, i) => command(conversation, `${name}${i}`));
      return { partition, atomic: true, commands };
    };
    const results = await session.append(batch('a'), batch('b'), batch('c'));
    const seqs = results.map((each) => brief(each).map(Number));
    for (const each of seqs) expect(each).toEqual(each.map((_, i) => (each[0] ?? 0) + i));
    expect(await headOf(conversation)).toBe(150);
    const [again] = await session.append(batch('b'));
    expect(again?.every(({ duplicate }) => duplicate)).toBe(true);
    expect(brief(again)).toEqual(seqs[1]);
  });

  it('is not stored at all where one command is refused', async () => {
    const conversation = 'g:atomic-refused';
    const session = await openSession();
    const commands = [command(conversation, 'a'), command(conversation, 'b', { expectedSeq: 7 })];
    const [results] = await session.append({ partition, atomic: true, commands });
    expect(brief(results)).toEqual(['ATOMIC_BATCH', 'EXPECTED_SEQ_MISMATCH']);
    expect(await headOf(conversation)).toBe(0);
    const restart = [conversation];
    const [stored] = await session.append({ partition, restart, commands: commands.slice(0, 1) });
    expect(stored?.map(({ duplicate }) => duplicate)).toEqual([false]);
    expect(brief(stored)).toEqual([1]);
  });

  it('is refused where it names two conversations, has 129 commands or holds a bad one', async () => {
    const session = await openSession();
    const refuse = async (commands: AppendCommandInput[]) => {
      const [results = []] = await session.append({ partition, atomic: true, commands });
      return results[0]?.error;
    };
    const two = await refuse([command('g:one', 'a'), command('g:two', 'a')]);
    expect(two).toMatchObject({ reason: 'BAD_REQUEST', field: 'atomic' });
    const many = Array.from({ length: 129 }, (_, i) => command('g:many', `${i}`));
    expect(await refuse(many)).toMatchObject({ reason: 'BATCH_TOO_LARGE', field: 'commands' });
    const bad = [command('g:bad', 'a'), command('g:bad', 'k'.repeat(65))];
    expect(await refuse(bad)).toMatchObject({ reason: 'ATOMIC_BATCH' });
    for (const name of ['g:one', 'g:two', 'g:many', 'g:bad']) expect(await headOf(name)).toBe(0);
  });
});

describe('the order of a stream', () => {
  it('refuses what follows a refusal in its conversation until that is restarted', async () => {
    const conversation = 'g:order';
    const session = await openSession();
    const plain = { conversation, sender };
    const commands = [{ ...plain, expectedSeq: 9 }, plain, { conversation: 'g:calm', sender }];
    const [first] = await session.append({ partition, commands });
    expect(brief(first)).toEqual(['EXPECTED_SEQ_MISMATCH', 'SESSION_ORDER', 1]);
    const [second] = await session.append({ partition, commands: [plain] });
    expect(brief(second)).toEqual(['SESSION_ORDER']);
    const [third] = await session.append({ partition, restart: [conversation], commands: [plain] });
    expect(brief(third)).toEqual([1]);
    const [fourth] = await session.append({ partition, commands: [plain] });
    expect(brief(fourth)).toEqual([2]);
  });

  it('is of one stream: another goes on', async () => {
    const conversation = 'g:streams';
    const [one, other] = [await openSession(), await openSession()];
    await one.append({ partition, commands: [{ conversation, sender, expectedSeq: 9 }] });
    const [results] = await other.append({ partition, commands: [{ conversation, sender }] });
    expect(brief(results)).toEqual([1]);
  });
});

describe('a stream with more than 8 MiB unanswered', () => {
  it('is answered BUSY with the limit, and is served again later', async () => {
    const { cluster } = fixture;
    // Where leadership moves while the frames are under way, they end by that: fill another session.
    const seen: unknown[] = [];
    let busy = await fillSession();
    while (busy?.field !== 'session' && seen.push(busy?.reason) < 5) {
      await cluster.ready();
      busy = await fillSession();
    }
    expect(busy, `before: ${seen.join(', ')}`).toMatchObject({ reason: 'BUSY', field: 'session' });
    expect(Number(busy?.limit)).toBe(8 * 1024 * 1024);
    await cluster.ready();
    await until('the node takes appends', 10_000, async () => {
      const append = fixture.client.append({ conversation: 'g:after-busy', sender, body: 'x' });
      return (await append).seq > 0;
    });
  });

  /** Twelve frames of 1 MiB while no follower answers: the first refusal among the last three. */
  async function fillSession() {
    const { cluster } = fixture;
    const [leader = 0] = await cluster.leaders();
    const followers = cluster.nodes.filter(({ id }) => id !== leader);
    const session = await openSession();
    for (const follower of followers) follower.signal('SIGSTOP');
    const body = Buffer.alloc(256 * 1024 - 1024);
    const conversation = 'g:busy';
    const commands = Array.from({ length: 4 }, () => ({ conversation, sender, body }));
    const frames = Array.from({ length: 12 }, () => session.append({ partition, commands }));
    const refused = (await Promise.race(frames.slice(9)))[0]?.[0]?.error;
    for (const follower of followers) follower.signal('SIGCONT');
    await Promise.all(frames);
    return refused;
  }
});
