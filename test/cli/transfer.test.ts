import { describe, expect, it } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { useCluster } from '../cluster/fixture.ts';
import { Running } from './running.ts';

const fixture = useCluster({ partitions: 4 });

async function leaderOf(partition: number): Promise<number> {
  return (await fixture.cluster.leaders())[partition] ?? 0;
}

async function transfer(...args: readonly string[]) {
  const servers = fixture.cluster.servers.join(',');
  const command = new Running(['transfer', '--servers', servers, ...args]);
  const code = await command.end();
  return { code, stdout: command.stdout, stderr: command.stderr };
}

describe('paceline transfer', () => {
  it('makes that node the leader, and says who gave it', async () => {
    const from = await leaderOf(2);
    const to = (from % 3) + 1;
    const { code, stdout } = await transfer('--json', '2', `${to}`);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { partition: 2, from, to, ms: expect.any(Number) },
    ]);
    expect(await leaderOf(2)).toBe(to);
  });

  it('does nothing where it leads already', async () => {
    const leader = await leaderOf(1);
    const { code, stdout } = await transfer('1', `${leader}`);
    expect([code, stdout]).toEqual([0, `node ${leader} leads partition 1 already\n`]);
  });

  it.each([
    ['9', '1', 2, 'there is no partition 9, they are 0 to 3'],
    ['0', '8', 2, 'there is no node 8, the cluster has 1, 2, 3'],
    ['0', 'x', 2, 'node'],
    ['-1', '1', 2, ''],
  ])('%s %s ends with an error that names what is wrong', async (partition, node, exit, text) => {
    const { code, stderr } = await transfer(partition, node);
    expect(code).toBe(exit);
    expect(stderr).toContain(text);
  });

  it('says that leadership stays where the other node does not answer, and it does', async () => {
    const { cluster, client } = fixture;
    const from = await leaderOf(3);
    const to = (from % 3) + 1;
    cluster.node(to).signal('SIGSTOP');
    try {
      const { code, stderr } = await transfer('3', `${to}`);
      expect([code, stderr]).toEqual([1, expect.stringContaining('NOT_CAUGHT_UP')]);
      await client.append({ conversation: 'g:after', sender: 's', body: 'taken' });
    } finally {
      cluster.node(to).signal('SIGCONT');
    }
    await until('all are ready again', 10_000, async () => (await leaderOf(3)) !== 0);
  });
});
