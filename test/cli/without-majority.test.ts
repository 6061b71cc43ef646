// Commands where no majority of nodes is up: what needs none works, what needs one says so in words.
import { beforeAll, describe, expect, it } from 'vitest';
import { paceline } from '../../scripts/irc/cli.ts';
import { isRepeat } from '../../src/cli/append-flags.ts';
import { unansweredText } from '../../src/cli/connect.ts';
import { useCluster } from '../cluster/fixture.ts';
import { Running } from './running.ts';

const fixture = useCluster({ partitions: 1 });
const conversation = 'g:alone';

function at(): string[] {
  return ['--servers', fixture.cluster.servers.join(',')];
}

beforeAll(async () => {
  for (const body of ['1', '2', '3']) {
    await fixture.client.append({ conversation, sender: 'ann', body });
  }
  await fixture.cluster.settled();
  await Promise.all(fixture.cluster.nodes.slice(1).map((node) => node.kill()));
});

describe('without a majority', () => {
  it.each([
    [
      ['--from', 'start'],
      ['1', '2', '3'],
    ],
    [['--after', '2'], ['3']],
  ])('tail %j shows what a node has', async (from, seqs) => {
    const running = new Running(['tail', conversation, ...from, ...at()]);
    await running.until(() => running.stderr.includes('caught up'));
    expect(running.lines.map((line) => line.trim().slice(0, 1))).toEqual(seqs);
    expect(await running.end('SIGINT')).toBe(0);
  });

  it.each([['read'], ['export'], ['tail']])(
    '%s says what is known of it, and ends with 3',
    async (command) => {
      const end = await paceline([command, conversation, '--timeout', '2', ...at()]);
      expect([end.code, end.stdout.toString()]).toEqual([3, '']);
      expect(end.stderr).toMatch(
        /^UNREACHABLE: no node answered within 2 s: is a majority of nodes up\?/,
      );
      expect(end.stderr).not.toMatch(/Deadline|LB pick/);
    },
  );
});

describe('what nobody answered', () => {
  const late = 'Deadline exceeded after 0.9s,LB pick: 0.001s';
  const refused = 'connect ECONNREFUSED 127.0.0.1:9';
  const hint = 'is a majority of nodes up? see `paceline status`';

  it.each([
    [late, {}, `no node answered within 5 s: ${hint}`],
    [refused, {}, `no node answered within 5 s: ${hint} (the last: ${refused})`],
    [late, { node: '2' }, `node 2 did not answer within 5 s: ${hint}`],
    [refused, { node: '2' }, refused],
    [late, { node: '2', level: 'eventual' }, 'node 2 did not answer within 5 s: is it up? see'],
  ])('%s %j', (last, flags, text) => {
    expect(unansweredText(last, { timeout: '5', ...flags })).toContain(text);
  });
});

describe('a message that was stored before', () => {
  it('is one only where a key was given: else the client asked twice', () => {
    expect(isRepeat({ duplicate: true }, { key: 'k' })).toBe(true);
    expect(isRepeat({ duplicate: true }, {})).toBe(false);
    expect(isRepeat({ duplicate: false }, { key: 'k' })).toBe(false);
  });
});
