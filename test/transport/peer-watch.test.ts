// Telling an absent process from one that is only out of touch.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { listenOn } from '../../scripts/harness/listening.ts';
import { systemClock } from '../../src/clock.ts';
import { createPeerWatch } from '../../src/transport/tcp/peer-watch.ts';
import { until } from './nodes.ts';

const closings: (() => void)[] = [];

afterEach(() => {
  for (const close of closings.splice(0).reverse()) close();
});

function watchOf(address: string, connectMs = 200) {
  const answers: boolean[] = [];
  const seen = { absent: 0, answers, absentAtMs: 0 };
  const onAbsent = () => {
    seen.absent += 1;
    seen.absentAtMs = performance.now();
  };
  const options = { address, clock: systemClock, processDownMs: 50, connectMs, onAbsent };
  const watch = createPeerWatch(options);
  closings.push(() => watch.close());
  return { watch, seen, probe: () => watch.probe((answer) => seen.answers.push(answer)) };
}

/** A listening process that is stopped, and whose backlog is full: it answers no connect. */
async function silentAddress(): Promise<string> {
  const script = `const server = require('net').createServer().listen(
    { port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))`;
  const child: ChildProcess = spawn(process.execPath, ['-e', script]);
  closings.push(() => child.kill('SIGKILL'));
  if (child.stdout === null) throw new Error('the child has no stdout');
  const [line]: unknown[] = await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  for (let at = 0; at < 8; at += 1) {
    const filler = net.connect(Number(String(line)), '127.0.0.1');
    filler.on('error', () => {});
    closings.push(() => filler.destroy());
  }
  return `127.0.0.1:${String(line).trim()}`;
}

describe('a probe', () => {
  it('finds nobody where the connect is refused', async () => {
    const server = net.createServer();
    const port = await listenOn(server);
    await new Promise((resolve) => server.close(resolve));
    const { seen, probe } = watchOf(`127.0.0.1:${port}`);
    probe();
    probe();
    await until('answered', () => seen.answers.length === 2);
    expect(seen).toMatchObject({ absent: 1, answers: [false, false] });
  });

  it('finds nobody where the connect is not answered in time', async () => {
    const { seen, probe } = watchOf(await silentAddress());
    const sinceMs = performance.now();
    probe();
    await until('answered', () => seen.answers.length === 1);
    expect(seen).toMatchObject({ absent: 1, answers: [false] });
    expect(seen.absentAtMs - sinceMs).toBeGreaterThanOrEqual(49);
    expect(seen.absentAtMs - sinceMs).toBeLessThan(150);
  });

  it('is not deceived by a pause of its own process', async () => {
    const server = net.createServer();
    const port = await listenOn(server);
    closings.push(() => void server.close());
    const { seen, probe } = watchOf(`127.0.0.1:${port}`);
    probe();
    const endMs = performance.now() + 300;
    while (performance.now() < endMs);
    await until('answered', () => seen.answers.length === 1);
    expect(seen).toMatchObject({ absent: 0, answers: [true] });
  });

  it('says nothing after close', async () => {
    const { watch, seen, probe } = watchOf('127.0.0.1:1');
    probe();
    watch.close();
    const other = watchOf('127.0.0.1:1');
    other.probe();
    await until('the other one answered', () => other.seen.answers.length === 1);
    expect(seen).toMatchObject({ absent: 0, answers: [] });
  });
});
