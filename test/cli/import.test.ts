// `paceline import` and `paceline export` as real processes.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ImportEnd, paceline } from '../../scripts/irc/cli.ts';
import { oddLog } from '../../scripts/irc/odd-log.ts';
import { verifyByExports, verifyByReads } from '../../scripts/irc/verify.ts';
import { useCluster } from '../cluster/fixture.ts';
import { Running } from './running.ts';

const fixture = useCluster();

function servers(): string[] {
  return ['--servers', fixture.cluster.servers.join(',')];
}

/** A log of that many messages; its path. */
function log(name: string, messages: number, bodyOf = (i: number) => `line ${i}`): string {
  const file = path.join(fixture.directory, name);
  const lines = Array.from({ length: messages }, (_, i) => `[12:00] <ann> ${bodyOf(i)}\n`);
  writeFileSync(file, lines.join(''));
  return file;
}

function endOf(stdout: Buffer | string): ImportEnd {
  const end: ImportEnd = JSON.parse(stdout.toString());
  return end;
}

async function importNow(...args: readonly string[]) {
  const { code, stdout, stderr } = await paceline(['import', '--json', ...servers(), ...args]);
  return { code, end: endOf(stdout), stderr };
}

async function exported(conversation: string): Promise<string> {
  const { code, stdout } = await paceline(['export', conversation, ...servers()]);
  expect(code).toBe(0);
  return stdout.toString('latin1');
}

describe('import', () => {
  it('stores every byte of an odd log, the same on each node', async () => {
    const odd = oddLog(fixture.directory);
    const { code, end } = await importNow(odd.file);
    expect(code).toBe(0);
    const { length } = odd.messages;
    expect(end).toMatchObject({ messages: length, skipped: 5, duplicates: 0, complete: true });
    await fixture.cluster.settled();
    expect(await verifyByReads(fixture.client, fixture.cluster, [odd])).toEqual([]);
    expect((await verifyByExports(fixture.cluster, [odd])).problems).toEqual([]);
  });

  it('that was interrupted says so, and again adds what is missing and nothing twice', async () => {
    const file = log('again.log', 6000);
    const running = new Running(['import', '--json', ...servers(), '--rate', '4000', file]);
    const heads = async () => (await fixture.client.heads(['g:again.log']))[0]?.seq ?? 0;
    await expect.poll(heads, { timeout: 10_000, interval: 20 }).toBeGreaterThan(400);
    expect(await running.end('SIGINT')).toBe(1);
    const first = endOf(running.stdout);
    expect(first.complete).toBe(false);
    expect(first.messages).toBeLessThan(6000);
    expect(await exported('g:again.log')).toBe(
      Array.from({ length: first.messages }, (_, i) => `line ${i}\n`).join(''),
    );
    const { code, end } = await importNow(file);
    expect(code).toBe(0);
    const counts = { messages: 6000, duplicates: first.messages, complete: true };
    expect(end).toMatchObject(counts);
    expect((await importNow(file)).end).toMatchObject({ messages: 6000, duplicates: 6000 });
    const all = Array.from({ length: 6000 }, (_, i) => `line ${i}\n`).join('');
    expect(await exported('g:again.log')).toBe(all);
  });

  it('that cannot store a line in time ends at once with 3, and leaves no hole', async () => {
    const file = log('hole.log', 6000);
    const flags = ['--rate', '3000', '--timeout', '1'];
    const running = new Running(['import', '--json', ...servers(), ...flags, file]);
    const heads = async () => (await fixture.client.heads(['g:hole.log']))[0]?.seq ?? 0;
    await expect.poll(heads, { timeout: 10_000, interval: 20 }).toBeGreaterThan(400);
    const down = fixture.cluster.nodes.slice(1);
    await Promise.all(down.map((node) => node.kill()));
    expect(await running.end()).toBe(3);
    expect(endOf(running.stdout).complete).toBe(false);
    for (const node of down) node.start();
    await fixture.cluster.ready();
    const { code, end } = await importNow(file);
    expect([code, end.messages]).toEqual([0, 6000]);
    const all = Array.from({ length: 6000 }, (_, i) => `line ${i}\n`).join('');
    expect(await exported('g:hole.log')).toBe(all);
  });

  it('that was killed with kill -9 goes on where it was', async () => {
    const file = log('killed.log', 6000);
    const running = new Running(['import', ...servers(), '--rate', '4000', file]);
    const heads = async () => (await fixture.client.heads(['g:killed.log']))[0]?.seq ?? 0;
    await expect.poll(heads, { timeout: 10_000, interval: 20 }).toBeGreaterThan(400);
    await running.end('SIGKILL');
    const { end } = await importNow(file);
    expect(end.messages).toBe(6000);
    expect(end.duplicates).toBeGreaterThan(400);
    const all = Array.from({ length: 6000 }, (_, i) => `line ${i}\n`).join('');
    expect(await exported('g:killed.log')).toBe(all);
  });

  it('keeps the rate', async () => {
    const { end } = await importNow('--rate', '1000', log('rate.log', 1000));
    expect(end.seconds).toBeGreaterThan(0.95);
    expect(end.messages).toBe(1000);
  });

  it('puts all files into one conversation where told', async () => {
    const files = [log('one.log', 3), log('two.log', 2, (i) => `other ${i}`)];
    await importNow('--conversation', 'g:both', ...files);
    expect(await exported('g:both')).toBe('line 0\nline 1\nline 2\nother 0\nother 1\n');
  });

  it('names the lines that are refused, goes on with the others and ends with 1', async () => {
    const bodies = ['first', 'x'.repeat(262_145), 'y'.repeat(1024 * 1024), 'last'];
    const file = log('large.log', 4, (i) => bodies[i] ?? '');
    const { code, end, stderr } = await importNow(file);
    expect(code).toBe(1);
    expect(end).toMatchObject({ messages: 2, refused: 2, complete: false });
    expect(stderr).toContain('large.log:2');
    expect(stderr).toContain(`line 3 of ${file}`);
    expect(await exported('g:large.log')).toBe('first\nlast\n');
  });

  it('says for people what it did', async () => {
    const file = log('people.log', 5);
    await importNow(file);
    const { stdout } = await paceline(['import', ...servers(), file]);
    const [conversation, ...rest] = stdout.toString().split('\n');
    expect(conversation).toBe(`g:people.log: 5 messages of ${file}`);
    expect(rest.join('\n')).toMatch(
      /^5 messages \(5 were there before\), 0 other lines skipped, [\d.]+ s, \d+\/s\n$/,
    );
  });

  it('as JSON says which conversation each file became', async () => {
    const files = [log('a b.log', 2), log('c.log', 1)];
    const { stdout } = await paceline(['import', '--json', ...servers(), ...files]);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      files: [
        { file: files[0], conversation: 'g:a%20b.log', messages: 2 },
        { file: files[1], conversation: 'g:c.log', messages: 1 },
      ],
    });
  });

  it('of files of another format ends with 1, and says what lines look like', async () => {
    const file = path.join(fixture.directory, 'other.log');
    writeFileSync(file, '2024-01-01 ann: hello\n2024-01-01 bob: hi\n');
    const { code, end, stderr } = await importNow(file);
    expect(code).toBe(1);
    expect(end).toMatchObject({ messages: 0, skipped: 2, complete: false });
    const form = '[12:34] <sender> body, or [12:34]  * sender body';
    expect(stderr).toBe(`no line is a message: lines of irc are ${form}\n`);
    const help = (await paceline(['import', '--help'])).stdout.toString();
    expect(help.replaceAll(/\s+/g, ' ')).toContain(`irc: lines are ${form.replace('  ', ' ')}`);
  });

  it('finds what is wrong before the first append: exit code 2', async () => {
    const file = log('good.log', 1);
    const ends = await Promise.all([
      paceline(['import', ...servers(), file, '/nowhere/x.log']),
      paceline(['import', ...servers(), file, file]),
      paceline(['import', ...servers(), '--rate', 'fast', file]),
      paceline(['import', ...servers(), fixture.directory]),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(ends[0]?.stderr).toBe('BAD_REQUEST: file "/nowhere/x.log" is not there\n');
    expect((await fixture.client.heads(['g:good.log']))[0]?.seq).toBe(0);
  });

  it('ends with 3 where no node is reached', async () => {
    const flags = ['--servers', '127.0.0.1:9', '--timeout', '1'];
    const { code, stderr } = await paceline(['import', ...flags, log('far.log', 10)]);
    expect(code).toBe(3);
    expect(stderr).toContain('UNREACHABLE');
  });
});

describe('export', () => {
  it('gives a conversation of several pages, with --json every field', async () => {
    await importNow(log('pages.log', 2500));
    const { stdout } = await paceline(['export', 'g:pages.log', ...servers(), '--json']);
    const lines = stdout.toString().split('\n').slice(0, -1);
    const messages = lines.map((line): Record<string, unknown> => JSON.parse(line));
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1));
    expect(messages.at(-1)).toMatchObject({
      ...{ seq: 2500, rev: 2500, sender: 'ann', key: 'pages.log:2500', body: 'line 2499' },
      ...{ id: expect.any(String), timeMs: expect.any(Number) },
    });
  });

  it('of a conversation that is empty gives nothing', async () => {
    expect(await exported('g:never')).toBe('');
  });

  it('ends quietly where its reader has seen enough', async () => {
    await importNow(log('head.log', 4000, (i) => `${i} ${'x'.repeat(1000)}`));
    const running = new Running(['export', 'g:head.log', ...servers()]);
    await running.until(() => running.lines.length > 0);
    running.child.stdout?.destroy();
    expect(await running.end()).toBe(0);
    expect(running.stderr).toBe('');
  });
});
