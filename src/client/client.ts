// The client: appends coalesced into one frame a leader and tick, retried with the same key until a
// deadline, in order per conversation over failovers and lost streams; reads from any node.
import type { Clock, Timer } from '../clock.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import type { AppendResult, GetStatusResponse, ReadResponse } from '../gen/proto.ts';
import { ReadLevel } from '../gen/proto.ts';
import { rpcs } from '../gen/services.ts';
import { type Append, type Appended, encodeAppend, type PendingAppend } from './append.ts';
import { frameBounds } from './frames.ts';
import { Lane } from './lane.ts';
import { PartitionMap } from './partition-map.ts';
import { appendedOf, refusalOf, type SentGroup, Session, type SessionOwner } from './session.ts';
import type { ClientTransport } from './types.ts';

export interface ClientOptions {
  /** host:port of one node at least. */
  readonly servers: readonly string[];
  readonly transport: ClientTransport;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Names this client in the keys it makes: unique among all clients, such as a UUID. */
  readonly clientId: string;
  /** An append ends after this at the latest; 30 s where not given. */
  readonly appendTimeoutMs?: number;
  readonly readTimeoutMs?: number;
}

export interface Read {
  readonly conversation: string;
  /** Exclusive; 0 = from the start. */
  readonly afterSeq?: number;
  /** 1 to 1,000. */
  readonly limit?: number;
  readonly level?: 'linearizable' | 'eventual';
  /** Ask this server only. */
  readonly server?: string;
}

const expiryMs = 100;
const retryable: ReadonlySet<string> = new Set([
  'NOT_LEADER',
  'NO_LEADER',
  'BUSY',
  'STOPPING',
  'UNREACHABLE',
  'OUTCOME_UNKNOWN',
  'SESSION_ORDER',
]);

export class PacelineClient implements SessionOwner {
  private readonly options: ClientOptions;
  private readonly map: PartitionMap;
  private readonly sessions = new Map<string, Session>();
  private readonly lanes = new Map<number, Lane>();
  private nextNumber = 1;
  private pending = 0;
  private flushing = false;
  private wakeTimer: Timer | null = null;
  private expiryTimer: Timer | null = null;
  private idle: (() => void)[] = [];
  private nextReadServer = 0;
  private closed = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.map = new PartitionMap(options.servers, options.transport, options.clock);
  }

  /**
   * Appends one message and resolves once it is durable on a majority. Appends of one conversation
   * are stored in the order of the calls.
   * Errors: bad input, EXPECTED_SEQ_MISMATCH, IDEMPOTENCY_MISMATCH; UNREACHABLE or NO_LEADER where nothing was
   * stored before the deadline, OUTCOME_UNKNOWN where that cannot be said.
   */
  append(append: Append): Promise<Appended> {
    return new Promise((resolve, reject) => this.start(append, resolve, reject));
  }

  /** The same without a promise for each message. */
  start(
    append: Append,
    resolve: (appended: Appended) => void,
    reject: (error: PacelineError) => void,
  ): void {
    const number = this.nextNumber++;
    const { clock, clientId, appendTimeoutMs = 30_000 } = this.options;
    const deadlineMs = clock.monotonicMs() + appendTimeoutMs;
    this.pending += 1;
    const settle =
      <Value>(call: (value: Value) => void) =>
      (value: Value) => {
        this.settled();
        call(value);
      };
    const refuse = settle(reject);
    const enqueue = () => {
      const { text, partition } = this.map.locate(append.conversation);
      const command = encodeAppend(append, text, append.key ?? `${clientId}-${number}`);
      const fate = { isUnknown: false, ended: false, resolve: settle(resolve), reject: refuse };
      const fixed = { number, conversation: text, partition, command, deadlineMs };
      this.lane(partition).put({ ...fixed, ...fate });
      this.scheduleFlush();
    };
    if (this.map.isLoaded) attempt(enqueue, refuse);
    else this.map.ensure(deadlineMs).then(() => attempt(enqueue, refuse), refuse);
  }

  /** Errors: bad input; UNREACHABLE, NO_LEADER where no server could answer in time. */
  async read(read: Read): Promise<ReadResponse> {
    const level =
      read.level === 'eventual' ? ReadLevel.READ_LEVEL_EVENTUAL : ReadLevel.READ_LEVEL_LINEARIZABLE;
    const { conversation, afterSeq = 0, limit = 100 } = read;
    const request = { conversation, afterSeq, limit, level };
    const { clock, transport, readTimeoutMs = 10_000 } = this.options;
    const deadlineMs = clock.monotonicMs() + readTimeoutMs;
    for (;;) {
      const server = read.server ?? this.readServer();
      try {
        const leftMs = Math.max(1, deadlineMs - clock.monotonicMs());
        return await transport.call(server, rpcs.read, request, leftMs);
      } catch (error) {
        const again = error instanceof PacelineError && retryable.has(error.reason);
        if (!again || clock.monotonicMs() >= deadlineMs || read.server !== undefined) throw error;
        this.nextReadServer += 1;
        await new Promise<void>((resolve) => clock.after(20, resolve));
      }
    }
  }

  status(server: string, timeoutMs: number): Promise<GetStatusResponse> {
    return this.options.transport.call(server, rpcs.getStatus, {}, timeoutMs);
  }

  /** Resolves once every append has ended. */
  drain(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Drains, then closes every connection. */
  async close(): Promise<void> {
    await this.drain();
    this.closed = true;
    this.wakeTimer?.cancel();
    this.expiryTimer?.cancel();
    for (const session of this.sessions.values()) session.close();
    this.options.transport.close();
  }

  // SessionOwner

  onResults(session: Session, group: SentGroup, results: readonly AppendResult[]): void {
    const again: PendingAppend[] = [];
    group.appends.forEach((append, slot) => {
      const result = results[slot];
      const refusal = result === undefined ? lostAnswer : refusalOf(result);
      if (refusal === null && result !== undefined) finish(append, appendedOf(result));
      else if (refusal !== null) {
        session.breakOrder(group.partition, append.conversation);
        if (this.isFinal(refusal, append)) fail(append, refusal);
        else again.push(append);
        this.learn(session, group.partition, refusal, append);
      }
    });
    this.lane(group.partition).back(again);
    this.scheduleFlush();
  }

  onSessionEnd(session: Session, unanswered: readonly SentGroup[], _reason: string): void {
    this.sessions.delete(session.address);
    this.map.forgetAddress(session.address);
    for (const { partition, appends } of unanswered) {
      for (const append of appends) append.isUnknown = true;
      const lane = this.lane(partition);
      lane.back(appends.filter((append) => !append.ended));
      lane.pause(this.options.clock.monotonicMs(), 0, this.options.random());
    }
    if (this.closed) return;
    this.refreshMap();
    this.scheduleFlush();
  }

  private isFinal(refusal: Refusal, append: PendingAppend): boolean {
    if (retryable.has(refusal.reason)) return false;
    // After an attempt that may have stored it, a head that is not beyond what was expected may
    // still move.
    return refusal.reason !== 'EXPECTED_SEQ_MISMATCH' || !append.isUnknown || !!refusal.actual;
  }

  private learn(
    session: Session,
    partition: number,
    refusal: Refusal,
    append: PendingAppend,
  ): void {
    const { clock, random } = this.options;
    const lane = this.lane(partition);
    const { reason, leaderAddress, retryAfterMs = 0 } = refusal;
    if (reason === 'OUTCOME_UNKNOWN') append.isUnknown = true;
    if (reason === 'NOT_LEADER' && leaderAddress !== undefined) {
      if (leaderAddress !== session.address) this.map.hint(partition, leaderAddress);
      lane.pause(clock.monotonicMs(), 0, random());
    } else if (reason === 'BUSY') {
      lane.pause(clock.monotonicMs(), retryAfterMs, random());
    } else if (reason !== 'SESSION_ORDER' && retryable.has(reason)) {
      lane.pause(clock.monotonicMs(), 0, random());
      this.map.forget(partition);
      this.refreshMap();
    }
  }

  private refreshMap(): void {
    this.map.refresh().then(
      () => this.scheduleFlush(),
      () => this.wakeIn(50),
    );
  }

  private scheduleFlush(): void {
    if (this.flushing || this.closed) return;
    this.flushing = true;
    this.options.clock.soon(() => {
      this.flushing = false;
      if (!this.closed) this.flush();
    });
  }

  /** One frame to each leader, of all lanes that may send. */
  private flush(): void {
    const nowMs = this.options.clock.monotonicMs();
    this.expire(nowMs);
    const frames = new Map<Session, { groups: SentGroup[]; commands: number; bytes: number }>();
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const lane of this.lanes.values()) {
      const atMs = lane.sendableAtMs();
      if (atMs === null) continue;
      if (atMs > nowMs) wakeAtMs = Math.min(wakeAtMs, atMs);
      else if (!this.fill(lane, frames)) wakeAtMs = Math.min(wakeAtMs, nowMs + 20);
    }
    for (const [session, { groups }] of frames) session.send(groups);
    if (wakeAtMs < Number.POSITIVE_INFINITY) this.wakeIn(wakeAtMs - nowMs);
  }

  /** False: no leader is known, or there is no room; try again soon. */
  private fill(
    lane: Lane,
    frames: Map<Session, { groups: SentGroup[]; commands: number; bytes: number }>,
  ): boolean {
    const address = this.map.leader(lane.partition);
    if (address === undefined) {
      this.refreshMap();
      return false;
    }
    const session = this.session(address);
    if (!session.hasRoom) return false;
    const frame = frames.get(session) ?? { groups: [], commands: 0, bytes: 0 };
    const commandsLeft = frameBounds.commands - frame.commands;
    const bytesLeft = frameBounds.bytes - frame.bytes;
    if (commandsLeft < 1 || (bytesLeft < frameBounds.bytes / 2 && frame.commands > 0)) {
      this.scheduleFlush();
      return true;
    }
    const { appends, bytes } = lane.take(commandsLeft, bytesLeft);
    if (bytes > bytesLeft && frame.commands > 0) {
      session.send([{ partition: lane.partition, appends, bytes }]);
    } else {
      frame.groups.push({ partition: lane.partition, appends, bytes });
      frame.commands += appends.length;
      frame.bytes += bytes;
      frames.set(session, frame);
    }
    if (lane.sendableAtMs() !== null) this.scheduleFlush();
    return true;
  }

  private wakeIn(delayMs: number): void {
    this.wakeTimer?.cancel();
    this.wakeTimer = this.options.clock.after(Math.max(1, delayMs), () => this.scheduleFlush());
  }

  private session(address: string): Session {
    let session = this.sessions.get(address);
    if (session === undefined) {
      session = new Session(address, this.options.transport, this);
      this.sessions.set(address, session);
    }
    return session;
  }

  private lane(partition: number): Lane {
    let lane = this.lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane(partition);
      this.lanes.set(partition, lane);
      this.expiryTimer ??= this.options.clock.after(expiryMs, () => this.expireLater());
    }
    return lane;
  }

  private expireLater(): void {
    this.expire(this.options.clock.monotonicMs());
    if (!this.closed) {
      this.expiryTimer = this.options.clock.after(expiryMs, () => this.expireLater());
    }
  }

  private expire(nowMs: number): void {
    for (const lane of this.lanes.values()) {
      for (const append of lane.expire(nowMs)) {
        fail(append, append.isUnknown ? unknownAtDeadline : notStoredAtDeadline);
      }
    }
  }

  private readServer(): string {
    const { addresses } = this.map;
    return addresses[this.nextReadServer % addresses.length] ?? '';
  }

  private settled(): void {
    this.pending -= 1;
    if (this.pending > 0) return;
    for (const resolve of this.idle.splice(0)) resolve();
  }
}

const lostAnswer: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'the answer has no result for it',
};
const unknownAtDeadline: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'no answer before the deadline: the message may or may not be stored',
};
const notStoredAtDeadline: Refusal = {
  reason: 'NO_LEADER',
  message: 'no leader took the message before the deadline: it is not stored',
};

function attempt(work: () => void, refuse: (error: PacelineError) => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof PacelineError)) throw error;
    refuse(error);
  }
}

function finish(append: PendingAppend, appended: Appended): void {
  if (append.ended) return;
  append.ended = true;
  append.resolve(appended);
}

function fail(append: PendingAppend, refusal: Refusal): void {
  if (append.ended) return;
  append.ended = true;
  append.reject(new PacelineError(refusal));
}
