// Whether the other end of a connection still reads: found out whatever is on its way, by both ends.
import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { listenOn } from '../../scripts/harness/listening.ts';
import type { Clock } from '../../src/clock.ts';
import { encodeBatchFrame } from '../../src/transport/frame-codec.ts';
import { Connection, type Received } from '../../src/transport/tcp/connection.ts';
import { FakeClock } from '../client/fake-clock.ts';
import { bulk, numbered, until } from './nodes.ts';

const closings: (() => void)[] = [];

afterEach(() => {
  for (const close of closings.splice(0).reverse()) close();
});

interface End {
  readonly connection: Connection;
  readonly socket: net.Socket;
  readonly frames: (Received | null)[];
  ended: boolean;
}

/** Both ends of one connection, each with a clock of its own. */
async function pair() {
  const clocks = { dialed: new FakeClock(), accepted: new FakeClock() };
  const server = net.createServer();
  const port = await listenOn(server);
  closings.push(() => server.close());
  const come = new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  const dialed = endOf(net.connect(port, '127.0.0.1'), 'dialed', clocks.dialed);
  const accepted = endOf(await come, 'accepted', clocks.accepted);
  return { clocks, dialed, accepted };
}

function endOf(socket: net.Socket, end: 'dialed' | 'accepted', clock: Clock): End {
  const frames: (Received | null)[] = [];
  const connection = new Connection(socket, end, clock, {
    onFrame: (frame) => {
      frames.push(frame);
      if (frame === null) connection.close();
    },
    onEnd: () => {
      made.ended = true;
    },
  });
  const made: End = { connection, socket, frames, ended: false };
  closings.push(() => connection.close());
  return made;
}

/** One look of who dialed, and what it asks for is answered. */
async function look({ clocks, dialed }: Awaited<ReturnType<typeof pair>>): Promise<void> {
  const before = dialed.socket.bytesRead;
  await clocks.dialed.pass(1_500);
  await clocks.accepted.pass(1_500);
  await until('answered', () => dialed.socket.bytesRead > before);
}

test('stands while the other end reads, without anything to say', async () => {
  const both = await pair();
  for (let round = 0; round < 8; round += 1) await look(both);
  expect([both.dialed.ended, both.accepted.ended]).toEqual([false, false]);
  expect([...both.dialed.frames, ...both.accepted.frames]).toEqual([]);
});

test('each look is answered, whatever was answered just before', async () => {
  const both = await pair();
  const { clocks, dialed, accepted } = both;
  for (let round = 0; round < 8; round += 1) {
    const before = dialed.socket.bytesRead;
    await clocks.dialed.pass(1_400);
    await clocks.accepted.pass(1_400);
    dialed.connection.write(encodeBatchFrame(numbered(round)));
    await until('answered', () => dialed.socket.bytesRead > before);
    const answered = dialed.socket.bytesRead;
    await clocks.dialed.pass(100);
    await clocks.accepted.pass(100);
    await until('answered again', () => dialed.socket.bytesRead > answered);
  }
  expect([dialed.ended, accepted.frames.length]).toEqual([false, 8]);
});

test('ends at the third silent look once the other end reads nothing, however much is on its way', async () => {
  const { clocks, dialed, accepted } = await pair();
  accepted.connection.trust();
  accepted.socket.pause();
  for (let at = 0; at < 12; at += 1) dialed.connection.write(encodeBatchFrame(bulk(1024 * 1024)));
  await clocks.dialed.pass(1_500);
  await clocks.dialed.pass(1_500);
  expect(dialed.ended).toBe(false);
  await clocks.dialed.pass(1_500);
  expect(dialed.ended).toBe(true);
});

test('ends at the side that was dialed once nothing comes any more', async () => {
  const { clocks, accepted } = await pair();
  await clocks.accepted.pass(5_000);
  await clocks.accepted.pass(5_000);
  expect(accepted.ended).toBe(false);
  await clocks.accepted.pass(5_000);
  expect(accepted.ended).toBe(true);
});

test('ends at the side that was dialed where its answers are not read', async () => {
  const { dialed, accepted } = await pair();
  dialed.socket.pause();
  const answer = Buffer.alloc(64 * 1024);
  await until('ended', () => {
    accepted.connection.write(answer);
    return accepted.ended;
  });
});

test('stands while the other end reads one large frame slowly', async () => {
  const both = await pair();
  const { clocks, dialed, accepted } = both;
  accepted.connection.trust();
  accepted.socket.pause();
  dialed.connection.write(encodeBatchFrame(bulk(12 * 1024 * 1024)));
  for (let round = 0; round < 6; round += 1) {
    const before = dialed.socket.bytesRead;
    await clocks.accepted.pass(2_500);
    accepted.socket.once('data', () => accepted.socket.pause());
    accepted.socket.resume();
    await until('some of it was read', () => dialed.socket.bytesRead > before);
    await clocks.dialed.pass(1_500);
    await clocks.dialed.pass(1_000);
  }
  expect(dialed.ended).toBe(false);
  expect(accepted.frames).toEqual([]);
  accepted.socket.resume();
  await until('all of it was read', () => accepted.frames.length === 1);
});

test('a large frame of a stranger is refused before it came', async () => {
  const { dialed, accepted } = await pair();
  dialed.connection.write(encodeBatchFrame(bulk(1024 * 1024)));
  await until('ended', () => dialed.ended);
  expect(accepted.frames).toEqual([null]);
  expect(accepted.socket.bytesRead).toBeLessThan(256 * 1024);
});

test('what is refused is told why, and hears nothing more', async () => {
  const { dialed, accepted } = await pair();
  accepted.connection.refuse('no peer of mine');
  accepted.connection.write(encodeBatchFrame(numbered(1)));
  await until('ended', () => dialed.ended);
  expect(dialed.frames).toEqual([{ kind: 'refusal', reason: 'no peer of mine' }]);
  expect(accepted.ended).toBe(false);
});

test('who is refused and does not end the connection is cut off', async () => {
  const { clocks, dialed, accepted } = await pair();
  const gone = new Promise((resolve) => accepted.socket.once('close', resolve));
  dialed.socket.allowHalfOpen = true;
  accepted.connection.refuse('no peer of mine');
  expect(accepted.socket.destroyed).toBe(false);
  await clocks.accepted.pass(1_000);
  await gone;
});
