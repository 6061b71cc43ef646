// A server that keeps chains by docs/ordering.md (keys, epochs, holds, gaps), and links to it on which
// appends wait, travel, are lost and answered as the test says.
import type { Append, Appended } from '../../src/client/append.ts';
import { PacelineError, type Refusal } from '../../src/errors.ts';

export type GapPolicy = 'mark' | 'reject' | 'skip';

export interface LogEntry {
  readonly conversation: string;
  readonly value: string;
  readonly key: string;
  readonly epoch: number;
  readonly clientSeq: number;
  readonly late: boolean;
  readonly appended: Appended;
}

interface ServerChain {
  epoch: number;
  last: number;
  gaps: { after: number; upTo: number }[];
}

export interface Attempt {
  readonly append: Append;
  readonly link: FakeLink;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
  /** Refusals of its conversation, on this stream, of which the client had heard as it was sent. */
  heard: number;
  isDone: boolean;
}

type Result = Appended | Refusal;

export class FakeChains {
  readonly log: LogEntry[] = [];
  readonly markers: { conversation: string; after: number; before: number }[] = [];
  /** Every attempt that came so far. */
  readonly taken: Append[] = [];
  policy: GapPolicy = 'reject';
  /** What the next attempts are refused with. */
  trouble: Refusal[] = [];
  /** Refused for ever. */
  refuse: (append: Append) => Refusal | null = () => null;
  private readonly chains = new Map<string, ServerChain>();
  private held: Attempt[] = [];

  values(conversation: string): string[] {
    return this.log.filter((entry) => entry.conversation === conversation).map((e) => e.value);
  }

  chain(conversation: string): ServerChain {
    const chain = this.chains.get(conversation) ?? { epoch: 0, last: 0, gaps: [] };
    this.chains.set(conversation, chain);
    return chain;
  }

  take(attempt: Attempt): void {
    const { append } = attempt;
    this.taken.push(append);
    const result = attempt.link.isInOrder(attempt)
      ? (this.trouble.shift() ?? this.refuse(append) ?? this.verdict(append))
      : sessionOrder;
    if (result === 'held') {
      this.held.push(attempt);
      return;
    }
    attempt.link.answer(attempt, result);
    if (!('reason' in result)) this.letGo(append.conversation);
  }

  /** The wait of all that is held ends. */
  endHolds(): void {
    const held = this.held.splice(0).sort((a, b) => seqOf(a.append) - seqOf(b.append));
    for (const attempt of held) {
      const { append, link } = attempt;
      const again = this.verdict(append);
      if (again !== 'held') link.answer(attempt, again);
      else if (this.policy === 'mark') link.answer(attempt, this.mark(append));
      else link.answer(attempt, gapOf(append, this.chain(append.conversation)));
    }
  }

  /** Another leads: it knows of nothing that was held. */
  elect(): void {
    for (const attempt of this.held.splice(0)) {
      attempt.link.answer(attempt, { reason: 'NOT_LEADER', message: 'elected' });
    }
  }

  private verdict(append: Append): Result | 'held' {
    const chain = this.chain(append.conversation);
    const { epoch = 0, prevClientSeq = 0 } = append;
    const known = this.log.find((entry) => isSame(entry, append));
    if (known !== undefined) {
      if (known.value === String(append.body)) return { ...known.appended, duplicate: true };
      return { reason: 'IDEMPOTENCY_MISMATCH', message: 'another body' };
    }
    if (epoch < chain.epoch) {
      return { reason: 'EPOCH_FENCED', actual: chain.epoch, message: 'fenced' };
    }
    if (epoch > chain.epoch) Object.assign(chain, { epoch, last: 0, gaps: [] });
    if (prevClientSeq === chain.last) return this.store(append);
    const gap = chain.gaps.find(
      ({ after, upTo }) => seqOf(append) > after && seqOf(append) <= upTo,
    );
    if (gap !== undefined) {
      const { after, upTo } = gap;
      const left = [
        { after, upTo: prevClientSeq },
        { after: seqOf(append), upTo },
      ].filter((each) => each.after < each.upTo);
      chain.gaps.splice(chain.gaps.indexOf(gap), 1, ...left);
      return this.store(append, true);
    }
    if (prevClientSeq < chain.last) {
      return { reason: 'CHAIN_PASSED', actual: chain.last, message: 'passed' };
    }
    return this.policy === 'skip' ? this.passOver(append) : 'held';
  }

  private mark(append: Append): Result {
    const { conversation } = append;
    this.markers.push({
      conversation,
      after: this.chain(conversation).last,
      before: seqOf(append),
    });
    return this.passOver(append);
  }

  private passOver(append: Append): Result {
    const chain = this.chain(append.conversation);
    chain.gaps.push({ after: chain.last, upTo: append.prevClientSeq ?? 0 });
    return this.store(append);
  }

  private store(append: Append, late = false): Appended {
    const { conversation, key = '', epoch = 0 } = append;
    const appended = appendedAt(this.values(conversation).length + 1, late);
    const value = String(append.body);
    const entry = { conversation, value, key, epoch, clientSeq: seqOf(append), late, appended };
    this.log.push(entry);
    if (!late) this.chain(conversation).last = seqOf(append);
    return appended;
  }

  /** What was held and may now follow. */
  private letGo(conversation: string): void {
    for (;;) {
      const next = this.held.find(({ append }) => {
        return append.conversation === conversation && !this.mustWait(append);
      });
      if (next === undefined) return;
      this.held.splice(this.held.indexOf(next), 1);
      const result = this.verdict(next.append);
      if (result !== 'held') next.link.answer(next, result);
    }
  }

  private mustWait(append: Append): boolean {
    const chain = this.chain(append.conversation);
    const isKnown = this.log.some((entry) => isSame(entry, append));
    return !isKnown && append.epoch === chain.epoch && (append.prevClientSeq ?? 0) > chain.last;
  }
}

/** What one process sends on. */
export class FakeLink {
  /** Not sent yet. */
  readonly lane: Attempt[] = [];
  /** Sent and not taken by the server; in order. */
  readonly wire: Attempt[] = [];
  readonly answers: { attempt: Attempt; result: Result }[] = [];
  /** What was sent and not answered. */
  readonly out: Attempt[] = [];
  heedsSignal = true;
  isDead = false;
  private readonly server: FakeChains;
  /** Refusals by conversation: that the server gave, and that were heard. */
  private readonly refused = new Map<string, number>();
  private readonly heard = new Map<string, number>();
  private readonly draining = new Set<string>();

  constructor(server: FakeChains) {
    this.server = server;
  }

  readonly append = (
    append: Append,
    resolve: (appended: Appended) => void,
    reject: (error: Error) => void,
    signal: AbortSignal,
  ) => {
    const attempt = { append, resolve, reject, link: this, heard: 0, isDone: false };
    this.lane.push(attempt);
    signal.addEventListener('abort', () => {
      if (this.heedsSignal) this.abort(attempt, signal);
    });
  };

  /** After a refusal nothing of its conversation is sent before all that was sent has come back. */
  send(): void {
    const unanswered = [...this.wire, ...this.answers.map(({ attempt }) => attempt)];
    const isOut = new Set(unanswered.map(({ append }) => append.conversation));
    for (const attempt of [...this.lane]) {
      const { conversation } = attempt.append;
      if (this.draining.has(conversation) && isOut.has(conversation)) continue;
      this.draining.delete(conversation);
      attempt.heard = this.heard.get(conversation) ?? 0;
      this.wire.push(attempt);
      this.out.push(attempt);
      this.lane.splice(this.lane.indexOf(attempt), 1);
    }
  }

  /** The server takes the one at that place; the oldest where order counts. */
  take(place = 0): void {
    const [attempt] = this.wire.splice(place % Math.max(1, this.wire.length), 1);
    if (attempt !== undefined) this.server.take(attempt);
  }

  answer(attempt: Attempt, result: Result): void {
    this.answers.push({ attempt, result });
    if (isRefusal(result)) count(this.refused, attempt.append.conversation);
  }

  deliver(place = 0): void {
    const [answer] = this.answers.splice(place % Math.max(1, this.answers.length), 1);
    if (answer === undefined) return;
    const { attempt, result } = answer;
    if (isRefusal(result)) count(this.heard, attempt.append.conversation);
    if ('reason' in result) this.draining.add(attempt.append.conversation);
    if ('reason' in result) this.end(attempt, () => attempt.reject(new PacelineError(result)));
    else this.end(attempt, () => attempt.resolve(result));
  }

  /** The stream is lost, with what had not arrived and what had not been answered. */
  cut(): void {
    this.wire.length = 0;
    this.answers.length = 0;
    for (const [conversation, refusals] of this.refused) this.heard.set(conversation, refusals);
    for (const attempt of [...this.out]) this.fail(attempt, 'OUTCOME_UNKNOWN');
  }

  /** The oldest one's deadline is over. */
  expire(): void {
    const attempt = this.out[0] ?? this.lane[0];
    if (attempt === undefined) return;
    const place = this.lane.indexOf(attempt);
    if (place >= 0) this.lane.splice(place, 1);
    this.fail(attempt, place >= 0 ? 'NO_LEADER' : 'OUTCOME_UNKNOWN');
  }

  /** The process is gone: nobody hears answers; what was sent may still arrive. */
  die(): void {
    this.isDead = true;
    this.lane.length = 0;
  }

  /** What was sent before its sender heard of a refusal is refused too. */
  isInOrder({ append, heard }: Attempt): boolean {
    return heard >= (this.refused.get(append.conversation) ?? 0);
  }

  /** All that travels arrives and is answered. */
  run(): void {
    this.send();
    while (this.wire.length > 0) this.take();
    while (this.answers.length > 0) this.deliver();
  }

  private abort(attempt: Attempt, signal: AbortSignal): void {
    const place = this.lane.indexOf(attempt);
    if (place < 0) this.fail(attempt, 'OUTCOME_UNKNOWN');
    else {
      this.lane.splice(place, 1);
      this.end(attempt, () => attempt.reject(signal.reason));
    }
  }

  private fail(attempt: Attempt, reason: Refusal['reason']): void {
    this.end(attempt, () => attempt.reject(new PacelineError({ reason, message: 'fake' })));
  }

  private end(attempt: Attempt, tell: () => void): void {
    const place = this.out.indexOf(attempt);
    if (place >= 0) this.out.splice(place, 1);
    if (attempt.isDone || this.isDead) return;
    attempt.isDone = true;
    tell();
  }
}

const sessionOrder: Refusal = { reason: 'SESSION_ORDER', message: 'after a refused one' };

/** Beside those that follow from another. */
function isRefusal(result: Result): boolean {
  return 'reason' in result && result !== sessionOrder;
}

function count(counts: Map<string, number>, conversation: string): void {
  counts.set(conversation, (counts.get(conversation) ?? 0) + 1);
}

export function appendedAt(seq: number, late = false): Appended {
  const numbers = { seq, rev: seq, id: BigInt(seq), timeMs: 0, index: seq, term: 1 };
  return {
    ...numbers,
    partition: 0,
    duplicate: false,
    dedupeUntilMs: 0,
    late,
    lateFor: 0,
    epoch: 0,
  };
}

function isSame(entry: LogEntry, append: Append): boolean {
  if (entry.conversation !== append.conversation) return false;
  const isSameNumber = entry.epoch === append.epoch && entry.clientSeq === append.clientSeq;
  return entry.key === append.key || isSameNumber;
}

function gapOf(append: Append, { last }: ServerChain): Refusal {
  const want = append.prevClientSeq ?? 0;
  return { reason: 'SENDER_GAP', actual: last, want, message: 'gap' };
}

function seqOf({ clientSeq = 0 }: Append): number {
  return clientSeq;
}
