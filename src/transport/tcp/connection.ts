// One TCP connection between two nodes, at either end: frames out, frames in, and whether the other end still
// reads. Who dialed says again and again that it lives, and is answered each time; what else it sends is answered
// once a second too. So a peer behind a slow network is told from one that stopped, however much is on its way.
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../clock.ts';
import { decodeFrame, encodeAlive, encodeRefusal, type Frame } from '../frame-codec.ts';
import { FrameReader } from '../frame-reader.ts';

/** A frame of more bytes is none of this protocol. */
const frameBytesMax = 16 * 1024 * 1024;
/** The same before the peer is known. */
const strangeBytesMax = 64 * 1024;
/** How often each end looks whether something came; who dialed says then that it lives. */
const lookMs = { dialed: 1_500, accepted: 5_000 } as const;
/** A connection that is as silent at one look more has ended. */
const silentLooksMax = 2;
/** What says nothing of life is answered this often. */
const answerMs = 1_000;
/** Answers that the other end has not read. */
const answerBytesMax = 256 * 1024;
/** In which a refusal can be read. */
const lingerMs = 1_000;

/** What is not for the connection itself. */
export type Received = Exclude<Frame, { kind: 'alive' }>;

export interface ConnectionEvents {
  /** null: something that is no frame of this protocol. */
  onFrame(frame: Received | null): void;
  /** At most once; never after close() or refuse(). */
  onEnd(): void;
}

export class Connection {
  private readonly socket: Socket;
  private readonly end: keyof typeof lookMs;
  private readonly clock: Clock;
  private readonly events: ConnectionEvents;
  private readonly reader = new FrameReader(strangeBytesMax);
  private open = true;
  /** Looks since something came. */
  private silentLooks = 0;
  /** When this end last answered. */
  private answeredMs = 0;
  private timer: Timer | null = null;

  constructor(socket: Socket, end: keyof typeof lookMs, clock: Clock, events: ConnectionEvents) {
    this.socket = socket;
    this.end = end;
    this.clock = clock;
    this.events = events;
    socket.setNoDelay();
    this.watch();
    socket.on('data', (chunk) => this.take(chunk));
    // 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => this.lose());
  }

  /** Bytes given to write() that have not left this process. */
  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  write(frame: Buffer): void {
    if (!this.open) return;
    this.socket.write(frame);
    if (this.end === 'accepted' && this.queuedBytes > answerBytesMax) this.lose();
  }

  /** The peer is one of the cluster: its frames may be large. */
  trust(): void {
    this.reader.bytesMax = frameBytesMax;
  }

  /** Says why, and ends; who does not end it too is cut off. */
  refuse(reason: string): void {
    if (!this.open) return;
    this.shut();
    this.socket.end(encodeRefusal(reason));
    const cut = this.clock.after(lingerMs, () => this.socket.destroy());
    this.socket.on('close', () => cut.cancel());
  }

  close(): void {
    this.shut();
    this.socket.destroy();
  }

  private shut(): void {
    this.open = false;
    this.timer?.cancel();
  }

  private lose(): void {
    if (!this.open) return;
    this.close();
    this.events.onEnd();
  }

  private take(chunk: Buffer): void {
    if (!this.open) return;
    this.silentLooks = 0;
    let saysAlive = false;
    const isFramed = this.reader.push(chunk, (bytes) => {
      const frame = decodeFrame(bytes);
      if (frame?.kind === 'alive') saysAlive = true;
      else this.events.onFrame(frame);
      return this.open;
    });
    if (!isFramed) this.events.onFrame(null);
    if (this.end === 'accepted') this.answer(saysAlive);
  }

  private watch(): void {
    // What came while this process was busy is taken in first.
    this.timer = this.clock.after(lookMs[this.end], () => this.clock.soon(() => this.look()));
  }

  private look(): void {
    if (!this.open) return;
    if (this.silentLooks === silentLooksMax) {
      this.lose();
      return;
    }
    this.silentLooks += 1;
    if (this.end === 'dialed') this.write(encodeAlive());
    this.watch();
  }

  /** `asked`: the other end waits for it. */
  private answer(asked: boolean): void {
    const nowMs = this.clock.monotonicMs();
    if (!asked && nowMs - this.answeredMs < answerMs) return;
    this.answeredMs = nowMs;
    this.write(encodeAlive());
  }
}
