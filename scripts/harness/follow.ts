// A subscription that keeps what it saw, so that it can be compared with the truth, and how long each
// message took from the append call.
import type { PacelineClient } from '../../src/client/client.ts';
import type { Message } from '../../src/client/message.ts';
import type { Subscribe, Subscription } from '../../src/client/subscription.ts';
import type { Pace } from './pace.ts';

export interface Seen {
  readonly conversation: string;
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
  readonly value: string;
}

export class Follower {
  readonly seen: Seen[] = [];
  /** ms from the append call to the delivery, of the appends of the pace. */
  delaysMs: number[] = [];
  resets = 0;
  caughtUp = false;
  error: unknown = null;
  private readonly subscription: Subscription;
  private readonly pace: Pace | null;
  private readonly ended: Promise<void>;

  constructor(client: PacelineClient, subscribe: Subscribe, pace: Pace | null = null) {
    this.pace = pace;
    this.subscription = client.subscribe(subscribe);
    this.ended = this.follow().catch((error: unknown) => {
      this.error = error;
    });
  }

  async stop(): Promise<void> {
    await this.subscription.return();
    await this.ended;
  }

  private async follow(): Promise<void> {
    for await (const event of this.subscription) {
      if (event.kind === 'reset') this.resets += 1;
      if (event.kind === 'caught-up') this.caughtUp = true;
      if (event.kind === 'message') this.take(event.message);
    }
  }

  private take(message: Message): void {
    const seen = seenOf(message);
    this.seen.push(seen);
    const append = this.pace?.appends.get(seen.value);
    if (append !== undefined) this.delaysMs.push(performance.now() - append.calledMs);
  }
}

export function seenOf({ conversation, seq, index, slot, body }: Message): Seen {
  const value = Buffer.from(body.buffer, body.byteOffset, body.length).toString().trimEnd();
  return { conversation, seq, index, slot, value };
}

/** All of a conversation, by pages. */
export async function readWhole(
  client: PacelineClient,
  conversation: string,
  viewer = '',
): Promise<Seen[]> {
  const all: Seen[] = [];
  for (;;) {
    const afterSeq = all.at(-1)?.seq ?? 0;
    const level = 'linearizable' as const;
    const { messages } = await client.read({ conversation, afterSeq, limit: 1000, level, viewer });
    if (messages.length === 0) return all;
    all.push(...messages.map(seenOf));
  }
}

/** '' where both are the same, else the first difference. */
export function difference(name: string, seen: readonly Seen[], truth: readonly Seen[]): string {
  const length = Math.max(seen.length, truth.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [seen[i], truth[i]];
    const isSame = one?.seq === other?.seq && one?.index === other?.index;
    if (isSame && one?.slot === other?.slot && one?.value === other?.value) continue;
    return `${name}, place ${i}: ${JSON.stringify(one)}, in truth ${JSON.stringify(other)}`;
  }
  return '';
}

/** What was acknowledged and is not there, at its seq and once; empty = all is well. */
export function missing(pace: Pace, conversation: string, truth: readonly Seen[]): string[] {
  const seqs = new Map<string, number>();
  const problems: string[] = [];
  for (const [i, { seq, value }] of truth.entries()) {
    if (seq !== i + 1) problems.push(`${conversation}: seq ${seq} stands at place ${i + 1}`);
    if (seqs.has(value)) problems.push(`${conversation}: ${value} is there twice`);
    seqs.set(value, seq);
  }
  for (const [value, append] of pace.appends) {
    if (append.conversation !== conversation || append.seq === 0) continue;
    if (seqs.get(value) === append.seq) continue;
    problems.push(`${value}: acknowledged as ${append.seq}, is seq ${seqs.get(value)}`);
  }
  return problems;
}

export interface Quantiles {
  readonly count: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

export function quantiles(delaysMs: readonly number[]): Quantiles {
  const sorted = [...delaysMs].sort((a, b) => a - b);
  const at = (q: number) => Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(2));
  return {
    count: sorted.length,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: Number((sorted.at(-1) ?? 0).toFixed(2)),
  };
}
