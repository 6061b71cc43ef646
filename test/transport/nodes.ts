// Transports over real servers on loopback, with what they reported written down, and the waiting
// that tests do: for a condition, up to a deadline.
import net from 'node:net';
import { listenOn } from '../../scripts/harness/listening.ts';
import { systemClock } from '../../src/clock.ts';
import { createEmptyPayload, createPayload, encodeEntry, type LogEntry } from '../../src/entry.ts';
import {
  createTcpTransport,
  type TcpTransport,
  type TcpTransportOptions,
} from '../../src/transport/tcp/tcp-transport.ts';
import type { Hello, Lane, NodeId, PeerBatch, PeerMessage } from '../../src/transport/types.ts';

export interface Received {
  readonly from: NodeId;
  readonly lane: Lane;
  readonly batch: PeerBatch;
}

export interface TestNode {
  readonly transport: TcpTransport;
  readonly received: Received[];
  /** "connected 2 data", "disconnected 2 data", "down 2". */
  readonly events: string[];
  /** Every hello it was asked to judge. */
  readonly hellos: Hello[];
  /** What it says of itself, over the defaults. */
  says: Partial<Hello>;
  /** How it judges. */
  judge: (hello: Hello) => string | null;
}

export interface Listener {
  readonly address: string;
  /** What connections are given to. */
  transport: TcpTransport | null;
  /** With its connections. */
  end(): void;
}

/** Port 0 = any. */
export async function listen(port = 0): Promise<Listener> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    if (listener.transport === null) socket.destroy();
    else listener.transport.accept(socket);
  });
  const listener: Listener = {
    address: `127.0.0.1:${await listenOn(server, port)}`,
    transport: null,
    end() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return listener;
}

export function serve(listener: Listener, transport: TcpTransport): void {
  listener.transport = transport;
}

/** Not started yet. */
export function createNode(
  self: NodeId,
  peers: ReadonlyMap<NodeId, string>,
  options: Partial<TcpTransportOptions> = {},
): TestNode {
  const clock = systemClock;
  const transport = createTcpTransport({ self, peers, clock, random: Math.random, ...options });
  return { transport, received: [], events: [], hellos: [], says: {}, judge: () => null };
}

export function start(self: NodeId, address: string, node: TestNode): void {
  const { transport, received, events, hellos } = node;
  transport.start({
    hello: (to) => ({ ...helloOf(self, to, address), ...node.says }),
    onHello(hello) {
      hellos.push(hello);
      return node.judge(hello);
    },
    onBatch: (from, lane, batch) => received.push({ from, lane, batch }),
    onConnected: (peer, lane) => events.push(`connected ${peer} ${lane}`),
    onDisconnected: (peer, lane) => events.push(`disconnected ${peer} ${lane}`),
    onProcessDown: (peer) => events.push(`down ${peer}`),
  });
}

export function helloOf(node: NodeId, to: NodeId, address: string): Hello {
  const storeUuid = Uint8Array.from({ length: 16 }, () => node);
  return {
    ...{ version: 1, cluster: 'test', node, to, storeUuid, founding: null, address },
    ...{ partitionCount: 64, mapping: 'mix' },
  };
}

/** Resolves once `holds`, rejects after `deadlineMs`. */
export async function until(what: string, holds: () => boolean, deadlineMs = 5_000): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A batch of one message that carries a number. */
export function numbered(round: number): PeerBatch {
  return batchOf({ type: 'HeartbeatOk', from: 1, to: 2, term: 1, round });
}

/** A batch of one append with one entry of `bytes` of commands. */
export function bulk(bytes: number): PeerBatch {
  const entries = [entryOf(0, 1, Buffer.alloc(bytes, 'x'))];
  const fields = { from: 1, to: 2, term: 1, prevIndex: 0, prevTerm: 0, commit: 0 };
  return batchOf({ type: 'Append', ...fields, entries });
}

export function batchOf(message: PeerMessage): PeerBatch {
  return { wallMs: 1, partitions: [0], messages: [message] };
}

export function entryOf(partition: number, index: number, command: Uint8Array): LogEntry {
  const payload =
    command.length === 0
      ? createEmptyPayload()
      : createPayload(new Uint8Array(0), [command], command.length);
  const chain = new Uint8Array(16);
  const payloadBytes = command.length;
  const entry: LogEntry = { index, term: 1, kind: 1, timeMs: 1, payload, payloadBytes, chain };
  encodeEntry(partition, entry);
  return entry;
}

/** The rounds of the numbered batches that arrived on a lane. */
export function rounds(node: TestNode, lane: Lane): number[] {
  const messages = node.received.filter((r) => r.lane === lane).flatMap((r) => r.batch.messages);
  return messages.flatMap((m) => (m.type === 'HeartbeatOk' ? [m.round] : []));
}

/** Every entry of a batch, encoded. */
export function entryBytes(batch: PeerBatch | undefined): Buffer[] {
  const appends = (batch?.messages ?? []).flatMap((m) => (m.type === 'Append' ? [m] : []));
  return appends.flatMap((append) => append.entries.map((entry) => encodeEntry(0, entry)));
}
