// What clients do while faults happen: they append with keys of their own, retry, append the same twice at
// once, read at every level and follow conversations, by the real SDK; beside them are apps with outboxes.
// Everything they see goes into the history; what can be judged at once is.
import type { Append } from '../client/append.ts';
import { PacelineError } from '../errors.ts';
import { Apps } from './apps.ts';
import { type AnswerFault, answerFault, refusalFault } from './check-answer.ts';
import type { Call } from './check-numbers.ts';
import { Follower } from './followers.ts';
import { sendHastily } from './hasty-sender.ts';
import type { LabClient, LabCluster } from './lab-cluster.ts';
import { bodyOf, pairOf } from './message-value.ts';
import type { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { addressOf, hasSmallQueue, partitionOfName } from './shape.ts';

/** An append as a client may send it again. */
interface Sent {
  readonly append: Append & { readonly key: string };
  readonly value: string;
  /** It was sent before: it has no place in the order of the calls. */
  readonly isRetry: boolean;
}

type Level = 'linearizable' | 'at-least' | 'eventual';

const readLimit = 50;
const freshReadMs = 200;
/** Of one client, that wait for their answer: each asks again and again. */
const freshReadsMax = 4;
const recentAppends = 5;
/** With so many in all nothing more is begun that writes much: their keys have to fit into a small window. */
const appendsMax = 700;
const trickleAppends = 60;
const trickleMs = 25;
/** Where many are sent again at once. */
const resentAtOnce = 8;
const resentAmong = 40;
/** Of one client: fewer than a small queue takes. */
const floodAppends = 46;
/** More, slowly, behind what a small queue had no room for and is sent again. */
const floodTail = 60;

export class Workload {
  readonly recorder: Recorder;
  readonly conversations: readonly string[];
  readonly followers: Follower[] = [];
  readonly apps: Apps;
  /** Acknowledged, in the order of the calls of each client. */
  readonly calls: Call[] = [];
  /** Set once no operation is to be begun any more. */
  private stopping = false;
  private readonly cluster: LabCluster;
  private readonly random: Random;
  private orders = 0;
  /** Operations that have not ended. */
  private open = 0;
  /** Whose outcome is not a refusal, oldest first. */
  private readonly sent: Sent[] = [];
  /** Where the newest append was acknowledged. */
  private newest: { readonly conversation: string; readonly seq: number } | null = null;
  /** By client and conversation: the newest seq that it read or wrote. */
  private readonly seen = new Map<string, number>();

  constructor(cluster: LabCluster) {
    this.cluster = cluster;
    this.random = cluster.world.random.fork();
    this.recorder = new Recorder(cluster.world);
    const { conversations, clients, freshReads } = cluster.shape;
    this.conversations = Array.from({ length: conversations }, (_, i) => {
      // A thread is in the shard of its room.
      return i > 0 && this.random.chance(0.4) ? `h:g%3Aroom0~${i}` : `g:room${i}`;
    });
    for (let i = 0; i < clients; i += 1) {
      const timeoutMs = this.random.pick([2000, 5000, 10_000]);
      const client = cluster.addClient(`client ${i + 1}`, { timeoutMs });
      this.work(client);
      this.work(client);
      this.follow(client);
      if (freshReads) this.readFresh(client);
    }
    cluster.provoke = () => {
      for (const client of cluster.clients) this.writeNow(client);
    };
    cluster.flood = () => {
      const conversation = this.random.pick(this.conversations);
      for (const client of cluster.clients) this.flood(client, conversation);
      this.sendHastily(this.random.pick(cluster.clients), conversation);
    };
    cluster.expectAhead = (of, onHead) => this.expectAhead(of, onHead);
    cluster.trickle = (partition) => this.trickle(this.random.pick(cluster.clients), partition);
    cluster.resend = (partition) => this.resend(partition);
    cluster.question = ({ id }, what) => this.readAllAt(addressOf(id), what);
    this.apps = new Apps(cluster, this.recorder, this.conversations);
  }

  stop(): void {
    this.stopping = true;
    this.apps.stop();
  }

  get isOver(): boolean {
    return this.open === 0 && this.apps.isOver;
  }

  private async work(of: LabClient): Promise<void> {
    let process = this.recorder.newProcess();
    const random = of.machine.random.fork();
    const paceMs = random.pick([2000, 4000, 8000]);
    while (!this.stopping) {
      await of.machine.pass(paceMs * random.next());
      if (this.stopping) return;
      this.open += 1;
      const dice = random.next();
      let isKnown = true;
      if (dice < 0.32) isKnown = await this.append(of, this.newAppend(of, random), process);
      else if (dice < 0.42) await this.burst(of, random);
      else if (dice < 0.52) isKnown = await this.retry(of, random, process);
      else if (dice < 0.58) await this.twice(of, random);
      else if (dice < 0.65) isKnown = await this.appendExpecting(of, random, process);
      else await this.readAny(of, random, process);
      if (!isKnown) process = this.recorder.newProcess();
      this.open -= 1;
    }
  }

  private newAppend(
    { machine }: LabClient,
    random: Random,
    conversation = random.pick(this.conversations),
  ): Sent {
    const value = this.recorder.newValue();
    const body = bodyOf(value, random);
    const append = { conversation, sender: machine.name, key: value, body };
    return { append, value, isRetry: false };
  }

  /** Returns whether its outcome is known. */
  private async append(of: LabClient, sent: Sent, process: number): Promise<boolean> {
    const { world } = this.cluster;
    const { append, value, isRetry } = sent;
    const { conversation, sender, key } = append;
    const base = { process, op: 'append', conversation, key, value, sender } as const;
    this.recorder.record({ type: 'invoke', ...base });
    world.say(of.machine.name, () => `appends ${value} to ${conversation}`);
    const order = this.orders++;
    // The SDK makes a key where a retry is left to it.
    const isKeyed = isRetry || of.machine.random.chance(0.7);
    const { key: _, ...unkeyed } = append;
    try {
      const appended = await of.client.append(isKeyed ? append : unkeyed);
      const { seq, duplicate } = appended;
      world.say(of.machine.name, () => `${value} is seq ${seq}`);
      this.recorder.record({ type: 'ok', seq, duplicate, ...base });
      this.judge(answerFault(append, appended, world.nowMs));
      this.advance(of, conversation, seq);
      this.newest = { conversation, seq };
      const place = `${of.machine.name} in ${conversation}`;
      if (!isRetry) this.calls.push({ place, order, seq });
      if (isKeyed && !isRetry) this.sent.push(sent);
      return true;
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      const { reason } = error;
      world.say(of.machine.name, () => `${value}: ${reason} ${error.message}`);
      this.judge(refusalFault(error));
      const isUnknown = reason === 'OUTCOME_UNKNOWN' || reason === 'INTERNAL';
      this.recorder.record({ type: isUnknown ? 'info' : 'fail', error: reason, ...base });
      if (isUnknown && isKeyed && !isRetry) this.sent.push(sent);
      return !isUnknown;
    }
  }

  private async writeNow(of: LabClient): Promise<void> {
    if (this.isFull) return;
    this.open += 1;
    const isSmall = hasSmallQueue(this.cluster.shape);
    await this.burst(of, of.machine.random, isSmall ? 24 : 12);
    this.open -= 1;
  }

  /** One after the other, into one conversation, without waiting for answers. */
  private async flood(of: LabClient, conversation: string): Promise<void> {
    if (this.isFull) return;
    this.open += 1;
    const { random } = of.machine;
    const ends: Promise<boolean>[] = [];
    const isSmall = hasSmallQueue(this.cluster.shape);
    for (let left = isSmall ? floodAppends + floodTail : floodAppends / 2; left > 0; left -= 1) {
      const sent = this.newAppend(of, random, conversation);
      ends.push(this.append(of, sent, this.recorder.newProcess()));
      await of.machine.pass((left > floodTail ? 2 : 12) * random.next());
    }
    await Promise.all(ends);
    this.open -= 1;
  }

  private async sendHastily(of: LabClient, conversation: string): Promise<void> {
    if (this.isFull || !hasSmallQueue(this.cluster.shape)) return;
    this.open += 1;
    await sendHastily(this.cluster, of, conversation, this.recorder);
    this.open -= 1;
  }

  /** All at once, or each before the one before it is answered. */
  private async burst(of: LabClient, random: Random, most = 12): Promise<void> {
    const gapMs = random.pick([0, 1, 5]);
    const ends: Promise<boolean>[] = [];
    for (let left = random.between(2, most); left > 0; left -= 1) {
      ends.push(this.append(of, this.newAppend(of, random), this.recorder.newProcess()));
      if (gapMs > 0) await of.machine.pass(gapMs * random.next());
    }
    await Promise.all(ends);
  }

  /** The same key and content again, perhaps by another client. */
  private async retry(of: LabClient, random: Random, process: number): Promise<boolean> {
    if (this.sent.length === 0) return true;
    const among = random.chance(0.5) ? this.sent.slice(-recentAppends) : this.sent;
    return this.append(of, { ...random.pick(among), isRetry: true }, process);
  }

  /** No more is to be written than has to be. */
  private get isFull(): boolean {
    return this.stopping || this.recorder.values >= appendsMax;
  }

  /** Each in an entry of its own. */
  private async trickle(of: LabClient, partition: number): Promise<void> {
    const { shape } = this.cluster;
    const isThere = (name: string) => partitionOfName(shape, name) === partition;
    const among = this.conversations.filter(isThere);
    if (this.isFull || among.length === 0) return;
    this.open += 1;
    const { random } = of.machine;
    const ends: Promise<boolean>[] = [];
    for (let left = trickleAppends; left > 0; left -= 1) {
      const sent = this.newAppend(of, random, random.pick(among));
      ends.push(this.append(of, sent, this.recorder.newProcess()));
      await of.machine.pass(2 * trickleMs * random.next());
    }
    await Promise.all(ends);
    this.open -= 1;
  }

  /** Different ones, at once. */
  private async resend(partition: number): Promise<void> {
    if (this.stopping) return;
    const { clients, shape } = this.cluster;
    const lately = this.sent
      .filter(({ append }) => partitionOfName(shape, append.conversation) === partition)
      .slice(-resentAmong);
    this.open += 1;
    const ends: Promise<boolean>[] = [];
    for (let left = Math.min(resentAtOnce, lately.length); left > 0; left -= 1) {
      const [sent] = lately.splice(this.random.below(lately.length), 1);
      if (sent === undefined) continue;
      const of = this.random.pick(clients);
      ends.push(this.append(of, { ...sent, isRetry: true }, this.recorder.newProcess()));
    }
    await Promise.all(ends);
    this.open -= 1;
  }

  /** By two clients at once. */
  private async twice(of: LabClient, random: Random): Promise<void> {
    const sent = { ...this.newAppend(of, random), isRetry: true };
    const other = random.pick(this.cluster.clients);
    const ends = [of, other].map((each) => this.append(each, sent, this.recorder.newProcess()));
    await Promise.all(ends);
    this.sent.push(sent);
  }

  private async appendExpecting(of: LabClient, random: Random, process: number): Promise<boolean> {
    const wanted = this.newAppend(of, random);
    const head = await this.readHead(of, wanted.append.conversation);
    if (head === null) return true;
    return this.append(of, expecting(wanted, head), process);
  }

  private async expectAhead(of: LabClient, onHead: () => void): Promise<void> {
    if (this.stopping) return;
    this.open += 1;
    const { random } = of.machine;
    const wanted = this.newAppend(of, random);
    const { conversation } = wanted.append;
    const head = await this.readHead(of, conversation);
    if (head !== null && !this.stopping) {
      onHead();
      const ahead = this.append(of, expecting(wanted, head + 1), this.recorder.newProcess());
      await of.machine.pass(random.between(100, 250));
      const other = random.pick(this.cluster.clients.filter((client) => client !== of));
      const between = this.newAppend(other, random, conversation);
      await Promise.all([ahead, this.append(other, between, this.recorder.newProcess())]);
    }
    this.open -= 1;
  }

  /** Null: it cannot be read now. */
  private async readHead(of: LabClient, conversation: string): Promise<number | null> {
    try {
      const page = await of.client.read({ conversation, direction: 'backward', limit: 1 });
      return page.headSeq;
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      return null;
    }
  }

  private readAny(of: LabClient, random: Random, process: number): Promise<void> {
    const conversation = random.pick(this.conversations);
    const level = random.pick(['linearizable', 'at-least', 'eventual'] as const);
    const seen = this.seenBy(of, conversation);
    const after = random.chance(0.5) ? 0 : Math.max(0, seen - random.below(20));
    return this.read(of, { conversation, level, after, process });
  }

  private readAllAt(server: string, what: 'newest' | 'everything'): void {
    if (this.stopping) return;
    const isNewest = what === 'newest';
    const level = isNewest ? 'linearizable' : 'eventual';
    const of = this.random.pick(this.cluster.clients);
    for (const conversation of this.conversations) {
      const process = this.recorder.newProcess();
      const after = isNewest ? Math.max(0, this.headOf(conversation) - 5) : 0;
      this.read(of, { conversation, level, after, process, server });
    }
  }

  /** The newest seq that any client was told of. */
  private headOf(conversation: string): number {
    return Math.max(...this.cluster.clients.map((client) => this.seenBy(client, conversation)));
  }

  /** What was acknowledged last has to be seen at once, at every node. */
  private async readFresh(of: LabClient): Promise<void> {
    let waiting = 0;
    while (!this.stopping) {
      await of.machine.pass(freshReadMs);
      if (this.newest === null || waiting >= freshReadsMax) continue;
      const { conversation, seq } = this.newest;
      const process = this.recorder.newProcess();
      const after = Math.max(0, seq - 5);
      waiting += 1;
      this.read(of, { conversation, level: 'linearizable', after, process }).then(() => {
        waiting -= 1;
      });
    }
  }

  private async read(
    of: LabClient,
    { conversation, level, after, process, server }: ReadOf,
  ): Promise<void> {
    const limit = readLimit;
    const base = { process, op: 'read', conversation, level, node: 0, after, limit } as const;
    const read = level === 'at-least' ? { seen: this.seenBy(of, conversation), ...base } : base;
    this.recorder.record({ type: 'invoke', ...read });
    try {
      const page = await of.client.read({
        conversation,
        level,
        limit,
        afterSeq: after,
        ...(server === undefined ? {} : { server }),
      });
      const messages = page.messages.map(pairOf);
      this.recorder.record({ type: 'ok', messages, ...read });
      this.advance(of, conversation, messages.at(-1)?.[0] ?? 0);
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      this.judge(refusalFault(error));
      this.recorder.record({ type: 'fail', error: error.reason, ...read });
    }
  }

  private judge(fault: AnswerFault | null): void {
    if (fault !== null) this.cluster.world.break(fault.rule, fault.detail);
  }

  private seenBy({ machine }: LabClient, conversation: string): number {
    return this.seen.get(`${machine.name} ${conversation}`) ?? 0;
  }

  private advance(of: LabClient, conversation: string, seq: number): void {
    const seen = Math.max(seq, this.seenBy(of, conversation));
    this.seen.set(`${of.machine.name} ${conversation}`, seen);
  }

  private follow(of: LabClient): void {
    const random = of.machine.random.fork();
    const conversation = random.pick(this.conversations);
    const { world } = this.cluster;
    const follower = new Follower(world, `the follower of ${of.machine.name}`, conversation);
    this.followers.push(follower);
    follower.follow(of, random.pick([4, 64, 1024]));
  }
}

function expecting(sent: Sent, expectedSeq: number): Sent {
  return { ...sent, append: { ...sent.append, expectedSeq } };
}

interface ReadOf {
  readonly conversation: string;
  readonly level: Level;
  readonly after: number;
  readonly process: number;
  /** That one alone. */
  readonly server?: string;
}
