// The side that was dialed: nothing of a connection is passed on before its hello was judged good, and of two
// connections of one peer and lane only the newer lives.
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../clock.ts';
import { encodeHello, type LaneHello } from '../frame-codec.ts';
import { decodeBatch } from '../message-codec.ts';
import type { Hello, Lane, NodeId, PeerBatch } from '../types.ts';
import { Connection, type Received } from './connection.ts';

export interface AcceptorOptions {
  readonly clock: Clock;
  /** What this node says of itself to that peer, now. */
  readonly hello: (to: NodeId) => Hello;
  /** A string refuses the hello and says why. */
  readonly judge: (said: LaneHello) => string | null;
  readonly onAccepted: (from: NodeId) => void;
  readonly onRefused: (from: NodeId, reason: string) => void;
  readonly onBatch: (from: NodeId, lane: Lane, batch: PeerBatch) => void;
}

/** Who is connected and does not say who it is for this long is refused. */
const helloMs = 5_000;

interface Sender {
  readonly node: NodeId;
  readonly lane: Lane;
}

export class Acceptor {
  private readonly options: AcceptorOptions;
  private readonly connections = new Set<Incoming>();

  constructor(options: AcceptorOptions) {
    this.options = options;
  }

  accept(socket: Socket): void {
    const incoming = new Incoming(socket, this.options, {
      onKnown: (sender) => this.endOlder(incoming, sender),
      onEnd: () => this.connections.delete(incoming),
    });
    this.connections.add(incoming);
  }

  close(): void {
    for (const incoming of this.connections) incoming.close();
  }

  private endOlder(newer: Incoming, { node, lane }: Sender): void {
    for (const incoming of this.connections) {
      const { sender } = incoming;
      if (incoming === newer || sender?.node !== node || sender.lane !== lane) continue;
      incoming.close();
    }
  }
}

interface IncomingEvents {
  readonly onKnown: (sender: Sender) => void;
  readonly onEnd: () => void;
}

class Incoming {
  /** Whose connection it is; null: nobody's yet. */
  sender: Sender | null = null;
  private readonly connection: Connection;
  private readonly options: AcceptorOptions;
  private readonly events: IncomingEvents;
  private readonly late: Timer;

  constructor(socket: Socket, options: AcceptorOptions, events: IncomingEvents) {
    this.options = options;
    this.events = events;
    this.late = options.clock.after(helloMs, () => this.refuse('no hello came'));
    this.connection = new Connection(socket, 'accepted', options.clock, {
      onFrame: (frame) => this.onFrame(frame),
      onEnd: () => this.end(),
    });
  }

  close(): void {
    this.connection.close();
    this.end();
  }

  private refuse(reason: string): void {
    this.connection.refuse(reason);
    this.end();
  }

  private end(): void {
    this.late.cancel();
    this.events.onEnd();
  }

  private onFrame(frame: Received | null): void {
    if (frame?.kind === 'batch') this.onBatch(frame.bytes);
    else if (frame?.kind === 'hello') this.onHello(frame);
    else this.refuse('not a frame of this protocol');
  }

  private onHello({ hello, lane }: LaneHello): void {
    const { sender } = this;
    const reason =
      sender !== null && (sender.node !== hello.node || sender.lane !== lane)
        ? 'a connection belongs to one node and one lane'
        : this.options.judge({ hello, lane });
    if (reason !== null) {
      this.refuse(reason);
      this.options.onRefused(hello.node, reason);
      return;
    }
    this.late.cancel();
    this.sender = { node: hello.node, lane };
    this.events.onKnown(this.sender);
    this.connection.trust();
    this.connection.write(encodeHello(this.options.hello(hello.node), lane));
    this.options.onAccepted(hello.node);
  }

  private onBatch(bytes: Uint8Array): void {
    if (this.sender === null) {
      this.refuse('the first frame is a hello');
      return;
    }
    const batch = decodeBatch(bytes);
    if (batch === null) {
      this.refuse('a batch arrived damaged');
      return;
    }
    const { node, lane } = this.sender;
    this.options.onBatch(node, lane, batch);
  }
}
