// Judges a history: nothing acknowledged is lost, nothing is stored twice, seq is 1..n, all replicas
// hold the same, real time is respected, and every read is a part of the final state.
import type { HistoryEvent, StoredPair } from './history.ts';

export interface Verdict {
  readonly ok: boolean;
  /** The first ones, for people. */
  readonly violations: readonly string[];
  readonly figures: {
    readonly acknowledged: number;
    readonly failed: number;
    readonly unknown: number;
    readonly reads: number;
    readonly stored: number;
    readonly lost: number;
    readonly duplicated: number;
    /** Every other violation. */
    readonly wrong: number;
  };
}

type AppendEvent = Extract<HistoryEvent, { op: 'append' }>;
type ReadEvent = Extract<HistoryEvent, { op: 'read' }>;
type ReadOk = Extract<ReadEvent, { type: 'ok' }>;

/** A value, over all attempts to append it. */
interface Appended {
  readonly conversation: string;
  /** Newest acknowledged seq of the conversation when it was first invoked. */
  readonly headBefore: number;
  /** 0 = not acknowledged. */
  seq: number;
  /** Attempts that may have stored it; 0 = proven not stored. */
  attempts: number;
}

type Fault = 'lost' | 'duplicated' | 'wrong';

/** Whatever came between: a retry of what is stored is a duplicate. */
const neverOfStored: ReadonlySet<string> = new Set([
  'EXPECTED_SEQ_MISMATCH',
  'IDEMPOTENCY_MISMATCH',
  'CHAIN_PASSED',
  'SENDER_GAP',
  'EPOCH_FENCED',
]);

const violationsMax = 20;

/** `nodes`: how many replicas every conversation must have been read from at the end. */
export function checkHistory(events: Iterable<HistoryEvent>, nodes: number): Verdict {
  const checker = new Checker(nodes);
  for (const event of events) checker.take(event);
  return checker.end();
}

class Checker {
  private readonly nodes: number;
  private readonly violations: string[] = [];
  private readonly faults = { lost: 0, duplicated: 0, wrong: 0 };
  private readonly counts = { acknowledged: 0, failed: 0, unknown: 0, reads: 0, stored: 0 };
  private readonly appended = new Map<string, Appended>();
  /** Newest acknowledged seq by conversation. */
  private readonly heads = new Map<string, number>();
  /** What each process has open. */
  private readonly open = new Map<number, { readonly op: string; readonly head: number }>();
  private readonly retired = new Set<number>();
  private readonly finals = new Map<string, Map<number, readonly StoredPair[]>>();
  private readonly pages: { readonly read: ReadOk; readonly head: number }[] = [];

  constructor(nodes: number) {
    this.nodes = nodes;
  }

  take(event: HistoryEvent): void {
    const { process, type, op, conversation } = event;
    const head = this.heads.get(conversation) ?? 0;
    if (type === 'invoke') {
      if (this.open.has(process)) this.fault('wrong', `process ${process} has two open operations`);
      if (this.retired.has(process)) this.fault('wrong', `process ${process} was retired`);
      this.open.set(process, { op, head });
      if (op === 'append') this.invoked(event, head);
      return;
    }
    const opened = this.open.get(process);
    this.open.delete(process);
    if (opened?.op !== op) this.fault('wrong', `process ${process} ended what it did not begin`);
    if (type === 'info') this.retired.add(process);
    if (op === 'append') this.appendEnded(event);
    else if (type === 'ok') this.readEnded(event, opened?.head ?? 0);
  }

  end(): Verdict {
    const conversations = new Set(this.finals.keys());
    for (const { conversation } of this.appended.values()) conversations.add(conversation);
    const seqs = new Map<string, number>();
    for (const conversation of conversations) this.judge(conversation, seqs);
    for (const [value, append] of this.appended) this.judgeAppend(value, append, seqs.get(value));
    for (const { read, head } of this.pages) this.judgePage(read, head);
    const { violations, faults, counts } = this;
    const ok = violations.length === 0;
    return { ok, violations, figures: { ...counts, ...faults } };
  }

  private invoked({ value, conversation }: AppendEvent, head: number): void {
    const known = this.appended.get(value);
    if (known === undefined) {
      this.appended.set(value, { conversation, headBefore: head, seq: 0, attempts: 1 });
    } else if (known.conversation !== conversation) {
      this.fault('wrong', `${value} was appended to ${known.conversation} and ${conversation}`);
    } else {
      known.attempts += 1;
    }
  }

  private appendEnded(event: AppendEvent): void {
    const { value, conversation, type } = event;
    const append = this.appended.get(value);
    if (append === undefined || type === 'invoke') return;
    if (type === 'info') this.counts.unknown += 1;
    if (type === 'fail') {
      this.counts.failed += 1;
      append.attempts -= 1;
      if (append.seq !== 0 && neverOfStored.has(event.error)) {
        this.fault(
          'wrong',
          `${value}, acknowledged as seq ${append.seq}, was refused: ${event.error}`,
        );
      }
    }
    if (type !== 'ok') return;
    this.counts.acknowledged += 1;
    const { seq } = event;
    if (append.seq !== 0 && append.seq !== seq) {
      this.fault('duplicated', `${value} in ${conversation}: seq ${append.seq}, then seq ${seq}`);
    }
    append.seq = seq;
    this.heads.set(conversation, Math.max(seq, this.heads.get(conversation) ?? 0));
  }

  private readEnded(read: ReadOk, head: number): void {
    this.counts.reads += 1;
    const { conversation, node, messages } = read;
    if (read.final === undefined) {
      this.pages.push({ read, head });
      return;
    }
    const replicas = this.finals.get(conversation) ?? new Map<number, readonly StoredPair[]>();
    replicas.set(node, messages);
    this.finals.set(conversation, replicas);
  }

  /** The final state of one conversation; its values' seqs go into `seqs`. */
  private judge(conversation: string, seqs: Map<string, number>): void {
    const replicas = this.finals.get(conversation) ?? new Map<number, readonly StoredPair[]>();
    if (replicas.size !== this.nodes) {
      this.fault('wrong', `${conversation} was read from ${replicas.size} nodes at the end`);
    }
    const [first = [0, []], ...others] = replicas;
    const [node, messages] = first;
    for (const [other, theirs] of others) {
      const at = firstDifference(messages, theirs);
      if (at === null) continue;
      this.fault('wrong', `${conversation} differs on nodes ${node} and ${other} at seq ${at + 1}`);
    }
    for (const [i, [seq, value]] of messages.entries()) {
      this.counts.stored += 1;
      if (seq !== i + 1)
        this.fault('wrong', `${conversation}: seq ${seq} stands at place ${i + 1}`);
      const before = seqs.get(value);
      if (before === undefined) seqs.set(value, seq);
      else this.fault('duplicated', `${value} is stored as seq ${before} and seq ${seq}`);
      const append = this.appended.get(value);
      if (append?.conversation !== conversation) {
        this.fault('wrong', `${conversation} has ${value}, which nobody appended to it`);
      }
    }
  }

  private judgeAppend(value: string, append: Appended, stored: number | undefined): void {
    const { conversation, seq, headBefore, attempts } = append;
    if (seq > 0 && stored !== seq) {
      const now = stored === undefined ? 'is not there' : `is seq ${stored}`;
      this.fault('lost', `${value}, acknowledged as seq ${seq} of ${conversation}, ${now}`);
    }
    if (stored === undefined) return;
    if (attempts === 0)
      this.fault('wrong', `${value} was refused and is seq ${stored} of ${conversation}`);
    if (stored <= headBefore) {
      const order = `seq ${stored} although seq ${headBefore} was acknowledged before it began`;
      this.fault('wrong', `${value} of ${conversation} has ${order}`);
    }
  }

  /** A page holds what the final state has there, and is as fresh as its level says. */
  private judgePage(read: ReadOk, head: number): void {
    const { conversation, after, limit, level, messages } = read;
    const final = this.finals.get(conversation)?.values().next().value ?? [];
    const expected = final.slice(after, after + messages.length);
    const at = firstDifference(messages, expected);
    if (at !== null) {
      this.fault(
        'wrong',
        `a read of ${conversation} differs from the final at seq ${after + at + 1}`,
      );
    }
    const last = messages.at(-1)?.[0] ?? after;
    if (messages.length >= limit) return;
    const { seen = 0 } = read;
    if (level === 'linearizable' && last < head) {
      const missed = `ends at seq ${last}, seq ${head} was acknowledged before`;
      this.fault('wrong', `a linearizable read of ${conversation} ${missed}`);
    }
    if (level === 'at-least' && last < seen) {
      const older = `ends at seq ${last}, its client had seen seq ${seen}`;
      this.fault('wrong', `an at-least read of ${conversation} ${older}`);
    }
  }

  private fault(fault: Fault, text: string): void {
    this.faults[fault] += 1;
    if (this.violations.length < violationsMax) this.violations.push(`${fault}: ${text}`);
  }
}

/** The first place where two lists differ, or null. */
function firstDifference(a: readonly StoredPair[], b: readonly StoredPair[]): number | null {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a[i], b[i]];
    if (one?.[0] !== other?.[0] || one?.[1] !== other?.[1]) return i;
  }
  return null;
}
