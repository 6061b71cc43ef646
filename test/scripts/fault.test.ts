// `npm run fault` refuses what it cannot do before it starts anything, and says what it left when interrupted.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
/** Some load much before they read their flags, and the machine may be busy. */
const deadlineMs = 30_000;
const node = ['--import', 'tsx', 'scripts/fault.ts'];

it.each([
  [['kill-leader', '--times', 'x'], '--times is a number above 0\n'],
  [['kill-loop', '--seconds', '0'], '--seconds is a number above 0\n'],
  [['kill-loop', '--times', '2'], 'kill-loop takes no --times\n'],
  [['irc-import', '--seconds', '2'], 'irc-import takes no --seconds\n'],
  [['kill-leader', 'partitions'], 'one fault at a time, and there is partitions too\n'],
  [['kill-leader', '--history', '/none/h'], '--history: there is no directory for /none/h\n'],
])(
  '%j is wrong usage',
  async (args, stderr) => {
    const end = run(process.execPath, [...node, ...args], { cwd: root, timeout: deadlineMs });
    await expect(end).rejects.toMatchObject({ code: 2, stdout: '', stderr });
  },
  deadlineMs,
);

it(
  'says where its directory is when it is interrupted',
  async () => {
    const child = spawn(process.execPath, [...node, 'kill-leader'], { cwd: root });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    while (!said.includes('kill 1')) await once(child.stderr, 'data');
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([1, null]);
    const [, directory = ''] = /interrupted, nothing was checked; kept: (\S+) /.exec(said) ?? [];
    expect(directory).toContain('paceline-kill-leader-');
    rmSync(directory, { recursive: true });
  },
  2 * deadlineMs,
);
