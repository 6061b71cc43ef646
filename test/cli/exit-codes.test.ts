// What append, read and status say and how they end: 0 done, 1 refused, 2 usage, 3 unreachable.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { partitionIn } from '../../scripts/harness/partitions.ts';
import { paceline } from '../../scripts/irc/cli.ts';
import { useCluster } from '../cluster/fixture.ts';

const fixture = useCluster();
const far = ['--servers', '127.0.0.1:9', '--timeout', '1'];

async function run(args: readonly string[]) {
  const servers = ['--servers', fixture.cluster.servers.join(',')];
  const { code, stdout, stderr } = await paceline([...args, ...servers]);
  return { code, stdout: stdout.toString(), stderr };
}

describe('what is done ends with 0', () => {
  it('append says seq and id, and what was stored before', async () => {
    // Without --key, so that an answer lost on a busy machine is no duplicate.
    const args = ['append', 'g:ok', 'hi', '--sender', 'ann'];
    const first = await run(args);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^seq 1, id \d+\n$/) });
    const keyed = { conversation: 'g:twice', sender: 'ann', body: 'hi', key: 'k' };
    await fixture.client.append(keyed);
    const again = await run(['append', 'g:twice', 'hi', '--sender', 'ann', '--key', 'k']);
    const partition = partitionIn('g:twice', 16);
    const json = await run(['append', 'g:twice', 'more', '--sender', 'ann', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ seq: 2, partition });
    expect(again.stdout).toMatch(/^seq 1, id \d+ \(duplicate: it was stored before\)\n$/);
    const read = await run(['read', 'g:ok']);
    expect(read).toMatchObject({ code: 0, stdout: '     1  ann: hi\n' });
    expect(read.stderr).toMatch(/^up to the newest, 1 \(node \d, applied to \d+\)\n$/);
  });

  it('status shows every node and partition', async () => {
    const { code, stdout } = await run(['status']);
    expect(code).toBe(0);
    expect(stdout.match(/ up +serving/g)).toHaveLength(3);
    expect(stdout).toMatch(/^ +15 {2}node \d/m);
  });
});

describe('what is refused ends with 1', () => {
  it.each([
    [['append', 'g:no', 'x', '--sender', 'ann', '--expected-seq', '5'], 'EXPECTED_SEQ_MISMATCH: '],
    [['append', 'nobody', 'x', '--sender', 'ann'], 'BAD_CONVERSATION: '],
    [['append', 'g:no', 'x', '--sender', 'a'.repeat(129)], 'BAD_SENDER: '],
    [['read', 'p:one'], 'BAD_CONVERSATION: '],
    [['read', 'g:my room'], "BAD_CONVERSATION: conversation: ' ' must be written %2"],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(new RegExp(`^${message}.+\n$`));
  });
});

it('answers that cannot be written are said in one line, and end with 1', () => {
  // /dev/full: every write to it finds the disk full.
  const full = openSync('/dev/full', 'w');
  const args = [path.resolve('dist/cli/main.js'), '--version'];
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  expect([status, stderr.toString()]).toEqual([
    1,
    expect.stringMatching(/^standard output cannot be written: ENOSPC.*\n$/),
  ]);
});

describe('wrong usage ends with 2', () => {
  it.each([
    [['append', 'g:a', 'x'], "required option '--sender <name>' not specified"],
    [['append', 'g:a', 'x', '--sender', 'ann', '--expected-seq', 'x'], 'expected-seq "x"'],
    [['append', 'g:a', 'x', '--sender', 'ann', '--timeout', 'soon'], 'timeout "soon"'],
    [['read'], "missing required argument 'conversation'"],
    [['read', 'g:a', '--limit', 'many'], 'limit "many"'],
    [['read', 'g:a', '--level', 'best'], 'level "best"'],
    [['read', 'g:a', '--time', '--json'], 'time goes without --json'],
    [['read', 'g:a', '--node', '9'], 'there is no node 9, the cluster has 1, 2, 3'],
    [['append', 'g:a', 'x', '--sender', 'ann', '--lines'], 'lines are read from standard input'],
    [
      ['append', 'g:a', '--sender', 'a', '--lines', '--expected-seq', '1'],
      'expected-seq goes with',
    ],
    [['status', '--wrong'], "unknown option '--wrong'"],
    [['nonsense'], "unknown command 'nonsense'"],
  ])('%j', async (args, message) => {
    const { code, stderr } = await (args.includes('--wrong') ? paceline(args) : run(args));
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it.each([
    [['--trace'], 'trace goes with --seed or --script'],
    [['--seed', '42', '--seeds', '3'], 'seeds goes without --seed'],
    [['--seed', '42', '--from', '3'], 'from goes without --seed'],
  ])('lab %j', async (flags, message) => {
    const { code, stdout, stderr } = await paceline(['lab', ...flags]);
    expect([code, stdout.toString()]).toEqual([2, '']);
    expect(stderr).toContain(`BAD_REQUEST: ${message}`);
  });

  it.each([
    ['--seeds', '0', 'seeds is a whole number from 1 to'],
    ['--seeds', '', 'seeds is a whole number from 1 to'],
    ['--seed', '', 'a whole number from 0 to'],
    ['--from', '', 'a whole number from 0 to'],
  ])('lab %s "%s", which would test nothing or another seed', async (flag, value, message) => {
    const { code, stdout, stderr } = await paceline(['lab', flag, value]);
    expect([code, stdout.toString()]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it.each([
    ['99999999', 'timeout "99999999" is not a number of seconds above 0 and up to 1000000'],
    ['0', 'timeout "0" is not a number of seconds above 0 and up to 1000000'],
  ])('timeout %s', async (seconds, message) => {
    const { code, stderr } = await paceline(['status', '--timeout', seconds]);
    expect([code, stderr]).toEqual([2, `BAD_REQUEST: ${message}\n`]);
  });

  it.each(['99999', '0'])('names port %s of a server and its limits', async (port) => {
    const { code, stderr } = await paceline(['status', '--servers', `127.0.0.1:${port}`]);
    const problem = `servers "127.0.0.1:${port}" has port ${port}, it must be 1 to 65535`;
    expect([code, stderr]).toEqual([2, `BAD_REQUEST: ${problem}\n`]);
  });

  it('names a server that is none', async () => {
    const { code, stderr } = await paceline(['read', 'g:a', '--servers', 'here']);
    expect([code, stderr]).toEqual([2, 'BAD_REQUEST: servers: "here" is not HOST:PORT\n']);
  });
});

describe('what is not reached ends with 3', () => {
  it.each([
    [['append', 'g:a', 'x', '--sender', 'ann', ...far]],
    [['read', 'g:a', ...far]],
    [['export', 'g:a', ...far]],
    [['status', ...far]],
  ])('%j', async (args) => {
    const { code, stdout, stderr } = await paceline(args);
    expect([code, stdout.toString()]).toEqual([3, '']);
    expect(stderr).toMatch(/^UNREACHABLE: .*127\.0\.0\.1:9.*\n$/);
  });
});
