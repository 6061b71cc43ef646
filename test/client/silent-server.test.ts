// A server that takes connections and says nothing, as the kernel does for a stopped process, beside one that
// answers: nothing waits for it longer than a connection may take.
import net from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { PacelineError } from '../../src/errors.ts';
import { subscribePath } from '../../src/gen/services.ts';

let server: net.Server;
let address = '';
const sockets = new Set<net.Socket>();

beforeEach(async () => {
  server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const listening = server.address();
  address = `127.0.0.1:${listening !== null && typeof listening === 'object' ? listening.port : 0}`;
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

test('a stream to it ends with UNREACHABLE, once', async () => {
  const transport = createGrpcClientTransport(100);
  const startedMs = performance.now();
  const ends: PacelineError[] = [];
  await new Promise<void>((resolve) => {
    const onEnd = (error: PacelineError) => {
      ends.push(error);
      resolve();
    };
    transport.openStream(address, subscribePath, { onResponse: () => {}, onEnd });
  });
  expect(performance.now() - startedMs).toBeLessThan(2000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(ends.map(({ reason, message }) => [reason, message])).toEqual([
    ['UNREACHABLE', 'no connection within 100 ms'],
  ]);
  transport.close();
});

test('a stream that is closed before says nothing more', async () => {
  const transport = createGrpcClientTransport(50);
  let ends = 0;
  const events = { onResponse: () => {}, onEnd: () => (ends += 1) };
  transport.openStream(address, subscribePath, events).close();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(ends).toBe(0);
  transport.close();
});
