// `paceline dev` as a real process: what it says, what it stops, what it keeps.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
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
    process.kill(Number(/pid (\d+)/.exec(running.stdout)?.[1]), 'SIGKILL');
    await running.until(() => running.stderr.includes('start it again with'));
    expect(running.stderr).toContain('node 1 ended by SIGKILL');
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

  it('names a flag that is wrong: exit code 2', async () => {
    const running = new Running(['dev', '--nodes', '9']);
    expect(await running.end()).toBe(2);
    expect(running.stderr).toContain('nodes is "9", it must be a whole number from 1 to 7');
  });
});
