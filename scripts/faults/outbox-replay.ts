// Real chat by everyone who said it: an outbox for each sender of the IRC logs, all over links that lose,
// double and reorder, while every 5 s a leader is killed. In the end each conversation has of each sender what
// was said there, once and in order: not by the links' grace, but by the chains of client numbers.
//
// A gap whose wait ends under MARK lets later messages go first, as a default group does after 500 ms. Here
// nothing is missing for ever, so the policies give order without exception: a third of the conversations MARK
// after 60 s, a third REJECT after 60 s and a third REJECT after 500 ms, which happens.
import type { PacelineClient } from '../../src/client/client.ts';
import type { Policy } from '../../src/client/event-append.ts';
import type { Message } from '../../src/client/message.ts';
import { Outbox } from '../../src/client/outbox.ts';
import { MemoryOutboxStore } from '../../src/client/outbox-memory.ts';
import type { OutboxEnd } from '../../src/client/outbox-options.ts';
import { systemClock } from '../../src/clock.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { anyOf, createClient } from '../harness/load.ts';
import { LossyLinks } from '../harness/lossy-links.ts';
import { until } from '../harness/until.ts';
import { type IrcLog, type IrcMessage, ircLogs, messageCount } from '../irc/logs.ts';

const killEveryMs = 5000;
const downMsMax = 1000;
/** Messages that have not ended, of all outboxes. */
const openMax = 16_000;
const logsAtOnce = 24;
const stuckMs = 60_000;
const policies: readonly Policy[] = [
  { gapAction: 'mark', gapWaitMs: 60_000 },
  { gapAction: 'reject', gapWaitMs: 60_000 },
  { gapAction: 'reject', gapWaitMs: 500 },
];

export const fault: Fault = {
  about: 'IRC logs by an outbox a sender over bad links, leaders killed; --times N logs (all)',
  option: 'times',
  limitMs: 600_000,
  async run(run) {
    const all = ircLogs(run.directory, run.say);
    const logs = all.slice(0, run.option('times', all.length));
    const cluster = await run.cluster();
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    await setPolicies(client, logs);
    const links = await LossyLinks.create(cluster);
    const desk = new Desk(links);
    const startedMs = performance.now();
    links.spoil();
    const kills = await throughKills(run, cluster, desk, () => replay(run, desk, logs));
    links.heal();
    const seconds = (performance.now() - startedMs) / 1000;
    run.say(`${desk.stored} messages of ${desk.outboxes.size} senders through ${kills} kills`);
    await desk.close();
    await links.close();
    await cluster.settled(60_000);
    const judged = await judge(client, cluster, logs);
    await client.close();
    const problems = [...desk.problems, ...judged, ...cluster.fatalLines()];
    for (const problem of problems.slice(0, 20)) run.say(`VIOLATION ${problem}`);
    const { stored, late, duplicates, outboxes } = desk;
    return {
      ok: problems.length === 0 && late === 0 && stored === messageCount(logs),
      faultsDone: kills,
      figures: {
        messages: stored,
        conversations: logs.length,
        senders: outboxes.size,
        seconds: Math.round(seconds),
        per_second: Math.round(stored / seconds),
        ...links.figures,
        retries: links.figures.appends - stored,
        duplicates,
        late,
        link_faults: links.faults,
        problems: problems.length,
      },
    };
  },
};

/** Everyone's outbox. */
class Desk {
  readonly outboxes = new Map<string, Outbox>();
  readonly problems: string[] = [];
  sent = 0;
  stored = 0;
  late = 0;
  duplicates = 0;
  private readonly links: LossyLinks;

  constructor(links: LossyLinks) {
    this.links = links;
  }

  /** Messages that have not ended. */
  get open(): number {
    return this.sent - this.stored - this.problems.length;
  }

  async send(conversation: string, { sender, body, isAction, line }: IrcMessage): Promise<void> {
    const outbox = this.outboxes.get(sender) ?? (await this.openFor(sender));
    const headers = [{ name: 'line', value: `${line}` }];
    const contentType = isAction ? { contentType: 'text/x-action' } : {};
    this.sent += 1;
    await outbox.send({ conversation, body, headers, ...contentType });
  }

  async close(): Promise<void> {
    for (const outbox of this.outboxes.values()) await outbox.close();
  }

  private async openFor(sender: string): Promise<Outbox> {
    const outbox = await Outbox.open({
      store: new MemoryOutboxStore(),
      append: this.links.append,
      sender,
      device: '',
      epoch: 1,
      clock: systemClock,
      random: Math.random,
      uuid: () => crypto.randomUUID(),
      onEnd: (end) => this.take(end),
      pauseMaxMs: 1000,
    });
    this.outboxes.set(sender, outbox);
    return outbox;
  }

  private take(end: OutboxEnd): void {
    if (end.kind === 'failed') {
      const { conversation } = end.kept.message;
      this.problems.push(`${conversation}: ${end.kept.clientSeq} failed: ${end.error}`);
      return;
    }
    this.stored += 1;
    if (end.appended.late) this.late += 1;
    if (end.appended.duplicate) this.duplicates += 1;
  }
}

async function setPolicies(client: PacelineClient, logs: readonly IrcLog[]): Promise<void> {
  const changes = logs.map(({ conversation }, i) => {
    const policy = policies[i % policies.length] ?? {};
    return client.setPolicy({ conversation, sender: 'replay', policy });
  });
  await Promise.all(changes);
}

/** Some logs side by side, each from its first message to its last; resolves once all is stored. */
async function replay(run: FaultRun, desk: Desk, logs: readonly IrcLog[]): Promise<void> {
  for (let from = 0; from < logs.length; from += logsAtOnce) {
    const some = logs.slice(from, from + logsAtOnce);
    const longest = Math.max(...some.map(({ messages }) => messages.length));
    for (let i = 0; i < longest; i++) {
      if (desk.open >= openMax) {
        await until('messages are stored', stuckMs, () => desk.open < openMax);
      }
      for (const { conversation, messages } of some) {
        const message = messages[i];
        if (message !== undefined) await desk.send(conversation, message);
      }
    }
    run.say(`${from + some.length} logs: ${desk.sent} sent, ${desk.stored} stored`);
  }
  await until('all is stored', stuckMs, () => desk.open === 0);
}

/** How many leaders were killed until the work was done. */
async function throughKills(
  run: FaultRun,
  cluster: Cluster,
  desk: Desk,
  work: () => Promise<void>,
): Promise<number> {
  let isOver = false;
  const working = work().finally(() => {
    isOver = true;
  });
  const killing = async () => {
    let kills = 0;
    for (;;) {
      await pause(killEveryMs);
      if (isOver) return kills;
      await killLeader(run, cluster, desk);
      kills += 1;
    }
  };
  const [kills] = await Promise.all([killing(), working]);
  return kills;
}

/** At most one is down: the last one answers before the next is killed. */
async function killLeader(run: FaultRun, cluster: Cluster, { stored }: Desk): Promise<void> {
  await until('every node answers', 20_000, async () => {
    return (await cluster.statuses()).size === cluster.nodes.length;
  });
  const leaders = await until('some partition has a leader', stuckMs, async () => {
    const found = (await cluster.leaders()).filter((id) => id !== 0);
    return found.length > 0 && found;
  });
  const node = cluster.node(anyOf(leaders));
  await node.kill();
  const downMs = Math.random() * downMsMax;
  await pause(downMs);
  node.start();
  run.say(`killed node ${node.id}, down ${Math.round(downMs)} ms; ${stored} stored before`);
}

/** What is wrong, a line each; every node is asked by itself. */
async function judge(
  client: PacelineClient,
  cluster: Cluster,
  logs: readonly IrcLog[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const log of logs) {
    for (const { id, address } of cluster.nodes) {
      const found = await problemsOf(client, address, log);
      problems.push(...found.map((problem) => `node ${id}, ${log.conversation}: ${problem}`));
    }
  }
  return problems;
}

async function problemsOf(
  client: PacelineClient,
  server: string,
  { conversation, messages }: IrcLog,
): Promise<string[]> {
  const stored: Message[] = [];
  const problems: string[] = [];
  for (;;) {
    const read = { conversation, afterSeq: stored.length, limit: 1000, server };
    const page = await client.read({ ...read, level: 'eventual' });
    stored.push(...page.messages);
    if (page.messages.length > 0) continue;
    // The policy has the first rev; a gap's marker would have one, too.
    const marks = page.headRev - 1 - page.headSeq;
    if (marks !== 0) problems.push(`${marks} gaps are marked`);
    break;
  }
  const isDense = stored.every(({ seq, rev }, i) => seq === i + 1 && rev === seq + 1);
  if (!isDense) problems.push('seq and rev are not 1..n');
  const said = bySender(messages);
  const kept = bySender(stored);
  for (const sender of new Set([...said.keys(), ...kept.keys()])) {
    const problem = firstDifference(said.get(sender) ?? [], kept.get(sender) ?? []);
    if (problem !== '') problems.push(`of one sender ${problem}`);
  }
  return problems;
}

function bySender<Each extends { readonly sender: string }>(
  messages: readonly Each[],
): Map<string, Each[]> {
  const senders = new Map<string, Each[]>();
  for (const message of messages) {
    const theirs = senders.get(message.sender);
    if (theirs === undefined) senders.set(message.sender, [message]);
    else theirs.push(message);
  }
  return senders;
}

/** '' where what is stored is what was said. */
function firstDifference(said: readonly IrcMessage[], stored: readonly Message[]): string {
  if (said.length !== stored.length) return `${stored.length} are stored of ${said.length}`;
  for (const [i, { body, line, isAction }] of said.entries()) {
    const found = stored[i];
    const isSame = found !== undefined && body.equals(found.body);
    const isAsSaid = (found?.contentType === 'text/x-action') === isAction;
    const foundLine = Number(found?.headers[0]?.value);
    if (isSame && isAsSaid && foundLine === line) continue;
    return `line ${foundLine} stands in place of ${line}`;
  }
  return '';
}

/** The rhythm of the faults; nothing is waited for here. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
