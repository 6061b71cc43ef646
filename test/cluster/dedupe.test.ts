// The dedupe window in its cluster config: a key is a duplicate inside and new after, over real
// checkpoints, by length and by size.
import { describe, expect, it } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import type { Appended } from '../../src/client/append.ts';
import { useCluster } from './fixture.ts';

const sender = 'tester';

function appendAll(
  fixture: ReturnType<typeof useCluster>,
  count: number,
  name: string,
): Promise<Appended[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const conversation = `g:${name}${i % 3000}`;
      return fixture.client.append({ conversation, sender, key: `${name}${i}`, body: 'x' });
    }),
  );
}

async function checkpoints(fixture: ReturnType<typeof useCluster>): Promise<number> {
  const { replicas = [] } = (await fixture.cluster.status(1)) ?? {};
  return Number(replicas[0]?.checkpoint ?? 0);
}

describe('a window of 2 s', () => {
  const fixture = useCluster({ partitions: 1, flags: ['--dedupe-window-ms', '2000'] });

  it('knows a key inside, over a checkpoint, and takes it as new after', async () => {
    const append = { conversation: 'g:window', sender, key: 'k', body: 'x' };
    const first = await fixture.client.append(append);
    expect(await fixture.client.append(append)).toEqual({ ...first, duplicate: true });
    const before = await checkpoints(fixture);
    await appendAll(fixture, 2100, 'traffic');
    await until('a checkpoint', 10_000, async () => (await checkpoints(fixture)) > before);
    expect(await fixture.client.append(append)).toEqual({ ...first, duplicate: true });
    const renewed = await until('the window has ended', 15_000, async () => {
      const again = await fixture.client.append(append);
      return !again.duplicate && again;
    });
    expect(renewed.seq).toBe(first.seq + 1);
    expect(renewed.timeMs - first.timeMs).toBeGreaterThanOrEqual(2000);
    const { messages } = await fixture.client.read({ conversation: 'g:window' });
    expect(messages).toHaveLength(2);
  });
});

describe('a window of 1 MiB', () => {
  const mebibyte = 1024 * 1024;
  const bytesPerKey = 32;
  const fixture = useCluster({ partitions: 1, flags: ['--dedupe-window-bytes', `${mebibyte}`] });

  it('forgets the oldest keys once newer ones fill it, and knows the newest', async () => {
    const append = { conversation: 'g:window', sender, key: 'k', body: 'x' };
    const first = await fixture.client.append(append);
    const keys = mebibyte / bytesPerKey;
    const early = await appendAll(fixture, keys / 4, 'early');
    expect(await fixture.client.append(append)).toEqual({ ...first, duplicate: true });
    const late = await appendAll(fixture, keys * 1.5, 'late');
    const newest = late.slice(-keys / 4);
    await until('the oldest key is forgotten', 15_000, async () => {
      return !(await fixture.client.append(append)).duplicate;
    });
    const repeated = await repeatNewest(late.length, newest.length);
    expect(repeated).toEqual(newest.map((each) => ({ ...each, duplicate: true })));
    expect(early.every(({ duplicate }) => !duplicate)).toBe(true);
  });

  function repeatNewest(total: number, count: number): Promise<Appended[]> {
    return Promise.all(
      Array.from({ length: count }, (_, offset) => {
        const i = total - count + offset;
        const conversation = `g:late${i % 3000}`;
        return fixture.client.append({ conversation, sender, key: `late${i}`, body: 'x' });
      }),
    );
  }
});
