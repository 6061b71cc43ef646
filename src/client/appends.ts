// The appends of a client: coalesced into one frame a leader and tick, retried with the same key until a
// deadline, in order per conversation over failovers and lost streams.
import type { Timer } from '../clock.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import type { AppendResult } from '../gen/proto.ts';
import { type Append, type Appended, encodeAppend, type PendingAppend } from './append.ts';
import { AppendBuffer } from './buffer.ts';
import { frameBounds } from './frames.ts';
import { Lane } from './lane.ts';
import type { PartitionMap } from './partition-map.ts';
import { appendedOf, refusalOf, type SentGroup, Session, type SessionOwner } from './session.ts';
import type { Tokens } from './tokens.ts';
import { type ClientOptions, retryable } from './types.ts';

const expiryMs = 100;
const refreshPauseMs = 15;
const bufferBytesDefault = 16 * 1024 * 1024;

interface OpenFrame {
  readonly groups: SentGroup[];
  commands: number;
  bytes: number;
}

export class Appends implements SessionOwner {
  private readonly options: ClientOptions;
  private readonly map: PartitionMap;
  private readonly tokens: Tokens;
  private readonly buffer: AppendBuffer;
  private readonly sessions = new Map<string, Session>();
  private readonly lanes = new Map<number, Lane>();
  private nextNumber = 1;
  private pending = 0;
  private flushing = false;
  private wakeTimer: Timer | null = null;
  private expiryTimer: Timer | null = null;
  private idle: (() => void)[] = [];
  private refreshAtMs = 0;
  private closed = false;

  constructor(options: ClientOptions, map: PartitionMap, tokens: Tokens) {
    const { bufferBytesMax = bufferBytesDefault, whenFull = 'wait' } = options;
    this.options = options;
    this.map = map;
    this.tokens = tokens;
    this.buffer = new AppendBuffer(bufferBytesMax, whenFull);
  }

  /** One of the two is called, once. */
  start(
    append: Append,
    resolve: (appended: Appended) => void,
    reject: (error: Error) => void,
    signal?: AbortSignal,
  ): void {
    if (this.closed || signal?.aborted) {
      reject(this.closed ? closedError() : abortReason(signal));
      return;
    }
    const number = this.nextNumber++;
    const { clock, clientId, appendTimeoutMs = 30_000 } = this.options;
    const deadlineMs = clock.monotonicMs() + appendTimeoutMs;
    this.pending += 1;
    const refuse = (error: Error) => {
      this.settled();
      reject(error);
    };
    const enqueue = () => {
      const { text, partition } = this.map.locate(append.conversation);
      const command = encodeAppend(append, text, append.key ?? `${clientId}-${number}`);
      const settle = () => {
        this.settled();
        this.buffer.leave(command.length);
      };
      const fate = { isUnknown: false, isOut: false, ended: false, settle, resolve, reject };
      const pending: PendingAppend = {
        ...{ number, conversation: text, partition, command, deadlineMs },
        ...fate,
      };
      this.buffer.enter(command.length, () => this.enqueue(pending, signal));
    };
    if (this.map.isLoaded) attempt(enqueue, refuse);
    else this.map.ensure(deadlineMs).then(() => attempt(enqueue, refuse), refuse);
  }

  /** Resolves once every append has ended. */
  drain(): Promise<void> {
    if (this.pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  close(): void {
    this.closed = true;
    this.wakeTimer?.cancel();
    this.expiryTimer?.cancel();
    for (const session of this.sessions.values()) session.close();
  }

  // SessionOwner

  onResults(session: Session, group: SentGroup, results: readonly AppendResult[]): void {
    const again: PendingAppend[] = [];
    group.appends.forEach((append, slot) => {
      const result = results[slot];
      const refusal = result === undefined ? lostAnswer : refusalOf(result);
      append.isOut = false;
      if (refusal === null && result !== undefined) this.stored(group.partition, append, result);
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

  onSessionEnd(session: Session, unanswered: readonly SentGroup[]): void {
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

  private enqueue(append: PendingAppend, signal: AbortSignal | undefined): void {
    signal?.addEventListener('abort', () => abort(append, signal), { once: true });
    this.lane(append.partition).put(append);
    this.scheduleFlush();
  }

  private isFinal(refusal: Refusal, append: PendingAppend): boolean {
    if (retryable.has(refusal.reason)) return false;
    // After an attempt that may have stored it, a head that is not beyond what was expected may
    // still move.
    return refusal.reason !== 'EXPECTED_SEQ_MISMATCH' || !append.isUnknown || !!refusal.actual;
  }

  private stored(partition: number, append: PendingAppend, result: AppendResult): void {
    const appended = appendedOf(result);
    this.tokens.learn(partition, appended.index, result.readToken);
    finish(append, appended);
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

  /** At most once in a while: an election may go on behind a map that is answered at once. */
  private refreshMap(): void {
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs < this.refreshAtMs) return;
    this.refreshAtMs = nowMs + refreshPauseMs;
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
    const frames = new Map<Session, OpenFrame>();
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
  private fill(lane: Lane, frames: Map<Session, OpenFrame>): boolean {
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

const unknownAtAbort: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'aborted after it was sent: the message may or may not be stored',
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
  append.settle();
  append.resolve(appended);
}

function fail(append: PendingAppend, refusal: Refusal): void {
  end(append, new PacelineError(refusal));
}

function end(append: PendingAppend, error: Error): void {
  if (append.ended) return;
  append.ended = true;
  append.settle();
  append.reject(error);
}

/** What was never sent is surely not stored; of the rest nobody can tell. */
function abort(append: PendingAppend, signal: AbortSignal): void {
  if (append.isUnknown || append.isOut) fail(append, unknownAtAbort);
  else end(append, abortReason(signal));
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}

function closedError(): PacelineError {
  return new PacelineError({ reason: 'STOPPING', message: 'the client is closed' });
}
