// The transport over gRPC: to every peer one connection for each lane, which this node dials and
// sends on; from every peer the same, accepted by the node's one server through `service`.
import {
  type ServiceDefinition,
  status as Status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { assert } from '../../assert.ts';
import type { Clock } from '../../clock.ts';
import type { Hello, Lane, NodeId, Transport, TransportEvents } from '../types.ts';
import { Acceptor, type ConnectCall } from './acceptor.ts';
import { connectPath, messageBytesMax } from './connection.ts';
import { Dialer, type ReconnectMs } from './dialer.ts';
import { createPeerWatch, type PeerWatch } from './peer-watch.ts';

export interface GrpcTransportOptions {
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

/** To be added to the node's server. */
export interface PeerService {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface GrpcTransport extends Transport {
  readonly service: PeerService;
}

/**
 * What the server that carries `service` must be made with. Whoever dialed pings to know that it is still
 * heard; the server's pings only find connections whose other end is gone, so they may be rare.
 */
export const peerServerOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

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

export function createGrpcTransport(options: GrpcTransportOptions): GrpcTransport {
  let running: Running | null = null;
  const peer = (id: NodeId) => running?.peers.get(id) ?? null;
  const everyPeer = () => [...(running?.peers.values() ?? [])];
  return {
    service: createService(() => running?.acceptor ?? null),
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
    close() {
      for (const known of everyPeer()) closePeer(known);
      running?.acceptor.close();
      // One turn, in which the statuses of the ended streams leave.
      return new Promise((resolve) => options.clock.soon(resolve));
    },
  };
}

function createService(acceptor: () => Acceptor | null): PeerService {
  const frames = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  const connect = (call: ConnectCall) => {
    const accepting = acceptor();
    if (accepting !== null) accepting.accept(call);
    else call.emit('error', { code: Status.UNAVAILABLE, details: 'the node is starting' });
  };
  return {
    definition: {
      Connect: { path: connectPath, requestStream: true, responseStream: true, ...frames },
    },
    handlers: { Connect: connect },
  };
}

function run(options: GrpcTransportOptions, events: TransportEvents): Running {
  const peers = new Map<NodeId, Peer>();
  for (const [id, address] of options.peers) {
    if (id !== options.self) peers.set(id, createPeer(options, events, id, address));
  }
  const acceptor = new Acceptor({
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
  options: GrpcTransportOptions,
  events: TransportEvents,
  id: NodeId,
  address: string,
): Peer {
  const { clock, random, self, queueBytesMax = 64 * 1024 * 1024, processDownMs = 50 } = options;
  const reconnectMs = options.reconnectMs ?? { min: 50, max: 500 };
  const refusals: Peer['refusals'] = { outgoing: null, incoming: null };
  const onAbsent = () => {
    // A process with a stream that stands is not dead, even if it no longer listens.
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

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
