// One lane to one peer, kept up: probe, connect, say hello, wait for the peer's, and again after a
// pause whenever it ends. Only a lane whose hello was answered with a good one carries batches.
import net from 'node:net';
import { placeAt } from '../../address.ts';
import type { Clock, Timer } from '../../clock.ts';
import { encodeBatchFrame, encodeHello, type LaneHello } from '../frame-codec.ts';
import type { Hello, Lane, PeerBatch } from '../types.ts';
import { Connection, type Received } from './connection.ts';
import type { PeerWatch } from './peer-watch.ts';

/** Above the time in which a connection finds that nobody answers. */
const helloMs = 5_000;

export interface ReconnectMs {
  readonly min: number;
  readonly max: number;
}

export interface DialerOptions {
  /** host:port */
  readonly address: string;
  readonly lane: Lane;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly reconnectMs: ReconnectMs;
  /** Asked before a frame is encoded, so the queue may pass it by one frame. */
  readonly queueBytesMax: number;
  readonly watch: PeerWatch;
  /** What this node says of itself to that peer, now. */
  readonly hello: () => Hello;
  /** A string refuses the peer's answer and says why. */
  readonly judge: (answer: LaneHello) => string | null;
  readonly onConnected: () => void;
  readonly onDisconnected: () => void;
  /** By the peer, or by `judge`. */
  readonly onRefused: (reason: string) => void;
}

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'probing'; dial: boolean }
  | { readonly kind: 'opening'; readonly connection: Connection; readonly timer: Timer }
  | { readonly kind: 'connected'; readonly connection: Connection; readonly sinceMs: number };

export class Dialer {
  readonly #options: DialerOptions;
  #state: State = { kind: 'closed' };
  /** Attempts since a connection last stood for long. */
  #attempts = 0;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#state.kind === 'connected';
  }

  start(): void {
    this.#probe(true);
  }

  /** False: not connected, or queueBytesMax is reached. */
  send(batch: PeerBatch): boolean {
    if (this.#state.kind !== 'connected') return false;
    const { connection } = this.#state;
    if (connection.queuedBytes >= this.#options.queueBytesMax) return false;
    connection.write(encodeBatchFrame(batch));
    return true;
  }

  /** Says hello again where a connection is, else tries now: the refusal's cause may be gone. */
  helloAgain(): void {
    if (this.#state.kind === 'opening' || this.#state.kind === 'connected') {
      this.#state.connection.write(this.#helloFrame());
    } else {
      this.dialNow();
    }
  }

  /** Ends a pause between attempts. */
  dialNow(): void {
    if (this.#state.kind === 'probing') this.#state.dial = true;
    if (this.#state.kind !== 'waiting') return;
    this.#state.timer.cancel();
    this.#probe(true);
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    if (state.kind === 'waiting' || state.kind === 'opening') state.timer.cancel();
    if (state.kind === 'opening' || state.kind === 'connected') state.connection.close();
  }

  #probe(dial: boolean): void {
    const probing: State = { kind: 'probing', dial };
    this.#state = probing;
    this.#options.watch.probe((reachable) => {
      if (this.#state !== probing) return;
      if (reachable && probing.dial) this.#open();
      else this.#pause();
    });
  }

  #pause(): void {
    const { clock, random, reconnectMs } = this.#options;
    const ceilingMs = Math.min(reconnectMs.max, reconnectMs.min * 2 ** this.#attempts);
    const delayMs = reconnectMs.min + random() * (ceilingMs - reconnectMs.min);
    this.#attempts += 1;
    const timer = clock.after(delayMs, () => this.#probe(true));
    this.#state = { kind: 'waiting', timer };
  }

  #open(): void {
    const { address, clock } = this.#options;
    const connection = new Connection(net.connect(placeAt(address)), 'dialed', clock, {
      onFrame: (frame) => this.#onFrame(connection, frame),
      onEnd: () => this.#lose(connection),
    });
    const timer = clock.after(helloMs, () => this.#lose(connection));
    this.#state = { kind: 'opening', connection, timer };
    connection.write(this.#helloFrame());
  }

  #helloFrame(): Buffer {
    return encodeHello(this.#options.hello(), this.#options.lane);
  }

  #onFrame(connection: Connection, frame: Received | null): void {
    const reason =
      frame?.kind === 'hello'
        ? this.#options.judge(frame)
        : frame?.kind === 'refusal'
          ? frame.reason
          : 'its answer is no hello';
    if (reason !== null) {
      this.#options.onRefused(reason);
      this.#lose(connection);
      return;
    }
    if (this.#state.kind !== 'opening' || this.#state.connection !== connection) return;
    this.#state.timer.cancel();
    const sinceMs = this.#options.clock.monotonicMs();
    this.#state = { kind: 'connected', connection, sinceMs };
    this.#options.onConnected();
  }

  #lose(connection: Connection): void {
    const state = this.#state;
    if (state.kind !== 'opening' && state.kind !== 'connected') return;
    if (state.connection !== connection) return;
    connection.close();
    if (state.kind === 'opening') {
      state.timer.cancel();
      this.#probe(false);
      return;
    }
    // One that ends soon after each connect is dialed again only with growing pauses.
    const { clock, reconnectMs, onDisconnected } = this.#options;
    const stood = clock.monotonicMs() - state.sinceMs >= reconnectMs.max;
    if (stood) this.#attempts = 0;
    this.#probe(stood);
    onDisconnected();
  }
}
