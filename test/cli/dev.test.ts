// `paceline dev` as a real process: what it says, what it stops, what it keeps.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isReady } from '../../src/cli/dev.ts';
import { connect } from '../../src/client/grpc/connect.ts';
import { freePorts, Running } from './running.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'paceline-dev-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Dev {
  readonly running: Running;
  readonly servers: readonly string[];
  readonly pids: readonly number[];
}

async function dev(...flags: readonly string[]): Promise<Dev> {
  const port = await freePorts(3);
  const data = path.join(directory, 'data');
  const running = new Running(['dev', '--json', '--port', `${port}`, '--data', data, ...flags]);
  await running.until(() => running.lines.length > 0);
  const ready: { ready: true; servers: string[]; pids: number[] } = JSON.parse(
    running.lines[0] ?? '',
  );
  expect(ready.ready).toBe(true);
  return { running, servers: ready.servers, pids: ready.pids };
}

async function headOf(servers: readonly string[], conversation: string): Promise<number> {
  const client = connect({ servers });
  const { headSeq } = await client.read({ conversation, level: 'linearizable' });
  await client.close();
  return headSeq;
}

async function append(servers: readonly string[], conversation: string): Promise<number> {
  const client = connect({ servers });
  const { seq } = await client.append({ conversation, sender: 'ann', body: 'hi' });
  await client.close();
  return seq;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('dev', () => {
  it('takes appends once it says ready; Ctrl-C stops every node with exit code 0', async () => {
    const { running, servers, pids } = await dev('--fresh');
    expect(await append(servers, 'g:lobby')).toBe(1);
    expect(pids.every(isAlive)).toBe(true);
    expect(await running.end('SIGINT')).toBe(0);
    expect(pids.some(isAlive)).toBe(false);
    expect(running.lines).toHaveLength(1);
  });

  it('keeps data between runs, and --fresh forgets it', async () => {
    const first = await dev('--fresh', '--nodes', '1', '--partitions', '1');
    await append(first.servers, 'g:kept');
    expect(await first.running.end('SIGTERM')).toBe(0);
    const { servers } = first;
    const port = `${servers[0]?.split(':')[1]}`;
    const same = ['--nodes', '1', '--partitions', '1', '--port', port];
    const second = await dev(...same);
    expect(await headOf(second.servers, 'g:kept')).toBe(1);
    await second.running.end('SIGINT');
    const third = await dev(...same, '--fresh');
    expect(await headOf(third.servers, 'g:kept')).toBe(0);
    await third.running.end('SIGINT');
  });

  it('reports a node that dies, and with --restart starts it again', async () => {
    const { running, servers, pids } = await dev('--fresh', '--restart');
    process.kill(pids[1] ?? 0, 'SIGKILL');
    await running.until(() => running.lines.length > 1);
    const died: unknown = JSON.parse(running.lines[1] ?? '');
    expect(died).toMatchObject({ event: 'node-died', id: 2, code: null, signal: 'SIGKILL' });
    const client = connect({ servers });
    const status = () => client.status(servers[1] ?? '', 1000).catch(() => null);
    await expect
      .poll(async () => (await status())?.state, { timeout: 10_000, interval: 50 })
      .toBe('serving');
    const pid = (await status())?.pid ?? 0;
    await client.close();
    expect(pid).not.toBe(pids[1]);
    expect(await running.end('SIGINT')).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  it('for people it talks in g:demo and says how to follow it', async () => {
    const port = await freePorts(1);
    const data = path.join(directory, 'demo');
    const flags = ['--port', `${port}`, '--data', data, '--nodes', '1', '--partitions', '1'];
    const running = new Running(['dev', ...flags]);
    await running.until(() => running.stdout.includes('Ctrl-C stops all'));
    expect(running.stdout).toContain(`tail g:demo --servers 127.0.0.1:${port}`);
    const demo = new Running(['tail', 'g:demo', '--servers', `127.0.0.1:${port}`, '--limit', '2']);
    expect(await demo.end()).toBe(0);
    expect(demo.lines.map((line) => line.trim().slice(0, 8))).toEqual(['1  demo:', '2  demo:']);
    expect(running.stdout).not.toContain('Kill a node');
    process.kill(Number(/pid (\d+)/.exec(running.stdout)?.[1]), 'SIGKILL');
    await running.until(() => running.stderr.includes('start it again with'));
    expect(running.stderr).toContain('node 1 ended by SIGKILL');
    expect(await running.end('SIGINT')).toBe(0);
  });

  it('of three nodes it offers the last to be killed', async () => {
    const port = await freePorts(3);
    const data = path.join(directory, 'three');
    const running = new Running(['dev', '--no-demo', '--port', `${port}`, '--data', data]);
    await running.until(() => running.stdout.includes('Ctrl-C stops all'));
    const pids = [...running.stdout.matchAll(/\(pid (\d+)\)/g)].map(([, pid]) => pid);
    expect(pids).toHaveLength(3);
    expect(running.stdout).toContain(`Kill a node to see the others go on: kill -9 ${pids[2]}. `);
    expect(await running.end('SIGINT')).toBe(0);
  });

  it('is silent in g:demo with --no-demo, and its hints do not name it', async () => {
    const port = await freePorts(1);
    const data = path.join(directory, 'quiet');
    const flags = ['--port', `${port}`, '--data', data, '--nodes', '1', '--partitions', '1'];
    const running = new Running(['dev', '--no-demo', ...flags]);
    await running.until(() => running.stdout.includes('Ctrl-C stops all'));
    expect(running.stdout).toContain('tail g:lobby');
    expect(await headOf([`127.0.0.1:${port}`], 'g:demo')).toBe(0);
    expect(await running.end('SIGINT')).toBe(0);
  });

  it('ends with the reason where the data was founded with other settings: exit code 2', async () => {
    const data = path.join(directory, 'founded');
    const flags = ['--nodes', '1', '--data', data];
    const { running } = await dev(...flags, '--partitions', '1');
    expect(await running.end('SIGINT')).toBe(0);
    const port = await freePorts(1);
    const other = new Running(['dev', ...flags, '--partitions', '2', '--port', `${port}`]);
    expect(await other.end()).toBe(2);
    expect(other.stderr).toMatch(
      /^node 1 cannot start: BAD_REQUEST: .*partitions: told 2, stored 1/,
    );
    expect(other.stderr).toContain(`(its log: ${data}/node-1.log)\n`);
  });
});

describe('dev is ready', () => {
  const replica = { leader: 1, term: 1, commit: 1, ready: true, replicas: [] };
  const answering = { id: 1, address: 'a:1', pid: 7, up: true, state: 'serving', waitingFor: null };
  const status = { nodes: [answering], partitions: [{ id: 0, ...replica }] };

  it('by what its own processes say, not by what others at their addresses do', () => {
    expect(isReady(status, [{ id: 1, child: { pid: 7 } }], 1)).toBe(true);
    expect(isReady(status, [{ id: 1, child: { pid: 8 } }], 1)).toBe(false);
    expect(isReady(status, [{ id: 1, child: null }], 1)).toBe(false);
    expect(isReady(status, [{ id: 1, child: { pid: 7 } }], 2)).toBe(false);
  });
});

describe('dev beside another', () => {
  const one = ['--nodes', '1', '--partitions', '1'];

  it('refuses a port in use, and does nothing to the cluster that has it', async () => {
    const data = path.join(directory, 'first');
    const { running, servers } = await dev(...one, '--data', data);
    await append(servers, 'g:first');
    const port = `${servers[0]?.split(':')[1]}`;
    for (const flags of [[], ['--fresh'], ['--fresh', '--data', path.join(directory, 'second')]]) {
      const second = new Running(['dev', ...one, '--port', port, '--data', data, ...flags]);
      expect([await second.end(), second.stdout]).toEqual([2, '']);
      expect(second.stderr).toContain(`port ${port} is in use: is another cluster running?`);
    }
    expect(existsSync(path.join(directory, 'second'))).toBe(false);
    expect(await append(servers, 'g:first')).toBe(2);
    expect(await running.end('SIGINT')).toBe(0);
  });

  it('refuses data in use, at other ports too', async () => {
    const data = path.join(directory, 'used');
    const { running, servers } = await dev(...one, '--data', data);
    for (const [flag, message] of [
      [[], 'is in use by another process'],
      [['--fresh'], `data cannot be forgotten: a node that runs uses ${data}/node-1`],
    ] as const) {
      const port = `${await freePorts(1)}`;
      const second = new Running(['dev', ...one, '--port', port, '--data', data, ...flag]);
      expect(await second.end()).toBe(2);
      expect(second.stderr).toContain(message);
    }
    expect(await append(servers, 'g:used')).toBe(1);
    expect(await running.end('SIGINT')).toBe(0);
  });
});

describe('dev --fresh', () => {
  const one = ['--nodes', '1', '--partitions', '1'];

  it('deletes the data of nodes, and nothing else', async () => {
    const data = path.join(directory, 'mixed');
    mkdirSync(path.join(data, 'node-3/log'), { recursive: true });
    for (const name of ['precious', 'node-3.log', 'node-9.log']) {
      writeFileSync(path.join(data, name), 'mine');
    }
    const { running } = await dev(...one, '--fresh', '--data', data);
    const names = ['precious', 'node-9.log', 'node-3', 'node-3.log'];
    const left = names.filter((name) => existsSync(path.join(data, name)));
    expect(left).toEqual(['precious', 'node-9.log']);
    expect(await running.end('SIGINT')).toBe(0);
  });

  it.each([
    [['--nodes', '9'], 'nodes is "9"'],
    [['--partitions', '3'], 'partitions is 3'],
    [['--port', '70000'], 'port is "70000"'],
    [[], 'data holds node-1, which is not the data of a node'],
  ])('deletes nothing where it does not start: %j', async (flags, message) => {
    const data = path.join(directory, 'kept');
    const kept = ['node-1/letters', 'node-2/log'].map((name) => path.join(data, name));
    for (const each of kept) mkdirSync(each, { recursive: true });
    const port = `${await freePorts(1)}`;
    const running = new Running(['dev', '--fresh', '--port', port, '--data', data, ...flags]);
    expect(await running.end()).toBe(2);
    expect(running.stderr).toContain(message);
    expect(kept.every((each) => existsSync(each))).toBe(true);
  });
});

describe('dev that is told something wrong ends with 2', () => {
  const file = path.join(directory, 'file');
  writeFileSync(file, '');

  it.each([
    [['--nodes', '9'], 'nodes is "9", it must be a whole number from 1 to 7'],
    [['--partitions', '3'], 'partitions is 3, it must be a power of two'],
    [['--partitions', '0'], 'partitions is 0, it must be 1 to 8192'],
    [['--partitions', '-4'], 'partitions is -4, it must be 1 to 8192'],
    [['--partitions', 'few'], 'partitions "few" is not a whole number'],
    [['--data', ''], 'data is empty'],
    [['--data', file], `data "${file}" cannot be used as a directory: it is a file`],
    [
      ['--data', '/dev/null/x'],
      'data "/dev/null/x" cannot be used as a directory: a part of it is',
    ],
  ])('%j', async (flags, message) => {
    const running = new Running(['dev', '--port', `${await freePorts(3)}`, ...flags]);
    expect(await running.end()).toBe(2);
    expect(running.stderr).toMatch(/^BAD_REQUEST: .*\n$/);
    expect(running.stderr).toContain(message);
  });
});
