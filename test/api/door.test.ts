// One port for clients and peers: the first byte of a connection tells which.
import net from 'node:net';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, expect, test, vi } from 'vitest';
import { listenOn } from '../../scripts/harness/listening.ts';
import { until } from '../../scripts/harness/until.ts';
import { createApiServer } from '../../src/api/grpc/server.ts';
import { systemClock } from '../../src/clock.ts';
import { type Alone, startAlone } from './alone.ts';

/** A name with more than one address, of which this machine lacks one. */
vi.mock('node:dns/promises', async (original) => {
  const real = await original<typeof import('node:dns/promises')>();
  const lookup = async (host: string, options: { all: true }) =>
    host === 'many.test'
      ? ['192.0.2.1', '127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
      : real.lookup(host, options);
  return { ...real, lookup };
});

const closings: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

/** A node's listener, and what it gave to the peers' side. */
async function open(address = '127.0.0.1:0') {
  const alone: Alone = await startAlone(systemClock);
  const peers: { socket: net.Socket; bytes: string }[] = [];
  const accept = (socket: net.Socket) => {
    const peer = { socket, bytes: '' };
    peers.push(peer);
    socket.on('data', (chunk) => {
      peer.bytes += chunk.toString('hex');
    });
  };
  const server = createApiServer(alone.node, { firstByte: 0, accept }, () => {});
  const port = await server.listen(address);
  closings.push(async () => {
    await server.close();
    for (const { socket } of peers) socket.destroy();
    await alone.stop();
  });
  return { server, port, peers };
}

function connect(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  const seen = { socket, ended: false };
  socket.on('error', () => {});
  socket.on('close', () => {
    seen.ended = true;
  });
  socket.resume();
  closings.push(() => void socket.destroy());
  return seen;
}

function status(port: number): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  closings.push(() => client.close());
  const asIs = (bytes: Buffer) => bytes;
  const path = '/paceline.v1.OperatorService/GetStatus';
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error, answer) => {
      if (error === null) resolve(answer ?? Buffer.alloc(0));
      else reject(error);
    });
  });
}

test('a connection that begins with the byte of peers is theirs, from that byte on', async () => {
  const { port, peers } = await open();
  const { socket } = connect(port);
  socket.write(Buffer.of(0));
  await until('taken over', 5_000, () => peers[0]?.bytes === '00');
  socket.write(Buffer.of(1, 2));
  await until('read on', 5_000, () => peers[0]?.bytes === '000102');
});

test('gRPC is served beside it', async () => {
  const { port, peers } = await open();
  connect(port).socket.write(Buffer.of(0, 0, 0));
  expect((await status(port)).length).toBeGreaterThan(0);
  await until('both', 5_000, () => peers.length === 1);
});

test.each([
  ['HTTP/1', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['TLS', '\x16\x03\x01\x00\x05hello'],
])('%s ends, and the node goes on', async (_name, text) => {
  const { port, peers } = await open();
  const seen = connect(port);
  seen.socket.write(Buffer.from(text, 'latin1'));
  await until('ended', 5_000, () => seen.ended);
  expect((await status(port)).length).toBeGreaterThan(0);
  expect(peers).toEqual([]);
});

test('who says nothing is let go when the node stops', async () => {
  const { port, server } = await open();
  const silent = connect(port);
  const gone = connect(port);
  gone.socket.destroy();
  await new Promise((resolve) => silent.socket.once('connect', resolve));
  await status(port);
  await server.close();
  await until('ended', 5_000, () => silent.ended);
});

test('a name is listened to at every address that the machine has', async () => {
  const { port } = await open('many.test:0');
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const socket = net.connect(port, host);
    closings.push(() => void socket.destroy());
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  }
});

test('an address in use is told, also beside others', async () => {
  const taken = net.createServer();
  const port = await listenOn(taken, 0, '127.0.0.2');
  closings.push(() => void taken.close());
  await expect(open(`many.test:${port}`)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
