// Simulated time: everything that will happen stands in one queue, in the order of its time, and at the
// same time in the order in which it was put there. Between two events every promise is let settle, as an
// event loop does between two callbacks; nothing here waits for a real clock, disk or socket.
import { assert } from '../assert.ts';
import { EventQueue, type Queued } from './event-queue.ts';
import { Random } from './random.ts';
import { Trace, type TraceLine } from './trace.ts';

/** Who an event happens to; it decides whether it still may. */
export interface Actor {
  readonly name: string;
  /** null: now; Infinity: never (it is dead); else it has to wait until then (it is stopped). */
  heldUntilMs(incarnation: number): number | null;
  readonly incarnation: number;
}

export interface Scheduled {
  cancel(): void;
}

class Event implements Scheduled, Queued {
  atMs: number;
  readonly order: number;
  readonly actor: Actor | null;
  readonly incarnation: number;
  /** null: it has happened, or was cancelled. */
  call: (() => void) | null;
  private readonly queue: EventQueue<Event>;

  constructor(
    queue: EventQueue<Event>,
    atMs: number,
    order: number,
    actor: Actor | null,
    call: () => void,
  ) {
    this.queue = queue;
    this.atMs = atMs;
    this.order = order;
    this.actor = actor;
    this.incarnation = actor?.incarnation ?? 0;
    this.call = call;
  }

  get isCancelled(): boolean {
    return this.call === null;
  }

  cancel(): void {
    if (this.call === null) return;
    this.call = null;
    this.queue.noteCancelled();
  }
}

/** More events at one moment than any right run has. */
const momentStepsMax = 20_000;
/** Asking for them one by one takes longer. */
const immediatesAtOnce = 64;
const nothingThrows = 'nothing throws';

/** What is told of every run. */
export interface WorldEnd {
  readonly broken: RuleBroken | null;
  /** Over everything that happened: two runs of one seed have the same. */
  readonly hash: string;
  readonly simulatedMs: number;
  readonly steps: number;
  /** Empty where they were not kept. */
  readonly lines: readonly TraceLine[];
}

/** A rule that must hold was broken; the run ends. */
export class RuleBroken extends Error {
  override readonly name = 'RuleBroken';
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(detail);
    this.rule = rule;
  }
}

export class World {
  readonly random: Random;
  readonly trace: Trace;
  /** Rules are looked at. */
  readonly judges: boolean;
  nowMs = 0;
  /** Events that happened. */
  steps = 0;
  /** The first rule that was broken. */
  broken: RuleBroken | null = null;
  /** Called after every event, once its promises have settled. */
  afterStep: (actor: Actor | null) => void = () => {};
  private readonly queue = new EventQueue<Event>();
  private orders = 0;
  private momentSteps = 0;

  constructor(seed: number, keepsLines: boolean, judges = true) {
    this.judges = judges;
    this.random = new Random(seed);
    this.trace = new Trace(keepsLines);
  }

  /** Happens to `actor` after `delayMs`; to nobody where it is null. */
  after(delayMs: number, actor: Actor | null, call: () => void): Scheduled {
    assert(delayMs >= 0, 'nothing happens in the past');
    const event = new Event(this.queue, this.nowMs + delayMs, this.orders++, actor, call);
    this.queue.push(event);
    return event;
  }

  say(who: string, text: () => string): void {
    this.trace.say(this.nowMs, who, text);
  }

  break(rule: string, detail: string): void {
    if (this.judges) this.broken ??= new RuleBroken(rule, detail);
  }

  /** A promise that nobody waits for and that fails meanwhile breaks a rule. */
  async hearingRejections<Result>(work: () => Promise<Result>): Promise<Result> {
    const onRejection = (error: unknown) => this.break(nothingThrows, textOf(error));
    process.on('unhandledRejection', onRejection);
    try {
      const result = await work();
      // Node tells of failed promises only when no tick is left.
      await new Promise((resolve) => setImmediate(resolve));
      return result;
    } finally {
      process.off('unhandledRejection', onRejection);
    }
  }

  /** How it stands now. */
  get end(): WorldEnd {
    const { broken, trace, nowMs, steps } = this;
    return { broken, hash: trace.hash, simulatedMs: nowMs, steps, lines: trace.lines ?? [] };
  }

  /**
   * Lets things happen until `endMs`, until `isDone`, or until a rule is broken. Each event has an immediate
   * of its own: Node lets every promise settle between two of them.
   */
  run(endMs: number, isDone: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      let happened: Event | null = null;
      let isOver = false;
      let left = 0;
      const more = () => {
        left = immediatesAtOnce;
        for (let i = 0; i < immediatesAtOnce; i += 1) setImmediate(step);
      };
      const step = () => {
        if (isOver) return;
        try {
          if (happened !== null) this.afterStep(happened.actor);
          happened = this.next(endMs, isDone);
        } catch (error) {
          isOver = true;
          reject(error);
          return;
        }
        left -= 1;
        if (happened === null) {
          isOver = true;
          resolve();
        } else if (left === 0) more();
      };
      more();
    });
  }

  /** Lets the next event happen; null: none does any more. */
  private next(endMs: number, isDone: () => boolean): Event | null {
    while (this.broken === null && !isDone()) {
      const event = this.queue.first;
      if (event === undefined || event.atMs > endMs) {
        this.nowMs = Math.max(this.nowMs, endMs);
        return null;
      }
      this.queue.pop();
      const { call } = event;
      if (call === null) continue;
      this.passTo(event.atMs);
      const heldUntilMs = event.actor?.heldUntilMs(event.incarnation) ?? null;
      if (heldUntilMs === null) {
        event.call = null;
        this.happen(event, call);
        return event;
      }
      event.atMs = heldUntilMs;
      if (heldUntilMs === Infinity) event.call = null;
      else this.queue.push(event);
    }
    return null;
  }

  private happen(event: Event, call: () => void): void {
    this.steps += 1;
    this.momentSteps += 1;
    if (this.momentSteps > momentStepsMax) {
      this.break('time goes on', `${event.actor?.name ?? 'the lab'} does not come to rest`);
    }
    this.trace.note(event.order);
    this.trace.noteTime(event.atMs);
    try {
      call();
    } catch (error) {
      if (error instanceof RuleBroken) this.broken ??= error;
      else this.break(nothingThrows, textOf(error));
    }
  }

  private passTo(atMs: number): void {
    if (atMs <= this.nowMs) return;
    this.nowMs = atMs;
    this.momentSteps = 0;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
