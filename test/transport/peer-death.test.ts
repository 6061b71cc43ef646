// What a node learns about peers that die, stop or lose a connection.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { TcpTransportOptions } from '../../src/transport/tcp/tcp-transport.ts';
import {
  bulk,
  createNode,
  type Listener,
  listen,
  numbered,
  rounds,
  serve,
  start,
  type TestNode,
  until,
} from './nodes.ts';
import { createProxy, type TcpProxy } from './proxy.ts';

const frameBytes = 1024 * 1024;
const closings: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

async function listenUntilEnd(): Promise<Listener> {
  const listener = await listen();
  closings.push(() => listener.end());
  return listener;
}

function startUntilEnd(self: number, listener: Listener, node: TestNode): void {
  serve(listener, node.transport);
  start(self, listener.address, node);
  closings.push(() => node.transport.close());
}

/** Node 1 here and node 2 in a child process, connected both ways. */
async function withChild(options: Partial<TcpTransportOptions> = {}) {
  const listener = await listenUntilEnd();
  const script = fileURLToPath(new URL('./child-node.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, listener.address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closings.push(() => void child.kill('SIGKILL'));
  const node = createNode(1, new Map([[2, await firstLine(child)]]), options);
  startUntilEnd(1, listener, node);
  await until('connected', () => node.transport.connected(2));
  await until('connected by the child', () => node.hellos.length >= 4);
  return { child, node };
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('the child has no stdout');
  const [line]: unknown[] = await once(stdout, 'data');
  return String(line).trim();
}

/** Nodes 1 and 2 here; node 1 reaches node 2 through a proxy. */
async function withProxy(options: Partial<TcpTransportOptions> = {}) {
  const [one, two] = [await listenUntilEnd(), await listenUntilEnd()];
  const proxy = await createProxy(two.address);
  closings.push(() => proxy.close());
  const sender = createNode(1, new Map([[2, proxy.address]]), options);
  const receiver = createNode(2, new Map([[1, one.address]]));
  startUntilEnd(1, one, sender);
  startUntilEnd(2, two, receiver);
  await until('connected', () => sender.transport.connected(2));
  return { sender, receiver, proxy };
}

/** Holds up the connection that carries the data lane, once bulk data shows which one it is. */
async function holdDataLane(proxy: TcpProxy, sender: TestNode): Promise<void> {
  sender.transport.send(2, 'data', bulk(frameBytes));
  const busy = () => [...proxy.connections].find(({ bytes }) => bytes >= frameBytes);
  await until('bulk data came', () => busy() !== undefined);
  busy()?.dialed.pause();
  busy()?.dialed.unpipe();
}

/** Sends until a frame is refused; how many were taken. */
async function fill(node: TestNode): Promise<number> {
  let taken = 0;
  await until('the queue is full', () => {
    if (!node.transport.send(2, 'data', bulk(frameBytes))) return true;
    taken += 1;
    return false;
  });
  return taken;
}

describe('a killed process', () => {
  it('is reported down within 300 ms, and again while it lasts', async () => {
    const { child, node } = await withChild();
    const sinceMs = performance.now();
    child.kill('SIGKILL');
    await until('down', () => node.events.includes('down 2'), 300);
    console.log(`down after ${(performance.now() - sinceMs).toFixed(1)} ms`);
    expect(node.events).toContain('disconnected 2 control');
    expect(node.events).toContain('disconnected 2 data');
    const said = node.events.length;
    await until('said again', () => node.events.length >= said + 2);
    expect(node.events.slice(said).every((event) => event === 'down 2')).toBe(true);
  });
});

describe('a stream that ends while the process lives', () => {
  it('reconnects and reports no dead process', async () => {
    const { sender, proxy } = await withProxy();
    for (const { dialed } of proxy.connections) dialed.destroy();
    const disconnects = () => sender.events.filter((event) => event.startsWith('disconnected'));
    await until('noticed', () => disconnects().length === 2);
    await until('back', () => sender.transport.connected(2));
    expect(sender.events).not.toContain('down 2');
  });

  it('reports no dead process where the other lane stands, though nothing listens', async () => {
    let pauses = 0;
    const pauseMs = 5;
    const clock: Clock = {
      ...systemClock,
      after(delayMs, call) {
        if (delayMs === pauseMs) pauses += 1;
        return systemClock.after(delayMs, call);
      },
    };
    const options = { clock, reconnectMs: { min: pauseMs, max: pauseMs }, processDownMs: 50 };
    const { sender, proxy } = await withProxy(options);
    proxy.stopListening();
    const [first, second] = proxy.connections;
    pauses = 0;
    first?.dialed.destroy();
    await until('probed some times', () => pauses >= 3);
    expect(sender.events).not.toContain('down 2');
    second?.dialed.destroy();
    await until('down', () => sender.events.includes('down 2'));
  });
});

describe('a stopped process', () => {
  it('fills the queue up to its limit, and close still ends at once', async () => {
    const queueBytesMax = 8 * frameBytes;
    const { child, node } = await withChild({ queueBytesMax });
    child.kill('SIGSTOP');
    const taken = await fill(node);
    // What is not in the queue stands in the buffers of the two sockets.
    expect(taken).toBeGreaterThanOrEqual(7);
    expect(taken).toBeLessThan(24);
    const sinceMs = performance.now();
    await node.transport.close();
    expect(performance.now() - sinceMs).toBeLessThan(1_000);
    expect(node.events).not.toContain('down 2');
  });

  it('is found by keepalive, not taken for dead, and served again once it goes on', async () => {
    const { child, node } = await withChild();
    child.kill('SIGSTOP');
    await until('noticed', () => !node.transport.connected(2), 6_000);
    child.kill('SIGCONT');
    await until('back', () => node.transport.connected(2));
    expect(node.events).not.toContain('down 2');
  }, 15_000);
});

describe('the control lane', () => {
  it('passes while the data lane is stuck', async () => {
    const { sender, receiver, proxy } = await withProxy();
    await holdDataLane(proxy, sender);
    for (let at = 0; at < 16; at += 1) sender.transport.send(2, 'data', bulk(frameBytes));
    for (let at = 0; at < 10; at += 1) sender.transport.send(2, 'control', numbered(at));
    await until('arrived', () => rounds(receiver, 'control').length === 10, 1_000);
    expect(receiver.received.filter(({ lane }) => lane === 'data').length).toBeLessThan(3);
  });
});
