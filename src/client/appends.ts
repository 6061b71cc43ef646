// The appends of a client: coalesced into one frame a leader and tick, retried with the same key until a
// deadline, in order per conversation over failovers and lost streams.
import type { Timer } from '../clock.ts';
import { scanCommand } from '../command.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import type { AppendResult } from '../gen/proto.ts';
import { type Append, type Appended, encodeAppend, keyOf } from './append.ts';
import { AppendBuffer } from './buffer.ts';
import { checkAppend } from './check-append.ts';
import { checkConversation, checkSignal } from './check-value.ts';
import type { EventAppend } from './event-append.ts';
import { frameBounds } from './frames.ts';
import { Lane } from './lane.ts';
import type { PartitionMap } from './partition-map.ts';
import { abortReason, PendingAppend } from './pending-append.ts';
import {
  appendedOf,
  type HeldAppend,
  refusalOf,
  type SentGroup,
  Session,
  type SessionOwner,
} from './session.ts';
import type { Tokens } from './tokens.ts';
import { type ClientOptions, closedError, retryable } from './types.ts';

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
  /** In the order in which they fill a frame. */
  private readonly lanes = new Map<number, Lane>();
  /** Those that had more to send than fit. */
  private readonly cut: Lane[] = [];
  /** In the buffer before the map was loaded, in order. */
  private starting: PendingAppend[] = [];
  private loading = false;
  private nextNumber = 1;
  /** Appends that have not ended. */
  private open = 0;
  private flushing = false;
  private wakeTimer: Timer | null = null;
  private expiryTimer: Timer | null = null;
  private idle: (() => void)[] = [];
  private refreshAtMs = 0;
  private closing = false;
  private closed = false;

  constructor(options: ClientOptions, map: PartitionMap, tokens: Tokens) {
    const { bufferBytesMax = bufferBytesDefault, whenFull = 'wait' } = options;
    this.options = options;
    this.map = map;
    this.tokens = tokens;
    this.buffer = new AppendBuffer(bufferBytesMax, whenFull, (append) => {
      if (this.map.isLoaded && this.starting.length === 0) this.send(append);
      else {
        this.starting.push(append);
        this.loadMap();
      }
    });
  }

  /** One of the two is called, once. */
  start(
    append: Append | EventAppend,
    resolve: (appended: Appended) => void,
    reject: (error: Error) => void,
    signal?: AbortSignal,
  ): void {
    if (this.closing || signal?.aborted) {
      reject(signal?.aborted ? abortReason(signal) : closedError());
      return;
    }
    try {
      checkAppend(append);
      if (signal !== undefined) checkSignal(signal);
    } catch (error) {
      reject(asRefusal(error));
      return;
    }
    const number = this.nextNumber++;
    const { clock, appendTimeoutMs = 30_000 } = this.options;
    const deadlineMs = clock.monotonicMs() + appendTimeoutMs;
    const call = { append, number, deadlineMs, resolve, reject };
    const pending = new PendingAppend(call, this.onEnd);
    if (signal !== undefined) pending.endBy(signal);
    this.open += 1;
    this.enter(pending);
  }

  /** Resolves once every append has ended. */
  drain(): Promise<void> {
    if (this.open === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** Takes no more, and resolves once what was taken has ended. */
  async close(): Promise<void> {
    this.closing = true;
    await this.drain();
    this.closed = true;
    this.wakeTimer?.cancel();
    this.expiryTimer?.cancel();
    for (const session of this.sessions.values()) session.close();
  }

  // SessionOwner

  onResults(session: Session, group: SentGroup, results: readonly AppendResult[]): void {
    const again: PendingAppend[] = [];
    let allStored = true;
    let cause: Refusal | null = null;
    group.appends.forEach((append, slot) => {
      const result = results[slot];
      if (result?.held) return;
      const refusal = result === undefined ? lostAnswer : refusalOf(result);
      append.isOut = false;
      if (refusal === null && result !== undefined) this.stored(group.partition, append, result);
      else if (refusal !== null) {
        allStored = false;
        session.broken.add(group.partition, append.conversation);
        if (refusal.reason === 'OUTCOME_UNKNOWN') append.isUnknown = true;
        if (isFinal(refusal, append)) append.fail(refusal);
        else {
          if (!append.ended) again.push(append);
          if (refusal.reason !== 'SESSION_ORDER') cause ??= refusal;
        }
      }
    });
    if (cause !== null) this.learn(session, group.partition, cause);
    this.lane(group.partition).back(allStored, again);
    this.scheduleFlush();
  }

  onHeldEnd(session: Session, { partition, append }: HeldAppend, result: AppendResult): void {
    const refusal = refusalOf(result);
    append.isOut = false;
    if (refusal === null) this.stored(partition, append, result);
    else if (isFinal(refusal, append)) append.fail(refusal);
    else {
      if (refusal.reason === 'OUTCOME_UNKNOWN') append.isUnknown = true;
      if (!append.ended) this.lane(partition).again([append]);
      this.learn(session, partition, refusal);
    }
    this.scheduleFlush();
  }

  onSessionEnd(
    session: Session,
    unanswered: readonly SentGroup[],
    held: readonly HeldAppend[],
  ): void {
    this.sessions.delete(session.address);
    this.map.forgetAddress(session.address);
    for (const { partition, appends } of unanswered) {
      for (const append of appends) {
        append.isUnknown = true;
        append.isOut = false;
      }
      const lane = this.lane(partition);
      lane.back(
        false,
        appends.filter((append) => !append.ended),
      );
      lane.pause(this.options.clock.monotonicMs(), 0, this.options.random());
    }
    for (const { partition, append } of held) {
      append.isUnknown = true;
      append.isOut = false;
      if (!append.ended) this.lane(partition).again([append]);
    }
    if (this.closed) return;
    this.refreshMap();
    this.scheduleFlush();
  }

  private readonly onEnd = (append: PendingAppend) => {
    this.buffer.leave(append);
    this.open -= 1;
    if (this.open > 0) return;
    for (const resolve of this.idle.splice(0)) resolve();
  };

  /** Then sends what was called before, in order; what is called meanwhile comes behind. */
  private loadMap(): void {
    const [first] = this.starting;
    if (first === undefined || this.loading) return;
    this.loading = true;
    this.map.ensure(first.deadlineMs).then(
      () => {
        this.loading = false;
        for (const append of this.starting) this.send(append);
        this.starting = [];
      },
      (error: unknown) => {
        if (!(error instanceof PacelineError)) throw error;
        // One that ends makes room for others, which may be as late.
        for (let late = this.takeLate(); late.length > 0; late = this.takeLate()) {
          for (const append of late) append.fail(error);
        }
        this.loading = false;
        this.loadMap();
      },
    );
  }

  private takeLate(): PendingAppend[] {
    const nowMs = this.options.clock.monotonicMs();
    const late = this.starting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.starting = this.starting.filter((append) => !append.ended && append.deadlineMs > nowMs);
    return late;
  }

  /** Encoded at once: what the caller then does with the body is not stored. */
  private enter(pending: PendingAppend): void {
    const { append, number } = pending;
    try {
      const { text: conversation, partition } = this.locate(append.conversation);
      const key = append.key ?? keyOf(this.options.clientId, number);
      const command = encodeAppend(append, conversation, key);
      checkSize(command);
      pending.place({ conversation, partition, command });
      this.buffer.enter(pending);
    } catch (error) {
      pending.fail(asRefusal(error));
    }
  }

  /** Its partition is -1 before the map is loaded. */
  private locate(conversation: string): { readonly text: string; readonly partition: number } {
    if (this.map.isLoaded) return this.map.locate(conversation);
    return { text: checkConversation(conversation).text, partition: -1 };
  }

  private send(append: PendingAppend): void {
    if (append.ended) return;
    if (append.partition < 0) {
      const { conversation, command } = append;
      append.place({ conversation, partition: this.map.locate(conversation).partition, command });
    }
    this.lane(append.partition).put(append);
    this.scheduleFlush();
  }

  private stored(partition: number, append: PendingAppend, result: AppendResult): void {
    const appended = appendedOf(partition, result);
    this.tokens.learn(partition, appended.index, result.readToken);
    append.finish(appended);
  }

  /** Once a group, however many of it were refused. */
  private learn(session: Session, partition: number, refusal: Refusal): void {
    const { clock, random } = this.options;
    const { reason, leaderAddress, retryAfterMs = 0 } = refusal;
    const atLeastMs = reason === 'BUSY' ? retryAfterMs : 0;
    this.lane(partition).pause(clock.monotonicMs(), atLeastMs, random());
    if (reason === 'NOT_LEADER' && leaderAddress !== undefined) {
      if (leaderAddress !== session.address) this.map.hint(partition, leaderAddress);
    } else if (reason !== 'BUSY' && retryable.has(reason)) {
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

  /** One frame to each leader, of all lanes that may send. One that has more to send than fits is the last next time. */
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
    for (const lane of this.cut.splice(0)) {
      this.lanes.delete(lane.partition);
      this.lanes.set(lane.partition, lane);
    }
    if (wakeAtMs < Number.POSITIVE_INFINITY) this.wakeIn(wakeAtMs - nowMs);
  }

  /** False: no leader is known, or there is no room; try again soon. */
  private fill(lane: Lane, frames: Map<Session, OpenFrame>): boolean {
    const address = this.map.leader(lane.partition);
    if (address === undefined) {
      this.refreshMap();
      return false;
    }
    // Goes on when the last one that is out comes back.
    if (!lane.maySendTo(address)) return true;
    const session = this.session(address);
    if (!session.hasRoom) return false;
    const frame = frames.get(session) ?? { groups: [], commands: 0, bytes: 0 };
    const commandsLeft = frameBounds.commands - frame.commands;
    const bytesLeft = frameBounds.bytes - frame.bytes;
    if (commandsLeft < 1 || (bytesLeft < frameBounds.bytes / 2 && frame.commands > 0)) {
      this.scheduleFlush();
      return true;
    }
    const { partition } = lane;
    // A name in `restart` is never longer than the command that holds it: both fit.
    const share = session.broken.has(partition) ? bytesLeft / 2 : bytesLeft;
    const { appends, bytes } = lane.take(address, commandsLeft, share);
    if (appends.length === 0) return true;
    const restart = session.broken.take(partition, appends, bytesLeft - bytes);
    const group = { partition, appends, restart: restart.names, bytes: bytes + restart.bytes };
    if (group.bytes > bytesLeft && frame.commands > 0) session.send([group]);
    else {
      frame.groups.push(group);
      frame.commands += appends.length;
      frame.bytes += group.bytes;
      frames.set(session, frame);
    }
    if (lane.sendableAtMs() !== null) {
      this.cut.push(lane);
      this.scheduleFlush();
    }
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
    for (const lane of this.lanes.values()) lane.expire(nowMs);
    for (const session of this.sessions.values()) session.expire(nowMs);
    this.buffer.expire(nowMs);
  }
}

const lostAnswer: Refusal = {
  reason: 'OUTCOME_UNKNOWN',
  message: 'the answer has no result for it',
};
/** After an attempt that may have stored it, these do not say that it did not. */
const mayTurn: ReadonlySet<string> = new Set([
  'SENDER_GAP',
  'CHAIN_PASSED',
  'IN_FUTURE',
  'QUOTA',
  'NOT_PENDING',
]);

function isFinal(refusal: Refusal, { append, isUnknown }: PendingAppend): boolean {
  if (retryable.has(refusal.reason)) return false;
  if (!isUnknown) return true;
  if (mayTurn.has(refusal.reason)) return false;
  if (refusal.reason !== 'EXPECTED_SEQ_MISMATCH' || 'event' in append) return true;
  // A head that is not beyond what was expected may still move.
  return (refusal.actual ?? 0) > (append.expectedSeq ?? 0);
}

/** A node would not read its frame at all: the stream would end, with all that is out on it, at every try. */
function checkSize(command: Uint8Array): void {
  if (command.length <= frameBounds.bytes) return;
  const scanned = scanCommand(command);
  if (scanned.kind === 'refused') throw new PacelineError(scanned.refusal);
}

/** What nobody has thought of ends the append that it came from, and no other. */
function asRefusal(error: unknown): PacelineError {
  if (error instanceof PacelineError) return error;
  const message = `not an append: ${error}`;
  return new PacelineError({ reason: 'BAD_COMMAND', field: 'append', message });
}
