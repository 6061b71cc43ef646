// One append session to one node: what it has sent and not yet been answered.
import { refusalFrom } from '../errors.ts';
import type { AppendResult } from '../gen/proto.ts';
import { appendSessionPath } from '../gen/services.ts';
import type { Appended } from './append.ts';
import { BrokenOrder } from './broken-order.ts';
import { decodeResponse, encodeFrame, type FrameGroup } from './frames.ts';
import { bigintOf } from './message.ts';
import type { PendingAppend } from './pending-append.ts';
import type { ClientTransport, Stream } from './types.ts';

/** Less than the 8 MiB after which a node answers BUSY. */
const unansweredBytesMax = 6 * 1024 * 1024;

export interface SentGroup {
  readonly partition: number;
  readonly appends: readonly PendingAppend[];
  /** Conversations named in it: those may be sent again. */
  readonly restart: readonly string[];
  readonly bytes: number;
}

/** It waits at the leader for its predecessor. */
export interface HeldAppend {
  readonly partition: number;
  readonly append: PendingAppend;
}

export interface SessionOwner {
  /** results[i] is that of group.appends[i]. */
  onResults(session: Session, group: SentGroup, results: readonly AppendResult[]): void;
  /** What was answered as held has ended. */
  onHeldEnd(session: Session, held: HeldAppend, result: AppendResult): void;
  onSessionEnd(
    session: Session,
    unanswered: readonly SentGroup[],
    held: readonly HeldAppend[],
  ): void;
}

export class Session {
  readonly address: string;
  readonly broken = new BrokenOrder();
  private readonly owner: SessionOwner;
  private readonly stream: Stream;
  private readonly frames = new Map<number, (SentGroup | null)[]>();
  private readonly held = new Map<string, HeldAppend>();
  private nextFrame = 1;
  private unansweredBytes = 0;
  private ended = false;

  constructor(address: string, transport: ClientTransport, owner: SessionOwner) {
    this.address = address;
    this.owner = owner;
    this.stream = transport.openStream(address, appendSessionPath, {
      onResponse: (bytes) => this.take(bytes),
      onEnd: () => this.end(),
    });
  }

  get hasRoom(): boolean {
    return !this.ended && this.unansweredBytes < unansweredBytesMax;
  }

  send(groups: readonly SentGroup[]): void {
    const frame = this.nextFrame++;
    this.frames.set(frame, [...groups]);
    const encoded: FrameGroup[] = groups.map(({ partition, restart, appends }) => {
      return { partition, restart, commands: appends.map((append) => append.command) };
    });
    for (const group of groups) this.unansweredBytes += group.bytes;
    this.stream.send(encodeFrame(frame, encoded));
  }

  /** Ends what is over its deadline; its answer is not waited for any more. */
  expire(nowMs: number): void {
    for (const { append } of this.held.values()) {
      if (append.deadlineMs <= nowMs) append.expire();
    }
    for (const groups of this.frames.values()) {
      for (const group of groups) {
        // The oldest of a group comes first.
        if ((group?.appends[0]?.deadlineMs ?? Number.POSITIVE_INFINITY) > nowMs) continue;
        for (const append of group?.appends ?? []) {
          if (append.deadlineMs <= nowMs) append.expire();
        }
      }
    }
  }

  close(): void {
    this.stream.close();
  }

  private take(bytes: Buffer): void {
    const { groups, held } = decodeResponse(bytes);
    for (const { frame, group, results } of groups) {
      const sent = this.frames.get(frame.toNumber());
      const found = sent?.[group];
      if (sent === undefined || found === undefined || found === null) continue;
      sent[group] = null;
      if (sent.every((each) => each === null)) this.frames.delete(frame.toNumber());
      this.unansweredBytes -= found.bytes;
      for (const [slot, append] of found.appends.entries()) {
        if (results[slot]?.held == null) continue;
        this.held.set(`${frame}/${group}/${slot}`, { partition: found.partition, append });
      }
      this.owner.onResults(this, found, results);
    }
    for (const { frame, group, slot, result } of held) {
      const name = `${frame}/${group}/${slot}`;
      const found = this.held.get(name);
      this.held.delete(name);
      if (found !== undefined && result !== null) this.owner.onHeldEnd(this, found, result);
    }
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    const unanswered = [...this.frames.values()].flat().filter((group) => group !== null);
    this.frames.clear();
    const held = [...this.held.values()];
    this.held.clear();
    this.owner.onSessionEnd(this, unanswered, held);
  }
}

/** A stored message's numbers, as the caller has them. */
export function appendedOf(partition: number, result: AppendResult): Appended {
  return {
    seq: result.seq.toNumber(),
    rev: result.rev.toNumber(),
    id: bigintOf(result.id),
    timeMs: result.timeMs.toNumber(),
    partition,
    index: result.index.toNumber(),
    term: result.term.toNumber(),
    duplicate: result.duplicate,
    dedupeUntilMs: result.dedupeUntilMs.toNumber(),
    late: result.late,
    lateFor: result.lateFor.toNumber(),
    epoch: result.epoch.toNumber(),
  };
}

export function refusalOf(result: AppendResult) {
  const { error } = result;
  if (error === null) return null;
  const { reason, message, field, leaderAddress } = error;
  const limit = error.limit.toNumber();
  const actual = error.actual.toNumber();
  const facts: Record<string, string> = { field, leaderAddress };
  if (limit > 0) facts['limit'] = String(limit);
  if (actual > 0) facts['actual'] = String(actual);
  const want = error.want.toNumber();
  if (want > 0) facts['want'] = String(want);
  if (error.leader > 0) facts['leader'] = String(error.leader);
  if (error.retryAfterMs > 0) facts['retryAfterMs'] = String(error.retryAfterMs);
  return refusalFrom(reason, message, facts);
}
