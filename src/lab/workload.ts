// What clients do while faults happen: they append with keys of their own, retry, read at every level and
// follow conversations, by the real SDK. Everything they see goes into the history; what can be judged at
// once is.
import type { Append, Appended } from '../client/append.ts';
import type { Message } from '../client/message.ts';
import { PacelineError } from '../errors.ts';
import type { HistoryEvent, StoredPair, Untimed } from './history.ts';
import type { LabClient, LabCluster } from './lab-cluster.ts';
import type { Machine } from './machine.ts';
import type { Random } from './random.ts';

/** Acknowledged, to be asked for again. */
interface Stored {
  readonly append: Append & { readonly key: string };
  readonly value: string;
  readonly seq: number;
}

/** Log time may be ahead of the right time by so much: clocks drift while they are not heard. */
const aheadMaxMs = 5000;
const readLimit = 50;
const wallStartMs = 1_767_225_600_000;

export class Workload {
  readonly history: HistoryEvent[] = [];
  readonly conversations: readonly string[];
  /** Set once no operation is to be begun any more. */
  private stopping = false;
  private readonly cluster: LabCluster;
  private readonly random: Random;
  private processes = 0;
  private values = 0;
  /** Operations and followers that have not ended. */
  private open = 0;
  private readonly stored: Stored[] = [];
  private readonly followers: Follower[] = [];

  constructor(cluster: LabCluster) {
    this.cluster = cluster;
    this.random = cluster.world.random.fork();
    const { conversations, clients } = cluster.shape;
    this.conversations = Array.from({ length: conversations }, (_, i) => `g:room${i}`);
    for (let i = 0; i < clients; i += 1) {
      const timeoutMs = this.random.pick([2000, 5000, 10_000]);
      const client = cluster.addClient(`client ${i + 1}`, { timeoutMs });
      this.work(client);
      this.work(client);
      this.follow(client).catch((error: unknown) => {
        cluster.world.break('a follower goes on', String(error));
      });
    }
  }

  stop(): void {
    this.stopping = true;
  }

  get isOver(): boolean {
    return this.open === 0;
  }

  /** How many operations clients began. */
  get operations(): number {
    return this.values;
  }

  /** Followers that have not yet got everything. */
  behind(heads: ReadonlyMap<string, number>): readonly string[] {
    return this.followers
      .filter(({ conversation, seq }) => seq < (heads.get(conversation) ?? 0))
      .map(({ conversation, seq, name }) => `${name} of ${conversation} stands at seq ${seq}`);
  }

  newProcess(): number {
    this.processes += 1;
    return this.processes;
  }

  record(event: Untimed<HistoryEvent>): void {
    const { world } = this.cluster;
    this.history.push({ ...event, t_ns: Math.round(world.nowMs * 1e6) });
  }

  private async work(of: LabClient): Promise<void> {
    let process = this.newProcess();
    const random = of.machine.random.fork();
    const paceMs = random.pick([1000, 3000, 6000]);
    while (!this.stopping) {
      await sleep(of.machine, paceMs * random.next());
      if (this.stopping) return;
      this.open += 1;
      const dice = random.next();
      let isKnown = true;
      if (dice < 0.4) isKnown = await this.append(of, this.newAppend(of, random), process);
      else if (dice < 0.5) await this.burst(of, random);
      else if (dice < 0.6) isKnown = await this.retry(of, random, process);
      else if (dice < 0.65) isKnown = await this.appendExpecting(of, random, process);
      else await this.read(of, random, process);
      if (!isKnown) process = this.newProcess();
      this.open -= 1;
    }
  }

  private newAppend({ machine }: LabClient, random: Random): Stored {
    this.values += 1;
    const value = `v${this.values}`;
    const conversation = random.pick(this.conversations);
    const body = random.chance(0.05) ? value.padEnd(random.between(100, 5000), '.') : value;
    const append = { conversation, sender: machine.name, key: value, body };
    return { append, value, seq: 0 };
  }

  /** Returns whether its outcome is known. */
  private async append(of: LabClient, { append, value, seq }: Stored, process: number) {
    const { world } = this.cluster;
    const { conversation, sender, key } = append;
    const base = { process, op: 'append', conversation, key, value, sender } as const;
    this.record({ ...base, type: 'invoke' });
    world.say(of.machine.name, () => `appends ${value} to ${conversation}`);
    try {
      const appended = await of.client.append(append);
      world.say(of.machine.name, () => `${value} is seq ${appended.seq}`);
      this.record({ ...base, type: 'ok', seq: appended.seq, duplicate: appended.duplicate });
      this.judge(append, appended);
      if (seq === 0) this.stored.push({ append, value, seq: appended.seq });
      return true;
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      const { reason } = error;
      world.say(of.machine.name, () => `${value}: ${reason} ${error.message}`);
      const isUnknown = reason === 'OUTCOME_UNKNOWN' || reason === 'INTERNAL';
      this.record({ ...base, type: isUnknown ? 'info' : 'fail', error: reason });
      if (isUnknown && seq === 0) this.stored.push({ append, value, seq: 0 });
      return !isUnknown;
    }
  }

  private judge({ expectedSeq, key }: Append, { seq, duplicate, timeMs }: Appended): void {
    const { world } = this.cluster;
    if (expectedSeq !== undefined && !duplicate && seq !== expectedSeq + 1) {
      const detail = `${key} expected ${expectedSeq} and is seq ${seq}`;
      world.break('an append is stored only where its expected seq is the head', detail);
    }
    if (timeMs > wallStartMs + world.nowMs + aheadMaxMs) {
      const aheadMs = Math.round(timeMs - wallStartMs - world.nowMs);
      world.break('log time follows the clocks of a majority', `${key} is ${aheadMs} ms ahead`);
    }
  }

  private async burst(of: LabClient, random: Random): Promise<void> {
    const appends = Array.from({ length: random.between(2, 12) }, () => this.newAppend(of, random));
    const ends = appends.map((append) => this.append(of, append, this.newProcess()));
    await Promise.all(ends);
  }

  /** The same key and content again, perhaps by another client. */
  private async retry(of: LabClient, random: Random, process: number): Promise<boolean> {
    if (this.stored.length === 0) return true;
    return this.append(of, { ...random.pick(this.stored), seq: -1 }, process);
  }

  private async appendExpecting(of: LabClient, random: Random, process: number): Promise<boolean> {
    const wanted = this.newAppend(of, random);
    try {
      const page = await of.client.read({
        conversation: wanted.append.conversation,
        direction: 'backward',
        limit: 1,
      });
      const append = { ...wanted.append, expectedSeq: page.headSeq };
      return await this.append(of, { ...wanted, append }, process);
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      return true;
    }
  }

  private async read(of: LabClient, random: Random, process: number): Promise<void> {
    const conversation = random.pick(this.conversations);
    const level = random.pick(['linearizable', 'at-least', 'eventual'] as const);
    const key = `${of.machine.name} ${of.machine.incarnation} ${conversation}`;
    const seen = this.seen.get(key) ?? 0;
    const after = random.chance(0.5) ? 0 : Math.max(0, seen - random.below(20));
    const base = {
      process,
      op: 'read',
      conversation,
      level,
      node: 0,
      after,
      limit: readLimit,
    } as const;
    const read = level === 'at-least' ? { ...base, seen } : base;
    this.record({ ...read, type: 'invoke' });
    try {
      const page = await of.client.read({ conversation, level, afterSeq: after, limit: readLimit });
      const messages = page.messages.map(pairOf);
      this.record({ ...read, type: 'ok', messages });
      this.advance(key, messages.at(-1)?.[0] ?? 0);
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      this.record({ ...read, type: 'fail', error: error.reason });
    }
  }

  /** By client and conversation: the newest seq that it read. */
  private readonly seen = new Map<string, number>();

  private advance(key: string, seq: number): void {
    this.seen.set(key, Math.max(seq, this.seen.get(key) ?? 0));
  }

  private async follow(of: LabClient): Promise<void> {
    const random = of.machine.random.fork();
    const conversation = random.pick(this.conversations);
    const follower = { name: `the follower of ${of.machine.name}`, conversation, seq: 0 };
    this.followers.push(follower);
    const window = random.pick([4, 64, 1024]);
    for await (const { seq, body } of of.client.messages({ conversation, afterSeq: 0, window })) {
      if (seq !== follower.seq + 1) {
        const detail = `${follower.name}: seq ${seq} of ${conversation} after seq ${follower.seq}`;
        this.cluster.world.break('a follower sees every message once, in order', detail);
      }
      follower.seq = seq;
      this.cluster.world.trace.noteBytes(body);
    }
  }
}

interface Follower {
  readonly name: string;
  readonly conversation: string;
  seq: number;
}

export function pairOf({ seq, body }: Message): StoredPair {
  return [seq, valueIn(body)];
}

/** A body is its value, and dots behind it. */
function valueIn(body: Uint8Array): string {
  return Buffer.from(body).toString().replace(/\.+$/, '');
}

function sleep(machine: Machine, ms: number): Promise<void> {
  return new Promise((resolve) => machine.after(ms, resolve));
}
