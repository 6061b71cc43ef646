// The transport between nodes over the lab's network: to each peer two lanes, which this node dials and
// sends on, hellos judged by both ends, frames as on the wire. As over sockets, a process that refuses a
// connect, or leaves it unanswered for 50 ms, is told from one that is silent.
import {
  decodeFrame,
  encodeBatchFrame,
  encodeHello,
  type Frame,
} from '../transport/frame-codec.ts';
import { lengthBytes } from '../transport/frame-reader.ts';
import { decodeBatch } from '../transport/message-codec.ts';
import type { Lane, NodeId, PeerBatch, Transport, TransportEvents } from '../transport/types.ts';
import type { Machine } from './machine.ts';
import type { Connection, End, Network } from './network.ts';

const processDownMs = 50;
const connectMs = 500;
const pauseMs = { min: 50, max: 500 } as const;

export const peerService = 'peer';

export interface PeerWatch {
  sent(batch: PeerBatch): void;
  received(batch: PeerBatch): void;
  down(peer: NodeId): void;
}

export interface PeerTransportOptions {
  readonly self: NodeId;
  readonly addresses: ReadonlyMap<NodeId, string>;
  readonly machine: Machine;
  readonly network: Network;
  /** Told before what it tells of happens. */
  readonly watch: PeerWatch;
}

export class PeerTransport implements Transport {
  private readonly options: PeerTransportOptions;
  private readonly dialers: Readonly<Record<Lane, Map<NodeId, Dialer>>> = {
    control: new Map(),
    data: new Map(),
  };
  private readonly accepted = new Map<string, Connection>();
  private readonly refusals = new Map<NodeId, string | null>();
  private events: TransportEvents | null = null;

  constructor(options: PeerTransportOptions) {
    this.options = options;
  }

  start(events: TransportEvents): void {
    this.events = events;
    const { addresses, self } = this.options;
    for (const [id, address] of addresses) {
      if (id === self) continue;
      const onAbsent = () => {
        if (!this.dialer(id, 'control')?.stands && !this.dialer(id, 'data')?.stands) {
          this.options.watch.down(id);
          events.onProcessDown(id);
        }
      };
      for (const lane of ['control', 'data'] as const) {
        const target = { id, address, lane, onAbsent };
        const refused = (reason: string | null) => this.refusals.set(id, reason);
        this.dialers[lane].set(id, new Dialer(this.options, events, target, refused));
      }
    }
    for (const dialer of this.allDialers) dialer.dial();
  }

  send(to: NodeId, lane: Lane, batch: PeerBatch): boolean {
    return this.dialer(to, lane)?.send(batch) ?? false;
  }

  helloChanged(): void {
    for (const dialer of this.allDialers) dialer.helloAgain();
  }

  connected(peer: NodeId): boolean {
    return (
      this.dialer(peer, 'control')?.stands === true && this.dialer(peer, 'data')?.stands === true
    );
  }

  lastRefusal(peer: NodeId): string | null {
    return this.refusals.get(peer) ?? null;
  }

  async close(): Promise<void> {
    for (const dialer of this.allDialers) dialer.close();
    for (const connection of this.accepted.values()) connection.close();
  }

  /** The other end of a peer's lane: nothing is passed on before its hello was judged good. */
  accept(connection: Connection): End {
    let sender: { readonly id: NodeId; readonly lane: Lane } | null = null;
    return {
      onMessage: ({ bytes }) => {
        const { events } = this;
        const frame = read(bytes);
        if (frame === null || events === null) connection.close();
        else if (frame.kind === 'hello') {
          const { hello, lane } = frame;
          if (events.onHello(hello) !== null) {
            connection.close();
            return;
          }
          const name = `${hello.node} ${lane}`;
          if (this.accepted.get(name) !== connection) this.accepted.get(name)?.close();
          this.accepted.set(name, connection);
          sender = { id: hello.node, lane };
          connection.send({ bytes: encodeHello(events.hello(hello.node), lane) });
          this.dialer(hello.node, 'control')?.dialNow();
          this.dialer(hello.node, 'data')?.dialNow();
        } else if (sender !== null && frame.kind === 'batch') {
          const batch = decodeBatch(frame.bytes);
          if (batch === null) return;
          this.options.watch.received(batch);
          events.onBatch(sender.id, sender.lane, batch);
        }
      },
      onEnd: () => {},
    };
  }

  private dialer(peer: NodeId, lane: Lane): Dialer | undefined {
    return this.dialers[lane].get(peer);
  }

  /** Both lanes of a peer, then those of the next. */
  private get allDialers(): Dialer[] {
    const { control, data } = this.dialers;
    return [...control].flatMap(([id, dialer]) => [dialer, data.get(id) ?? dialer]);
  }
}

interface Target {
  readonly id: NodeId;
  readonly address: string;
  readonly lane: Lane;
  readonly onAbsent: () => void;
}

/** One lane to one peer, kept up. */
class Dialer {
  stands = false;
  private readonly options: PeerTransportOptions;
  private readonly events: TransportEvents;
  private readonly target: Target;
  private readonly refused: (reason: string | null) => void;
  private connection: Connection | null = null;
  private waiting: { cancel(): void } | null = null;
  private attempts = 0;
  private closed = false;
  /** Tells what belongs to an earlier attempt. */
  private attempt = 0;

  constructor(
    options: PeerTransportOptions,
    events: TransportEvents,
    target: Target,
    refused: (reason: string | null) => void,
  ) {
    this.options = options;
    this.events = events;
    this.target = target;
    this.refused = refused;
  }

  send(batch: PeerBatch): boolean {
    if (!this.stands || this.connection === null) return false;
    this.options.watch.sent(batch);
    this.connection.send({ bytes: encodeBatchFrame(batch), lossy: true });
    return true;
  }

  dial(): void {
    if (this.closed) return;
    const { machine, network } = this.options;
    const { address, onAbsent } = this.target;
    this.waiting = null;
    this.attempt += 1;
    const { attempt } = this;
    const end: End = {
      onMessage: ({ bytes }) => this.onAnswer(attempt, bytes),
      onEnd: () => this.onEnd(attempt),
    };
    const unanswered = machine.after(processDownMs, () => machine.soon(onAbsent));
    const givenUp = machine.after(connectMs, () => {
      giveUp();
      this.pause();
    });
    const giveUp = network.connect(machine, address, peerService, end, (result) => {
      unanswered.cancel();
      givenUp.cancel();
      if (this.closed) return;
      if (result.kind === 'refused') {
        onAbsent();
        this.pause();
        return;
      }
      this.connection = result.connection;
      this.sayHello();
    });
  }

  dialNow(): void {
    if (this.waiting === null) return;
    this.waiting.cancel();
    this.dial();
  }

  helloAgain(): void {
    if (this.connection === null) this.dialNow();
    else this.sayHello();
  }

  close(): void {
    this.closed = true;
    this.waiting?.cancel();
    this.connection?.close();
    this.connection = null;
    this.stands = false;
  }

  private sayHello(): void {
    const { id, lane } = this.target;
    this.connection?.send({ bytes: encodeHello(this.events.hello(id), lane) });
  }

  private onAnswer(attempt: number, bytes: Buffer): void {
    if (attempt !== this.attempt || this.connection === null) return;
    const answer = read(bytes);
    const reason = answer?.kind === 'hello' ? this.events.onHello(answer.hello) : 'no hello';
    if (reason !== null) {
      this.refused(reason);
      this.connection.close();
      this.onEnd(attempt);
      return;
    }
    if (this.stands) return;
    this.refused(null);
    this.stands = true;
    this.attempts = 0;
    this.events.onConnected(this.target.id, this.target.lane);
  }

  private onEnd(attempt: number): void {
    if (attempt !== this.attempt || this.closed) return;
    const stood = this.stands;
    this.stands = false;
    this.connection = null;
    if (stood) {
      this.dial();
      this.events.onDisconnected(this.target.id, this.target.lane);
    } else {
      this.pause();
    }
  }

  private pause(): void {
    if (this.closed || this.waiting !== null) return;
    const { machine } = this.options;
    const ceilingMs = Math.min(pauseMs.max, pauseMs.min * 2 ** this.attempts);
    this.attempts = Math.min(this.attempts + 1, 8);
    const delayMs = pauseMs.min + machine.random.next() * (ceilingMs - pauseMs.min);
    this.waiting = machine.after(delayMs, () => this.dial());
  }
}

/** The lab's network keeps frames whole. */
function read(bytes: Buffer): Frame | null {
  return decodeFrame(bytes.subarray(lengthBytes));
}
