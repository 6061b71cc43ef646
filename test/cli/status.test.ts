// `paceline status` with nodes that answer in any order, or not at all.
import { expect, it } from 'vitest';
import { paceline } from '../../scripts/irc/cli.ts';
import { clusterStatus } from '../../src/cli/status.ts';
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
  const { partitions } = await clusterStatus(client, ['3', '1', '2']);
  expect(partitions[0]?.replicas.map(({ node }) => node)).toEqual([1, 2, 3]);
});

it('a node that does not answer has no lag, and is named all the same', async () => {
  const { cluster } = fixture;
  await cluster.node(2).kill();
  const text = await status();
  cluster.node(2).start();
  expect(text).toMatch(/^ +2 .* DOWN$/m);
  expect(text.match(/ 1:\d+ 2:- 3:\d+$/gm)).toHaveLength(4);
});
