// The receiving side of Connect: nothing of a stream is passed on before its hello was judged good,
// and of two streams of one peer and lane only the newer lives.
import { type ServerDuplexStream, status as Status } from '@grpc/grpc-js';
import { decodeRequest, encodeHelloResponse, type LaneHello } from '../frame-codec.ts';
import { decodeBatch } from '../message-codec.ts';
import type { Hello, Lane, NodeId, PeerBatch } from '../types.ts';

export type ConnectCall = ServerDuplexStream<Buffer, Buffer>;

export interface AcceptorOptions {
  /** What this node says of itself to that peer, now. */
  readonly hello: (to: NodeId) => Hello;
  /** A string refuses the hello and says why. */
  readonly judge: (said: LaneHello) => string | null;
  readonly onAccepted: (from: NodeId) => void;
  readonly onRefused: (from: NodeId, reason: string) => void;
  readonly onBatch: (from: NodeId, lane: Lane, batch: PeerBatch) => void;
}

interface Sender {
  readonly node: NodeId;
  readonly lane: Lane;
}

type Phase =
  | { readonly kind: 'strange' }
  | { readonly kind: 'known'; readonly sender: Sender }
  | { readonly kind: 'ended' };

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #streams = new Set<Incoming>();
  #closed = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  accept(call: ConnectCall): void {
    const incoming = new Incoming(call, this.#options, {
      onKnown: (sender) => this.#endOlder(incoming, sender),
      onEnd: () => this.#streams.delete(incoming),
    });
    this.#streams.add(incoming);
    if (this.#closed) incoming.end(Status.UNAVAILABLE, 'the node is stopping');
  }

  close(): void {
    this.#closed = true;
    for (const incoming of this.#streams) incoming.end(Status.UNAVAILABLE, 'the node is stopping');
  }

  #endOlder(newer: Incoming, { node, lane }: Sender): void {
    for (const incoming of this.#streams) {
      const { sender } = incoming;
      if (incoming === newer || sender?.node !== node || sender.lane !== lane) continue;
      incoming.end(Status.ABORTED, 'a newer connection of this lane took its place');
    }
  }
}

interface IncomingEvents {
  readonly onKnown: (sender: Sender) => void;
  readonly onEnd: () => void;
}

class Incoming {
  readonly #call: ConnectCall;
  readonly #options: AcceptorOptions;
  readonly #events: IncomingEvents;
  #phase: Phase = { kind: 'strange' };

  constructor(call: ConnectCall, options: AcceptorOptions, events: IncomingEvents) {
    this.#call = call;
    this.#options = options;
    this.#events = events;
    call.on('data', (bytes: Buffer) => this.#onFrame(bytes));
    call.on('end', () => this.end(Status.OK, ''));
    call.on('cancelled', () => this.end(Status.CANCELLED, ''));
  }

  get sender(): Sender | null {
    return this.#phase.kind === 'known' ? this.#phase.sender : null;
  }

  end(code: Status, details: string): void {
    if (this.#phase.kind === 'ended') return;
    this.#phase = { kind: 'ended' };
    this.#events.onEnd();
    // This is how a status is given to grpc-js; the stream itself listens to it.
    this.#call.emit('error', { code, details });
  }

  #onFrame(bytes: Buffer): void {
    if (this.#phase.kind === 'ended') return;
    const frame = decodeRequest(bytes);
    if (frame === null) this.end(Status.INVALID_ARGUMENT, 'not a frame of this protocol');
    else if (frame.kind === 'hello') this.#onHello(frame);
    else this.#onBatch(frame.bytes);
  }

  #onHello({ hello, lane }: LaneHello): void {
    const { sender } = this;
    const reason =
      sender !== null && (sender.node !== hello.node || sender.lane !== lane)
        ? 'a stream belongs to one node and one lane'
        : this.#options.judge({ hello, lane });
    if (reason !== null) {
      this.end(Status.FAILED_PRECONDITION, reason);
      this.#options.onRefused(hello.node, reason);
      return;
    }
    this.#phase = { kind: 'known', sender: { node: hello.node, lane } };
    this.#events.onKnown({ node: hello.node, lane });
    this.#call.write(encodeHelloResponse(this.#options.hello(hello.node), lane));
    this.#options.onAccepted(hello.node);
  }

  #onBatch(bytes: Uint8Array): void {
    if (this.#phase.kind !== 'known') {
      this.end(Status.FAILED_PRECONDITION, 'the first frame is a hello');
      return;
    }
    const batch = decodeBatch(bytes);
    if (batch === null) {
      this.end(Status.DATA_LOSS, 'a batch arrived damaged');
      return;
    }
    const { node, lane } = this.#phase.sender;
    this.#options.onBatch(node, lane, batch);
  }
}
