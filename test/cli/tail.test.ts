// `paceline tail` as a real process.
import { describe, expect, it } from 'vitest';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { paceline } from '../../scripts/irc/cli.ts';
import { useCluster } from '../cluster/fixture.ts';
import { Running } from './running.ts';

const fixture = useCluster();

function tail(...args: readonly string[]): Running {
  return new Running(['tail', '--servers', fixture.cluster.servers.join(','), ...args]);
}

async function append(conversation: string, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await fixture.client.append({ conversation, sender: 'ann', body });
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
}

describe('tail', () => {
  it('shows the newest ten, says that it is caught up, follows, and Ctrl-C ends it with 0', async () => {
    await append('g:talk', ...numbers(1, 15));
    const running = tail('g:talk');
    await running.until(() => running.stderr.includes('caught up'));
    expect(running.lines).toEqual(numbers(6, 15).map((n) => `${n.padStart(6)}  ann: ${n}`));
    await append('g:talk', 'new');
    await running.until(() => running.lines.length === 11);
    expect(running.lines.at(-1)).toBe('    16  ann: new');
    expect(await running.end('SIGINT')).toBe(0);
  });

  it('begins at the start or after a seq, and ends at the limit', async () => {
    await append('g:places', ...numbers(1, 20));
    const first = tail('g:places', '--from', 'start', '--limit', '3');
    expect(await first.end()).toBe(0);
    expect(first.lines.map((line) => line.trim())).toEqual(['1  ann: 1', '2  ann: 2', '3  ann: 3']);
    const after = tail('g:places', '--after', '17', '--limit', '3', '--json');
    expect(await after.end()).toBe(0);
    const messages = after.lines.map((line): Record<string, unknown> => JSON.parse(line));
    expect(messages.map(({ seq, body }) => [seq, body])).toEqual([
      [18, '18'],
      [19, '19'],
      [20, '20'],
    ]);
  });

  it('follows a conversation that is not there yet, with --json its events', async () => {
    const running = tail('g:later', '--json', '--node', '2', '--limit', '1');
    await running.until(() => running.lines.length === 1);
    expect(running.lines).toEqual(['{"event":"caught-up"}']);
    await append('g:later', 'at last');
    expect(await running.end()).toBe(0);
    expect(running.lines[1]).toContain('"body":"at last"');
  });

  it('follows a partition in log order, each line with its conversation', async () => {
    const partition = partitionIn('g:part', 16);
    const flags = ['--partition', `${partition}`];
    const running = tail(...flags);
    await running.until(() => running.stderr.includes('caught up'));
    await append('g:part', ...numbers(1, 12));
    await running.until(() => running.lines.length >= 12);
    const own = running.lines.filter((line) => line.startsWith('g:part  '));
    expect(own).toEqual(numbers(1, 12).map((n) => `g:part  ${n}  ann: ${n}`));
    const all = tail(...flags, '--after-index', '0', '--limit', '12', '--json');
    expect(await all.end()).toBe(0);
    const last: unknown = JSON.parse(all.lines.findLast((line) => line.includes('g:part')) ?? '');
    expect(last).toMatchObject({ conversation: 'g:part', index: expect.any(Number), slot: 0 });
    const newest = tail(...flags);
    await newest.until(() => newest.stderr.includes('caught up'));
    expect(newest.lines).toEqual(own.slice(-10));
  });

  it('shows control characters of a body as text, a message a line', async () => {
    await append('g:steer', 'a\nb\x1b[2J');
    const running = tail('g:steer', '--limit', '1');
    expect(await running.end()).toBe(0);
    expect(running.lines).toEqual(['     1  ann: a\\x0ab\\x1b[2J']);
  });

  it('goes on over the death of the node it follows', async () => {
    await append('g:die', '1');
    const running = tail('g:die');
    await running.until(() => running.stderr.includes('caught up'));
    for (const node of fixture.cluster.nodes) {
      await node.kill();
      await append('g:die', `without ${node.id}`);
      node.start();
      await fixture.cluster.ready();
    }
    await running.until(() => running.lines.length === 4);
    expect(running.lines.map((line) => line.trim())).toEqual([
      '1  ann: 1',
      '2  ann: without 1',
      '3  ann: without 2',
      '4  ann: without 3',
    ]);
  });

  it('says once that no node answers, and once that one does again', async () => {
    const { cluster } = fixture;
    await append('g:outage', '1');
    const running = tail('g:outage', '--time');
    await running.until(() => running.stderr.includes('caught up'));
    expect(running.lines[0]).toMatch(/^ {5}1 {2}\d{4}-\d\d-\d\dT[\d:.]{12}Z {2}ann: 1$/);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await running.until(() => running.stderr.includes('no node answers'));
    cluster.start();
    await running.until(() => running.stderr.includes('answers again'));
    await cluster.ready();
    await append('g:outage', '2');
    await running.until(() => running.lines.length === 2);
    expect(running.stderr.split('\n')).toEqual([
      'caught up; new messages follow, Ctrl-C ends',
      'no node answers; it waits, and goes on where it was, Ctrl-C ends',
      'a node answers again: it goes on',
      '',
    ]);
  });

  it.each([
    [['g:a', '--time', '--json'], 'time goes without --json'],
    [[], 'conversation or --partition'],
    [['g:a', '--partition', '1'], 'conversation or --partition'],
    [['g:a', '--after-index', '1'], 'after-index goes with --partition'],
    [['--partition', '1', '--after', '1'], 'after goes with a conversation'],
    [['g:a', '--from', 'middle'], '"middle" is not start or end'],
    [['g:a', '--limit', '0'], 'limit "0"'],
    [['g:a', '--from', 'start', '--after', '1'], 'from goes without --after'],
  ])('is used wrongly with %j: exit code 2', async (args, message) => {
    const { code, stderr } = await paceline(['tail', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('says at once that no node is reached: exit code 3', async () => {
    const far = ['--servers', '127.0.0.1:9', '--timeout', '1'];
    const ends = await Promise.all([
      paceline(['tail', 'g:a', ...far]),
      paceline(['tail', '--partition', '1', ...far]),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([3, 3]);
    for (const { stderr } of ends) expect(stderr).toContain('UNREACHABLE');
  });

  it('refuses a place that is not there yet, as read does: exit code 1', async () => {
    await append('g:short', ...numbers(1, 4));
    const running = tail('g:short', '--after', '500');
    expect(await running.end()).toBe(1);
    expect(running.stderr).toBe('IN_FUTURE: there is no seq 500 yet, the newest is 4\n');
  });

  it('refuses an index that is not there yet: exit code 1', async () => {
    const running = tail('--partition', '3', '--after-index', '1000000');
    expect(await running.end()).toBe(1);
    expect(running.stderr).toMatch(
      /^IN_FUTURE: there is no index 1000000 yet, the newest is \d+\n$/,
    );
  });

  it('refuses a partition that is not there: exit code 2', async () => {
    const running = tail('--partition', '16');
    expect(await running.end()).toBe(2);
    expect(running.stderr).toContain('NO_SUCH_PARTITION: there is no partition 16');
  });
});
