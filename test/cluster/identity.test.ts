// Who belongs to a cluster: nodes of another one, blank disks and changed settings are told apart from
// the nodes that were founded, before they can do harm.
import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/harness/cluster.ts';
import { createClient } from '../../scripts/harness/load.ts';
import { NodeProcess } from '../../scripts/harness/node-process.ts';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { until } from '../../scripts/harness/until.ts';
import { useCluster } from './fixture.ts';

const fixture = useCluster();
const append = { conversation: 'g:identity', sender: 'tester', body: 'x' };
const partition = partitionIn(append.conversation, 16);

/** Node 3 with an empty data directory. */
async function blankThird(flags: readonly string[] = []): Promise<void> {
  const { cluster, directory } = fixture;
  await cluster.node(3).kill();
  rmSync(path.join(directory, 'node-3'), { recursive: true, force: true });
  cluster.node(3).start({ flags });
}

describe('a node of another cluster', () => {
  it('is refused by name, waits, and the cluster works on', async () => {
    const { cluster, client } = fixture;
    const third = cluster.node(3);
    const before = await client.append(append);
    await third.kill();
    third.start({ flags: ['--cluster', 'other', '--data', path.join(fixture.directory, 'other')] });
    const refusal = 'node 3 is of cluster \\"other\\", this node of cluster \\"test\\"';
    await until('refused', 10_000, () => cluster.node(1).log().includes(refusal));
    const status = await until(
      'it answers',
      10_000,
      async () => (await cluster.status(3)) ?? false,
    );
    expect(status).toMatchObject({ cluster: 'other', state: 'waiting', replicas: [] });
    expect(status.waitingFor).toContain('node 1, 2');
    expect((await client.append(append)).seq).toBe(before.seq + 1);
    await third.kill();
    third.start();
    await cluster.caughtUp();
  });
});

describe('a data directory of other settings', () => {
  it.each([
    [['--partitions', '8'], 'partitions: told 8, stored 16'],
    [['--cluster', 'renamed'], 'cluster: told renamed, stored test'],
    [['--mapping', 'tt_sum'], 'mapping: told tt_sum, stored mix'],
    [['--dedupe-window-ms', '5000'], 'dedupe window ms: told 5000, stored 604800000'],
    [['--lease'], 'lease: told true, stored false'],
    [['--id', '1'], 'id: told 1, stored 3'],
  ])('is refused with %j, and says what differs', async (flags, difference) => {
    const { cluster } = fixture;
    const third = cluster.node(3);
    await third.kill();
    third.start({ flags });
    await until('it ended', 10_000, () => !third.isRunning);
    expect(third.log()).toContain(difference);
    expect(third.exitCode).toBe(2);
    third.start();
    await cluster.caughtUp();
  });
});

describe('a process that takes the id of a node that is there', () => {
  it('is refused, and nothing is said against that node', async () => {
    const { cluster, directory } = fixture;
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const peers = `1=${cluster.node(1).address},2=${cluster.node(2).address},3=${address}`;
    const own = ['--id', '3', '--listen', address, '--data', path.join(directory, 'taken')];
    const flags = [...own, '--cluster', 'test', '--peers', peers];
    const taken = new NodeProcess(3, address, path.join(directory, 'taken.log'), flags);
    taken.start();
    const refusal = 'node 3 has another data directory';
    await until('refused', 10_000, () => cluster.node(1).log().includes(refusal));
    await taken.kill();
    const status = await cluster.status(1);
    expect(status).toMatchObject({ state: 'serving', waitingFor: '' });
  });
});

describe('a blank third node beside two old ones', () => {
  it('waits and says why, holds no replica, and does not vote', async () => {
    const { cluster, client } = fixture;
    const first = await client.append(append);
    await blankThird();
    const status = await until('it was told', 10_000, async () => {
      const answer = await cluster.status(3);
      return answer?.waitingFor.includes('not one of the cluster') ? answer : false;
    });
    expect(status).toMatchObject({ state: 'waiting', replicas: [] });
    await until('node 1 knows', 10_000, async () => {
      const { waitingFor = '' } = (await cluster.status(1)) ?? {};
      return waitingFor.startsWith('node 3 has another data directory');
    });
    await until('its log says so too', 10_000, () => {
      return /"level":40,.*not one of the cluster.*"msg":"waiting"/.test(cluster.node(3).log());
    });
    expect(
      cluster
        .node(1)
        .log()
        .match(/node 3 has another data .*"peer refused"/g),
    ).toHaveLength(1);
    expect((await client.append(append)).seq).toBe(first.seq + 1);
    await expectNoVote();
    expect((await client.append(append)).seq).toBe(first.seq + 2);
  });

  /** With the leader down, the other old node would need the blank one's vote. */
  async function expectNoVote(): Promise<void> {
    const { cluster } = fixture;
    const leader = cluster.node((await cluster.leaders())[partition] ?? 0);
    await leader.kill();
    const impatient = createClient(cluster.servers, { appendTimeoutMs: 3000 });
    const refused = impatient.append({ ...append, expectedSeq: 0 });
    const reason = expect.stringMatching(/^(NO_LEADER|OUTCOME_UNKNOWN)$/);
    await expect(refused).rejects.toMatchObject({ reason });
    await impatient.close();
    expect((await cluster.leaders())[partition]).toBe(0);
    leader.start();
    await cluster.ready();
  }
});
