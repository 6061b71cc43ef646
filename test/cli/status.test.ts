// `paceline status` with nodes that answer in any order, or not at all.
import { expect, it } from 'vitest';
import { paceline } from '../../scripts/irc/cli.ts';
import { clusterSoon, clusterStatus } from '../../src/cli/status.ts';
import { PacelineError } from '../../src/errors.ts';
import { GetStatusResponse } from '../../src/gen/proto.ts';
import { useCluster } from '../cluster/fixture.ts';

const fixture = useCluster({ partitions: 4 });

async function status(): Promise<string> {
  const servers = ['--servers', fixture.cluster.servers.join(',')];
  const { code, stdout } = await paceline(['status', ...servers]);
  expect(code).toBe(0);
  return stdout.toString();
}

it('replicas stand in the order of nodes, whoever answers first', async () => {
  const replicas = [{ partition: 0 }];
  const nodes = [3, 1, 2].map((id) => ({ id, address: `${id}` }));
  const client = {
    status: async (address: string) => {
      const answer = { node: Number(address), state: 'serving', nodes, replicas };
      return GetStatusResponse.decode(GetStatusResponse.encode(answer));
    },
  };
  const { partitions } = await clusterStatus(client, ['3', '1', '2'], 1000);
  expect(partitions[0]?.replicas.map(({ node }) => node)).toEqual([1, 2, 3]);
});

it('each node has --timeout to answer', async () => {
  const { cluster } = fixture;
  cluster.node(2).signal('SIGSTOP');
  try {
    for (const [seconds, ms] of [
      ['0.3', 300],
      ['2', 2000],
    ] as const) {
      const at = ['--servers', cluster.node(2).address, '--timeout', seconds];
      const { code, stderr } = await paceline(['status', ...at]);
      expect([code, stderr]).toEqual([3, expect.stringContaining(`no answer within ${ms} ms`)]);
    }
  } finally {
    cluster.node(2).signal('SIGCONT');
  }
});

it('what asks for the status goes on after a second, and tries for all its time where nobody answers', async () => {
  const asked: [string, number][] = [];
  const answer = GetStatusResponse.encode({ node: 1, nodes: [{ id: 1, address: 'a' }] });
  const client = {
    status: async (address: string, timeoutMs: number) => {
      asked.push([address, timeoutMs]);
      const isSlow = address === 'b' || asked.length === 1;
      if (isSlow) throw new PacelineError({ reason: 'UNREACHABLE', message: 'late' });
      return GetStatusResponse.decode(answer);
    },
  };
  expect((await clusterSoon(client, ['a'], 5000)).nodes).toHaveLength(1);
  expect((await clusterSoon(client, ['a', 'b'], 5000)).nodes).toHaveLength(1);
  expect(asked).toEqual([
    ['a', 1000],
    ['a', 4000],
    ['a', 1000],
    ['b', 1000],
  ]);
  await expect(clusterSoon(client, ['b'], 500)).rejects.toMatchObject({ reason: 'UNREACHABLE' });
  expect(asked.slice(4)).toEqual([['b', 500]]);
});

it('a node that does not answer has no lag, and is named all the same', async () => {
  const { cluster } = fixture;
  await cluster.node(2).kill();
  const text = await status();
  cluster.node(2).start();
  expect(text).toMatch(/^ +2 .* DOWN$/m);
  expect(text.match(/ 1:\d+ 2:- 3:\d+$/gm)).toHaveLength(4);
});
