// One lane to one peer, kept up: probe, connect, say hello, wait for the peer's, and again after a
// pause whenever it ends. Only a lane whose hello was answered with a good one carries batches.
import { status as Status, type StatusObject } from '@grpc/grpc-js';
import type { Clock, Timer } from '../../clock.ts';
import {
  decodeResponse,
  encodeBatchRequest,
  encodeHelloRequest,
  type LaneHello,
} from '../frame-codec.ts';
import type { Hello, Lane, PeerBatch } from '../types.ts';
import { type Connection, openConnection } from './connection.ts';
import type { PeerWatch } from './peer-watch.ts';

/** Above the time in which keepalive finds that nobody answers. */
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
    connection.write(encodeBatchRequest(batch));
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
    const connection = openConnection(address, {
      onFrame: (bytes) => this.#onAnswer(connection, bytes),
      onEnd: (status) => this.#onEnd(connection, status),
    });
    const timer = clock.after(helloMs, () => this.#lose(connection));
    this.#state = { kind: 'opening', connection, timer };
    connection.write(this.#helloFrame());
  }

  #helloFrame(): Buffer {
    return encodeHelloRequest(this.#options.hello(), this.#options.lane);
  }

  #onAnswer(connection: Connection, bytes: Buffer): void {
    const answer = decodeResponse(bytes);
    const reason = answer === null ? 'its answer is no hello' : this.#options.judge(answer);
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

  #onEnd(connection: Connection, status: StatusObject): void {
    if (status.code === Status.FAILED_PRECONDITION) this.#options.onRefused(status.details);
    this.#lose(connection);
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
