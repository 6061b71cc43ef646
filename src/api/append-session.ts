// One AppendSession: frames in, results out, one response for all groups that a turn decided. Knows no
// gRPC: the stream is given as a sink.
import { PacelineError, type Refusal } from '../errors.ts';
import { type Final, type Group, type Outcome, refuseGroup } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import { SessionOrder } from '../node/session-order.ts';
import { encodeAnswers, type GroupAnswer, type HeldAnswer } from './answers.ts';
import {
  badCommand,
  checkAtomic,
  checkCommand,
  checkConversation,
  checkFrame,
  checkGroup,
} from './check.ts';
import { frameLimits, type RawFrame, type RawGroup, readFrame } from './frames.ts';

const unansweredBytesMax = 8 * 1024 * 1024;

export class AppendSession {
  private readonly node: Node;
  private readonly write: (response: Buffer) => void;
  private readonly order = new SessionOrder();
  private unansweredBytes = 0;
  private unansweredGroups = 0;
  private finished: (() => void) | null = null;
  private answers: GroupAnswer[] = [];
  private held: HeldAnswer[] = [];
  /** Answered as held, not ended yet. */
  private heldCommands = 0;

  constructor(node: Node, write: (response: Buffer) => void) {
    this.node = node;
    this.write = write;
  }

  /** Throws where the stream has to end: BAD_COMMAND (no frame), BATCH_TOO_LARGE (far too many parts), BUSY (too much of it is broken). */
  take(bytes: Buffer): void {
    const frame = readFrame(bytes);
    if (frame === null) {
      const message = 'not an AppendSessionRequest';
      throw new PacelineError({ reason: 'BAD_COMMAND', field: 'frame', message });
    }
    if (frame.isOverfull) throw new PacelineError(tooManyParts);
    if (this.order.isOverfull) throw new PacelineError(tooManyBroken);
    const refusal = checkFrame(frame) ?? this.checkUnanswered(frame);
    for (const [position, group] of frame.groups.entries()) {
      this.takeGroup(frame, group, position, refusal);
    }
  }

  /** No frame comes any more: calls once everything that was taken is answered. */
  finish(call: () => void): void {
    this.finished = call;
    this.endIfAnswered();
  }

  /** The stream has ended: nothing is written any more. */
  close(): void {
    this.order.isClosed = true;
  }

  private takeGroup(
    frame: RawFrame,
    raw: RawGroup,
    position: number,
    frameRefusal: Refusal | null,
  ): void {
    const { node } = this;
    // What is called later keeps these alone, not the frame.
    const { bytes: groupBytes } = raw;
    const number = frame.frame;
    const groupRefusal = frameRefusal ?? checkGroup(node, raw);
    const partition = groupRefusal === null ? raw.partition : undefined;
    const commands = raw.commands.map((bytes) => {
      const checked = frameRefusal ?? checkCommand(node, bytes, partition);
      return 'reason' in checked ? badCommand(node, bytes, checked) : checked;
    });
    this.unansweredBytes += raw.bytes;
    this.unansweredGroups += 1;
    let early: Map<number, Final> | null = null;
    const answered = (outcomes: readonly Outcome[]) => {
      const ended = outcomes.map((outcome, slot) => early?.get(slot) ?? outcome);
      for (const { kind } of ended) if (kind === 'held') this.heldCommands += 1;
      this.answer(number, position, groupBytes, ended);
      isAnswered = true;
    };
    let isAnswered = false;
    const group: Group = {
      partition: raw.partition,
      commands,
      bytes: groupBytes,
      atomic: raw.atomic,
      restart: raw.restart.map((name) => canonicalName(node, name)),
      session: this.order.nextGroup(),
      done: answered,
      later: (slot, outcome) => {
        if (isAnswered) this.answerHeld(number, position, slot, outcome);
        else {
          early ??= new Map();
          early.set(slot, outcome);
        }
      },
    };
    const refusal = groupRefusal ?? (raw.atomic ? checkAtomic(commands) : null);
    if (refusal === null) node.submit(group);
    else refuseGroup(group, refusal);
  }

  private checkUnanswered(frame: RawFrame): Refusal | null {
    if (this.unansweredBytes + frame.bytes <= unansweredBytesMax) return null;
    const message = `the session has more than ${unansweredBytesMax} bytes unanswered`;
    const limit = unansweredBytesMax;
    return { reason: 'BUSY', field: 'session', message, limit, retryAfterMs: 20 };
  }

  private answer(frame: number, group: number, bytes: number, outcomes: readonly Outcome[]): void {
    this.unansweredBytes -= bytes;
    this.unansweredGroups -= 1;
    this.flushSoon();
    this.answers.push({ frame, group, outcomes });
  }

  private answerHeld(frame: number, group: number, slot: number, outcome: Final): void {
    this.heldCommands -= 1;
    this.flushSoon();
    this.held.push({ frame, group, slot, outcome });
  }

  /** Also what waits for the flush is not said yet. */
  private endIfAnswered(): void {
    const { unansweredGroups, heldCommands, answers, held } = this;
    if (unansweredGroups + heldCommands + answers.length + held.length > 0) return;
    this.finished?.();
    this.finished = null;
  }

  private flushSoon(): void {
    if (this.answers.length + this.held.length === 0) queueMicrotask(() => this.flush());
  }

  private flush(): void {
    const { answers, held } = this;
    this.answers = [];
    this.held = [];
    if (!this.order.isClosed) this.write(encodeAnswers(this.node, answers, held));
    this.endIfAnswered();
  }
}

/** As the names of commands are kept; what is no name restarts nothing. */
function canonicalName(node: Node, name: string): string {
  const place = checkConversation(node, name);
  return 'shard' in place ? place.text : name;
}

const tooManyParts: Refusal = {
  reason: 'BATCH_TOO_LARGE',
  field: 'groups',
  limit: frameLimits.commands,
  message: `a frame has far more than ${frameLimits.commands} commands, the limit: it was not read`,
};

const tooManyBroken: Refusal = {
  reason: 'BUSY',
  field: 'session',
  message: 'too many conversations of this session are broken: open another one',
};
