// Apps with durable outboxes, killed with kill -9 again and again: while they open, while they write, while
// their messages are out. In the end every conversation has to hold what was durable: 1..n of each sender, each
// once, in order, none late and no gap marked.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { PacelineClient } from '../../src/client/client.ts';
import type { Message } from '../../src/client/message.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { createClient } from '../harness/load.ts';
import { OutboxProcess, type OutboxSays } from '../harness/outbox-process.ts';
import { within } from '../harness/until.ts';

const messagesPerKill = 100;
const names = ['ann', 'bob', 'cy', 'dee'];
const shared = 'g:shared';
/** Of the kills: while the app starts, whatever it has done. */
const early = 0.25;
const startMsMax = 400;
const lateMsMax = 30;
const lifeMsMax = 10_000;
const drainMsMax = 60_000;

/** One of its messages: the life in which it was sent. */
type Lives = Map<number, number>;

class Sender {
  readonly name: string;
  readonly directory: string;
  readonly upTo: Readonly<Record<string, number>>;
  /** What was said to be durable, by conversation and number. */
  readonly durable: ReadonlyMap<string, Lives>;
  /** Of what was said to be durable. */
  readonly newest = new Map<string, number>();
  /** lastClientSeq after the drain. */
  readonly last = new Map<string, number>();
  readonly problems: string[] = [];
  lives = 0;
  said = 0;
  duplicates = 0;
  late = 0;

  constructor(name: string, directory: string, messages: number) {
    const conversations = [`g:${name}-1`, `g:${name}-2`, shared];
    const rest = messages % conversations.length;
    const each = (messages - rest) / conversations.length;
    this.name = name;
    this.directory = path.join(directory, `outbox-${name}`);
    this.upTo = Object.fromEntries(conversations.map((of, i) => [of, each + (i < rest ? 1 : 0)]));
    this.durable = new Map(conversations.map((of) => [of, new Map()]));
  }

  /** Of what is known: the newest may be durable without having been said to be. */
  get toSend(): number {
    const goals = Object.values(this.upTo).reduce((sum, count) => sum + count, 0);
    return [...this.newest.values()].reduce((left, clientSeq) => left - clientSeq, goals);
  }

  take(says: OutboxSays): void {
    if (says.kind === 'all-durable') return;
    const { conversation, clientSeq } = says;
    const what = `${this.name} in ${conversation}: ${clientSeq}`;
    if (says.kind === 'last') this.last.set(conversation, clientSeq);
    else if (says.kind === 'failed') this.problems.push(`${what} failed: ${says.why}`);
    else if (says.kind === 'stored') {
      if (says.duplicate) this.duplicates += 1;
      if (says.late) this.late += 1;
    } else {
      const lives = this.durable.get(conversation);
      if (lives?.has(clientSeq)) this.problems.push(`${what} was durable before, and again`);
      lives?.set(clientSeq, says.life);
      this.newest.set(conversation, clientSeq);
      this.said += 1;
    }
  }
}

export const fault: Fault = {
  about:
    'apps with durable outboxes, killed again and again; --times N kills (1000), 100 N messages',
  option: 'times',
  limitMs: 900_000,
  async run(run) {
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const times = run.option('times', 1000);
    const startedMs = performance.now();
    const senders = names.map((name, i) => {
      return new Sender(name, run.directory, shareOf(times * messagesPerKill, i));
    });
    await Promise.all(
      senders.map((sender, i) => killOnAndOn(run, sender, cluster.servers, shareOf(times, i))),
    );
    await Promise.all(senders.map((sender) => drain(sender, cluster.servers)));
    const seconds = (performance.now() - startedMs) / 1000;
    run.say('all outboxes are drained');
    const client = createClient(cluster.servers);
    const problems = [...(await judge(client, senders)), ...cluster.fatalLines()];
    await client.close();
    for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
    const sum = (of: (sender: Sender) => number) =>
      senders.reduce((all, each) => all + of(each), 0);
    return {
      ok: problems.length === 0,
      faultsDone: times,
      figures: {
        messages: sum(({ last }) => [...last.values()].reduce((all, count) => all + count, 0)),
        said_durable: sum(({ said }) => said),
        duplicates: sum(({ duplicates }) => duplicates),
        late: sum(({ late }) => late),
        seconds: Math.round(seconds),
        problems: problems.length,
      },
    };
  },
};

/** The whole in equal parts, one a sender. */
function shareOf(whole: number, i: number): number {
  return Math.floor((whole * (i + 1)) / names.length) - Math.floor((whole * i) / names.length);
}

async function killOnAndOn(
  run: FaultRun,
  sender: Sender,
  servers: readonly string[],
  kills: number,
): Promise<void> {
  mkdirSync(sender.directory);
  for (let kill = 1; kill <= kills; kill++) {
    await live(sender, servers, kills - kill + 1);
    if (kill % 25 === 0) run.say(`${sender.name}: ${kill} kills, ${sender.said} durable`);
  }
}

/** From one start to the kill; so many messages that the last life of all sends the last ones. */
async function live(sender: Sender, servers: readonly string[], livesLeft: number): Promise<void> {
  const child = start(sender, servers, true);
  const meanMessages = sender.toSend / (livesLeft * (1 - early));
  if (meanMessages <= 0 || Math.random() < early) await pause(Math.random() * startMsMax);
  else {
    const messages = Math.ceil(Math.random() * 2 * meanMessages);
    const isDone = () => child.durable >= messages || child.hasSentAll || child.hasEnded;
    // A machine that stands still for a while makes a life shorter, no more.
    await within(lifeMsMax, isDone);
    await pause(Math.random() * lateMsMax);
  }
  child.kill();
  const code = await child.ended;
  if (code !== null) throw new Error(`${sender.name} ended with ${code}: ${child.errors}`);
}

async function drain(sender: Sender, servers: readonly string[]): Promise<void> {
  const child = start(sender, servers, false);
  const timer = setTimeout(() => child.kill(), drainMsMax);
  const code = await child.ended;
  clearTimeout(timer);
  if (code !== 0) sender.problems.push(`${sender.name} did not drain: ${code} ${child.errors}`);
}

function start(sender: Sender, servers: readonly string[], stays: boolean): OutboxProcess {
  sender.lives += 1;
  const { name, directory, lives: life, upTo } = sender;
  const plan = { directory, sender: name, life, servers, upTo, stays };
  return new OutboxProcess(plan, (says) => sender.take(says));
}

/** What is wrong, a line each. */
async function judge(client: PacelineClient, senders: readonly Sender[]): Promise<string[]> {
  const problems = senders.flatMap((sender) => sender.problems);
  for (const conversation of new Set(senders.flatMap(({ upTo }) => Object.keys(upTo)))) {
    const stored = await readAll(client, conversation, problems);
    for (const sender of senders) {
      const theirs = stored.filter((message) => message.sender === sender.name);
      problems.push(...problemsOf(sender, conversation, theirs));
    }
  }
  const late = senders.filter((sender) => sender.late > 0);
  return [...problems, ...late.map(({ name, late: count }) => `${name}: ${count} came late`)];
}

async function readAll(
  client: PacelineClient,
  conversation: string,
  problems: string[],
): Promise<Message[]> {
  const all: Message[] = [];
  for (;;) {
    const read = { conversation, afterSeq: all.length, limit: 1000 };
    const page = await client.read({ ...read, level: 'linearizable' });
    all.push(...page.messages);
    if (page.messages.length > 0) continue;
    // A gap's marker would have a rev, and no seq.
    const marks = page.headRev - page.headSeq;
    if (marks !== 0) problems.push(`${conversation}: ${marks} gaps are marked`);
    const isDense = all.every(({ seq, rev }, i) => seq === i + 1 && rev === seq);
    if (!isDense) problems.push(`${conversation}: seq and rev are not 1..n`);
    return all;
  }
}

function problemsOf(sender: Sender, conversation: string, stored: readonly Message[]): string[] {
  const who = `${sender.name} in ${conversation}`;
  const lives = sender.durable.get(conversation) ?? new Map<number, number>();
  const goal = sender.upTo[conversation] ?? 0;
  const last = sender.last.get(conversation) ?? 0;
  const problems: string[] = [];
  if (last !== goal) problems.push(`${who}: the last number is ${last} in place of ${goal}`);
  if (stored.length !== last) problems.push(`${who}: ${stored.length} are stored of ${last}`);
  for (const [i, { body, seq }] of stored.entries()) {
    const text = Buffer.from(body).toString();
    const [number, life] = text.split(' ').map(Number);
    if (number !== i + 1) {
      problems.push(`${who}: seq ${seq} is number ${number} in place of ${i + 1}`);
      break;
    }
    const said = lives.get(number);
    if (said !== undefined && said !== life) {
      problems.push(`${who}: ${number} is of life ${life}, it was durable in life ${said}`);
    }
  }
  return problems;
}

/** The moments of the kills are left to chance; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
