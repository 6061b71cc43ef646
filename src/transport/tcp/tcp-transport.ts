// The transport over TCP: to every peer one connection for each lane, which this node dials and sends on; from
// every peer the same, which come in through `accept`.
import type { Socket } from 'node:net';
import { assert } from '../../assert.ts';
import type { Clock } from '../../clock.ts';
import { firstByte } from '../frame-codec.ts';
import type { Hello, Lane, NodeId, Transport, TransportEvents } from '../types.ts';
import { Acceptor } from './acceptor.ts';
import { Dialer, type ReconnectMs } from './dialer.ts';
import { createPeerWatch, type PeerWatch } from './peer-watch.ts';

export interface TcpTransportOptions {
  readonly self: NodeId;
  /** host:port of each node of the cluster; an entry for `self` is passed over. */
  readonly peers: ReadonlyMap<NodeId, string>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** For each lane; 64 MiB where absent. */
  readonly queueBytesMax?: number;
  /** 50 to 500 where absent. */
  readonly reconnectMs?: ReconnectMs;
  /** 50 where absent. */
  readonly processDownMs?: number;
}

export interface TcpTransport extends Transport {
  /** Of every connection that `accept` should be given. */
  readonly firstByte: number;
  /** Takes a connection over from the node's one listener. */
  accept(socket: Socket): void;
}

/** One peer as this node knows it. */
interface Peer {
  readonly watch: PeerWatch;
  readonly control: Dialer;
  readonly data: Dialer;
  /** Each direction may be refused while the other is fine. */
  readonly refusals: { outgoing: string | null; incoming: string | null };
}

interface Running {
  readonly peers: ReadonlyMap<NodeId, Peer>;
  readonly acceptor: Acceptor;
}

export function createTcpTransport(options: TcpTransportOptions): TcpTransport {
  let running: Running | null = null;
  let closed = false;
  const peer = (id: NodeId) => running?.peers.get(id) ?? null;
  const everyPeer = () => [...(running?.peers.values() ?? [])];
  return {
    firstByte,
    accept(socket) {
      if (running === null || closed) socket.destroy();
      else running.acceptor.accept(socket);
    },
    start(events) {
      assert(running === null, 'a transport is started once');
      running = run(options, events);
      for (const { control, data } of everyPeer()) {
        control.start();
        data.start();
      }
    },
    send: (to, lane, batch) => peer(to)?.[lane].send(batch) ?? false,
    helloChanged() {
      for (const { control, data } of everyPeer()) {
        control.helloAgain();
        data.helloAgain();
      }
    },
    connected(id) {
      const known = peer(id);
      return known?.control.connected === true && known.data.connected;
    },
    lastRefusal(id) {
      const refusals = peer(id)?.refusals;
      return refusals?.outgoing ?? refusals?.incoming ?? null;
    },
    async close() {
      closed = true;
      for (const known of everyPeer()) closePeer(known);
      running?.acceptor.close();
    },
  };
}

function run(options: TcpTransportOptions, events: TransportEvents): Running {
  const peers = new Map<NodeId, Peer>();
  for (const [id, address] of options.peers) {
    if (id !== options.self) peers.set(id, createPeer(options, events, id, address));
  }
  const acceptor = new Acceptor({
    clock: options.clock,
    hello: (to) => events.hello(to),
    judge: ({ hello }) => {
      if (hello.to !== options.self) return `this is node ${options.self}, not ${hello.to}`;
      if (!peers.has(hello.node)) return `node ${hello.node} is no peer of node ${options.self}`;
      return judge(events, hello);
    },
    onAccepted: (from) => {
      const peer = peers.get(from);
      if (peer === undefined) return;
      peer.refusals.incoming = null;
      // It is there: a pause in dialing it makes no sense any more.
      peer.control.dialNow();
      peer.data.dialNow();
    },
    onRefused: (from, reason) => {
      const peer = peers.get(from);
      if (peer !== undefined) peer.refusals.incoming = reason;
    },
    onBatch: (from, lane, batch) => events.onBatch(from, lane, batch),
  });
  return { peers, acceptor };
}

function createPeer(
  options: TcpTransportOptions,
  events: TransportEvents,
  id: NodeId,
  address: string,
): Peer {
  const { clock, random, self, queueBytesMax = 64 * 1024 * 1024, processDownMs = 50 } = options;
  const reconnectMs = options.reconnectMs ?? { min: 50, max: 500 };
  const refusals: Peer['refusals'] = { outgoing: null, incoming: null };
  const onAbsent = () => {
    // A process with a connection that stands is not dead, even if it no longer listens.
    if (!control.connected && !data.connected) events.onProcessDown(id);
  };
  const connectMs = Math.max(reconnectMs.max, processDownMs);
  const watch = createPeerWatch({ address, clock, processDownMs, connectMs, onAbsent });
  const createDialer = (lane: Lane) =>
    new Dialer({
      ...{ address, lane, clock, random, reconnectMs, queueBytesMax, watch },
      hello: () => events.hello(id),
      judge: ({ hello }) => {
        if (hello.node !== id) return `this is node ${hello.node}, not ${id}`;
        if (hello.to !== self) return `node ${id} answered to node ${hello.to}, not ${self}`;
        return judge(events, hello);
      },
      onConnected: () => {
        refusals.outgoing = null;
        events.onConnected(id, lane);
      },
      onDisconnected: () => events.onDisconnected(id, lane),
      onRefused: (reason) => {
        refusals.outgoing = reason;
      },
    });
  const [control, data] = [createDialer('control'), createDialer('data')];
  return { watch, control, data, refusals };
}

function judge(events: TransportEvents, hello: Hello): string | null {
  const { version } = events.hello(hello.node);
  if (hello.version !== version) {
    return `node ${hello.node} speaks peer protocol ${hello.version}, not ${version}`;
  }
  return events.onHello(hello);
}

function closePeer({ control, data, watch }: Peer): void {
  control.close();
  data.close();
  watch.close();
}
