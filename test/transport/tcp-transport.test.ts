// Batches, hellos and reconnects between transports of one process.
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { listenOn } from '../../scripts/harness/listening.ts';
import { placeAt } from '../../src/address.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { encodeAlive, encodeBatchFrame, encodeHello } from '../../src/transport/frame-codec.ts';
import { Connection, type Received } from '../../src/transport/tcp/connection.ts';
import type { TcpTransportOptions } from '../../src/transport/tcp/tcp-transport.ts';
import type { NodeId } from '../../src/transport/types.ts';
import {
  bulk,
  createNode,
  entryBytes,
  helloOf,
  type Listener,
  listen,
  numbered,
  rounds,
  serve,
  start,
  type TestNode,
  until,
} from './nodes.ts';

const closings: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

interface Cluster {
  readonly nodes: readonly TestNode[];
  readonly listeners: readonly Listener[];
  readonly peers: ReadonlyMap<NodeId, string>;
  node(id: NodeId): TestNode;
}

/** Nodes 1..count, served but not started. */
async function cluster(
  count: number,
  options: Partial<TcpTransportOptions> = {},
): Promise<Cluster> {
  const listeners = await Promise.all(Array.from({ length: count }, () => listen()));
  const peers = new Map(listeners.map(({ address }, at) => [at + 1, address]));
  const nodes = listeners.map((listener, at) => {
    const node = createNode(at + 1, peers, options);
    serve(listener, node.transport);
    closings.push(() => listener.end());
    closings.push(() => node.transport.close());
    return node;
  });
  return { nodes, listeners, peers, node: (id) => found(nodes[id - 1]) };
}

function startAll({ nodes, listeners }: Cluster): void {
  for (const [at, node] of nodes.entries()) start(at + 1, found(listeners[at]).address, node);
}

async function connected(node: TestNode, ...peers: NodeId[]): Promise<void> {
  await until('connected', () => peers.every((peer) => node.transport.connected(peer)));
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing there');
  return value;
}

/** What a hand-made peer is answered. */
function dial(address: string, frames: readonly Buffer[]) {
  const seen: { answers: (Received | null)[]; ended: boolean } = { answers: [], ended: false };
  const connection = new Connection(net.connect(placeAt(address)), 'dialed', systemClock, {
    onFrame: (frame) => seen.answers.push(frame),
    onEnd: () => {
      seen.ended = true;
    },
  });
  for (const frame of frames) connection.write(frame);
  closings.push(() => connection.close());
  return seen;
}

describe('batches', () => {
  it('arrive in the order of sending on each lane', async () => {
    const three = await cluster(3);
    startAll(three);
    await Promise.all([connected(three.node(1), 2, 3), connected(three.node(2), 1, 3)]);
    const numbers = Array.from({ length: 500 }, (_, at) => at);
    for (const number of numbers) {
      expect(three.node(1).transport.send(2, 'control', numbered(number))).toBe(true);
      expect(three.node(1).transport.send(2, 'data', numbered(1_000 + number))).toBe(true);
      expect(three.node(2).transport.send(3, 'data', numbered(number))).toBe(true);
    }
    await until('all arrived', () => three.node(2).received.length === 1_000);
    await until('all arrived', () => three.node(3).received.length === 500);
    expect(rounds(three.node(2), 'control')).toEqual(numbers);
    expect(rounds(three.node(2), 'data')).toEqual(numbers.map((number) => 1_000 + number));
    expect(rounds(three.node(3), 'data')).toEqual(numbers);
    expect(three.node(3).received.every(({ from }) => from === 2)).toBe(true);
  });

  it('of 4 MiB pass', async () => {
    const two = await cluster(2);
    startAll(two);
    await connected(two.node(1), 2);
    const sent = bulk(4 * 1024 * 1024);
    expect(two.node(1).transport.send(2, 'data', sent)).toBe(true);
    await until('arrived', () => two.node(2).received.length === 1);
    expect(two.node(2).received[0]?.batch.wallMs).toBe(sent.wallMs);
    const [arrived, expected] = [two.node(2).received[0]?.batch, sent].map(entryBytes);
    expect(Buffer.concat(found(arrived)).equals(Buffer.concat(found(expected)))).toBe(true);
  });

  it('are refused where the lane is not connected', async () => {
    const two = await cluster(2);
    expect(two.node(1).transport.send(2, 'data', numbered(1))).toBe(false);
    startAll(two);
    expect(two.node(1).transport.send(2, 'data', numbered(1))).toBe(false);
    expect(two.node(1).transport.send(9, 'data', numbered(1))).toBe(false);
  });

  it('before a good hello end the connection and reach nobody', async () => {
    const two = await cluster(2);
    startAll(two);
    await connected(two.node(1), 2);
    const seen = dial(found(two.peers.get(1)), [encodeBatchFrame(numbered(1))]);
    await until('ended', () => seen.ended);
    expect(seen.answers).toEqual([{ kind: 'refusal', reason: 'the first frame is a hello' }]);
    expect(two.node(1).received).toEqual([]);
  });

  it('that are damaged end the connection and reach nobody', async () => {
    const two = await cluster(2);
    start(1, found(two.peers.get(1)), two.node(1));
    const address = found(two.peers.get(1));
    const frame = encodeBatchFrame(bulk(100));
    frame[frame.length - 1] = found(frame[frame.length - 1]) ^ 1;
    const seen = dial(address, [encodeHello(helloOf(2, 1, ''), 'data'), frame]);
    await until('ended', () => seen.ended);
    expect(seen.answers).toMatchObject([
      { kind: 'hello', hello: { node: 1 } },
      { kind: 'refusal', reason: 'a batch arrived damaged' },
    ]);
    expect(two.node(1).received).toEqual([]);
  });
});

describe('a hello', () => {
  it('of another cluster is refused, and both sides know why', async () => {
    const two = await cluster(2);
    for (const node of two.nodes) {
      node.judge = ({ cluster }) => (cluster === 'test' ? null : `cluster "${cluster}"`);
    }
    two.node(2).says = { cluster: 'other' };
    startAll(two);
    await until('both know', () => two.nodes.every((_, at) => refusal(two, at) !== null));
    expect([refusal(two, 0), refusal(two, 1)]).toEqual(['cluster "other"', 'cluster "other"']);
    expect(
      two.nodes.some(({ transport }) => transport.connected(1) || transport.connected(2)),
    ).toBe(false);
  });

  it('meant for another node is refused, and both sides know why', async () => {
    const two = await cluster(2);
    start(2, found(two.peers.get(2)), two.node(2));
    const mistaken = createNode(1, new Map([[3, found(two.peers.get(2))]]));
    closings.push(() => mistaken.transport.close());
    start(1, '', mistaken);
    await until('both know', () => refusal(two, 1) !== null && refusedBy(mistaken, 3) !== null);
    expect(two.node(2).transport.lastRefusal(1)).toBe('this is node 2, not 3');
    expect(mistaken.transport.lastRefusal(3)).toBe('this is node 2, not 3');
  });

  it('of another protocol version is refused, and both sides know why', async () => {
    const two = await cluster(2);
    two.node(2).says = { version: 7 };
    startAll(two);
    await until('both know', () => two.nodes.every((_, at) => refusal(two, at) !== null));
    for (const at of [0, 1]) expect(refusal(two, at)).toMatch(/peer protocol (1, not 7|7, not 1)/);
  });

  it('of a node that is no peer is refused', async () => {
    const two = await cluster(2);
    startAll(two);
    const seen = dial(found(two.peers.get(1)), [encodeHello(helloOf(9, 1, ''), 'data')]);
    await until('ended', () => seen.ended);
    expect(seen.answers).toEqual([{ kind: 'refusal', reason: 'node 9 is no peer of node 1' }]);
  });

  it('that never comes ends the connection, whatever else does', async () => {
    const late: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after(delayMs, call) {
        if (delayMs === 5_000) late.push(call);
        return systemClock.after(delayMs, call);
      },
    };
    const one = await cluster(1, { clock });
    startAll(one);
    const seen = dial(found(one.peers.get(1)), [encodeAlive()]);
    await until('heard', () => late.length > 0);
    for (const call of late) call();
    await until('ended', () => seen.ended);
    expect(seen.answers).toEqual([{ kind: 'refusal', reason: 'no hello came' }]);
  });

  it('that became good connects without waiting for the pause to end', async () => {
    const two = await cluster(2, { reconnectMs: { min: 60_000, max: 60_000 } });
    two.node(2).judge = ({ founding }) => (founding === null ? 'not founded' : null);
    startAll(two);
    await until('refused', () => two.node(1).transport.lastRefusal(2) === 'not founded');
    two.node(1).says = { founding: Uint8Array.of(1, 2, 3) };
    two.node(1).transport.helloChanged();
    await connected(two.node(1), 2);
    expect(two.node(1).transport.lastRefusal(2)).toBe(null);
    expect(two.node(2).hellos.at(-1)?.founding).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('said again on a standing connection is judged again, and a refusal ends the connection', async () => {
    const two = await cluster(2);
    startAll(two);
    await Promise.all([connected(two.node(1), 2), connected(two.node(2), 1)]);
    const before = two.node(2).hellos.length;
    two.node(1).says = { founding: Uint8Array.of(1) };
    two.node(1).transport.helloChanged();
    await until('judged on both lanes', () => two.node(2).hellos.length >= before + 2);
    expect(two.node(1).events).not.toContain('disconnected 2 data');
    two.node(2).judge = () => 'no more';
    two.node(1).transport.helloChanged();
    await until('ended', () => two.node(1).events.includes('disconnected 2 data'));
    expect(two.node(1).transport.lastRefusal(2)).toBe('no more');
  });
});

describe('connections', () => {
  it('of one peer and lane: the newer one wins', async () => {
    const two = await cluster(2);
    start(1, found(two.peers.get(1)), two.node(1));
    const hello = encodeHello(helloOf(2, 1, ''), 'data');
    const older = dial(found(two.peers.get(1)), [hello]);
    await until('accepted', () => older.answers.length === 1);
    const control = dial(found(two.peers.get(1)), [encodeHello(helloOf(2, 1, ''), 'control')]);
    await until('accepted', () => control.answers.length === 1);
    const newer = dial(found(two.peers.get(1)), [hello, encodeBatchFrame(numbered(5))]);
    await until('arrived', () => rounds(two.node(1), 'data').length === 1);
    await until('the older one ended', () => older.ended);
    expect([newer.ended, control.ended]).toEqual([false, false]);
  });

  it('come back after the peer listens again on its port', async () => {
    const two = await cluster(2);
    startAll(two);
    await connected(two.node(1), 2);
    const port = Number(found(two.peers.get(2)).split(':')[1]);
    found(two.listeners[1]).end();
    await until('noticed', () => two.node(1).events.includes('down 2'));
    await until('at the longest pause', () => downs(two.node(1)) >= 6);
    const again = await listen(port);
    closings.push(() => again.end());
    const sinceMs = performance.now();
    serve(again, two.node(2).transport);
    await connected(two.node(1), 2);
    console.log(`listening again: back after ${(performance.now() - sinceMs).toFixed(0)} ms`);
    expect(two.node(1).transport.send(2, 'data', numbered(3))).toBe(true);
    await until('arrived', () => rounds(two.node(2), 'data').length === 1);
  });

  it('come back at once after the peer was started again', async () => {
    const two = await cluster(2);
    startAll(two);
    await connected(two.node(1), 2);
    const port = Number(found(two.peers.get(2)).split(':')[1]);
    await two.node(2).transport.close();
    found(two.listeners[1]).end();
    await until('at the longest pause', () => downs(two.node(1)) >= 6);
    const again = await listen(port);
    const second = createNode(2, two.peers);
    closings.push(() => again.end());
    closings.push(() => second.transport.close());
    const sinceMs = performance.now();
    serve(again, second.transport);
    start(2, again.address, second);
    await connected(two.node(1), 2);
    const tookMs = performance.now() - sinceMs;
    console.log(`started again: back after ${tookMs.toFixed(0)} ms`);
    expect(tookMs).toBeLessThan(200);
  });

  it('to a peer that never answers leave no socket behind once given up', async () => {
    const sockets: net.Socket[] = [];
    const silent = net.createServer((socket) => sockets.push(socket.resume()));
    const socket = net.connect(await listenOn(silent), '127.0.0.1');
    closings.push(() => void silent.close());
    const ignored = { onFrame: () => {}, onEnd: () => {} };
    const connection = new Connection(socket, 'dialed', systemClock, ignored);
    connection.write(encodeHello(helloOf(1, 2, ''), 'data'));
    await until('connected', () => sockets.length === 1);
    connection.close();
    await until('gone', () => sockets.every(({ readableEnded }) => readableEnded), 1_000);
  });

  it('all end within a second of close', async () => {
    const two = await cluster(2);
    startAll(two);
    await Promise.all([connected(two.node(1), 2), connected(two.node(2), 1)]);
    for (let at = 0; at < 20; at += 1) two.node(1).transport.send(2, 'data', bulk(1024 * 1024));
    const sinceMs = performance.now();
    await two.node(1).transport.close();
    await until('the other side noticed', () => !two.node(2).transport.connected(1));
    expect(performance.now() - sinceMs).toBeLessThan(1_000);
    expect(two.node(1).transport.connected(2)).toBe(false);
    expect(two.node(1).transport.send(2, 'data', numbered(1))).toBe(false);
  });
});

function refusal(two: Cluster, at: number): string | null {
  return found(two.nodes[at]).transport.lastRefusal(at === 0 ? 2 : 1);
}

function refusedBy({ transport }: TestNode, peer: NodeId): string | null {
  return transport.lastRefusal(peer);
}

function downs({ events }: TestNode): number {
  return events.filter((event) => event.startsWith('down')).length;
}
