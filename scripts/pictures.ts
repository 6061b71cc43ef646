// `npm run pictures`: plays the three scenes of docs/ordering.md on three real nodes and draws what
// happened, when, into docs/pictures/.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PacelineClient } from '../src/client/client.ts';
import { OrderedView } from '../src/client/ordered-view.ts';
import { systemClock } from '../src/clock.ts';
import { readFlags } from './flags.ts';
import { Cluster } from './harness/cluster.ts';
import { createClient } from './harness/load.ts';
import { until } from './harness/until.ts';
import { draw, type Moment, type Scene } from './pictures/draw.ts';

readFlags(
  'npm run pictures: plays three scenes on three nodes, draws them into docs/pictures/',
  {},
);
const target = path.join(
  path.dirname(path.dirname(fileURLToPath(import.meta.url))),
  'docs/pictures',
);
const directory = mkdtempSync(path.join(tmpdir(), 'paceline-pictures-'));
const cluster = await Cluster.create({ directory, flags: ['--log-level', 'warn'] });
cluster.start();
await cluster.ready();
const clients = [0, 1, 2, 3].map(() => createClient(cluster.servers));
for (const [name, play] of Object.entries({ pair, group, moderated })) {
  writeFileSync(path.join(target, `${name}.svg`), draw(await play(stage())));
  console.log(`docs/pictures/${name}.svg`);
}
for (const client of clients) await client.close();
await cluster.close();
rmSync(directory, { recursive: true });

/** Moments of a scene as they happen. */
function stage() {
  const startedMs = performance.now();
  const moments: Moment[] = [];
  const add = (who: string, kind: Moment['kind'], text: string, from?: Moment): Moment => {
    const ms = performance.now() - startedMs;
    const moment = { who, kind, text, ms, ...(from === undefined ? {} : { from }) };
    moments.push(moment);
    return moment;
  };
  return { moments, add };
}

type Stage = ReturnType<typeof stage>;

function clientOf(i: number): PacelineClient {
  const client = clients[i];
  if (client === undefined) throw new Error('there are four connections');
  return client;
}

/** Row 1: 30, 10, 20 over three connections. */
async function pair({ moments, add }: Stage): Promise<Scene> {
  const conversation = 'p:ann~bob';
  const sent = new Map<string, Moment>();
  const reading = follow(conversation, 3, (text, kind) => {
    const stored = add('log', kind === 'mark' ? 'mark' : 'stored', text, sent.get(text));
    add("bob's screen", 'seen', text, stored);
  });
  const say = (i: number, clientSeq: number, prevClientSeq: number) => {
    sent.set(
      `${clientSeq}`,
      add(`connection ${i}`, 'sent', `${clientSeq}, after ${prevClientSeq}`),
    );
    const body = `${clientSeq}`;
    return clientOf(i).append({ conversation, sender: 'ann', body, clientSeq, prevClientSeq });
  };
  const all = [say(1, 30, 20)];
  await pause(60);
  all.push(say(2, 10, 0));
  await pause(60);
  all.push(say(3, 20, 10));
  await Promise.all([...all, reading]);
  const who = ['connection 1', 'connection 2', 'connection 3', 'log', "bob's screen"];
  return { title: '1:1: what overtook waits for what is missing (MARK after 2 s)', who, moments };
}

/** Row 3: message 2 is lost on its way, and sent again later. */
async function group({ moments, add }: Stage): Promise<Scene> {
  const conversation = 'g:team';
  const sent = new Map<string, Moment>();
  const reading = follow(conversation, 4, (text, kind) => {
    const stored = add(
      'log',
      kind === 'mark' ? 'mark' : 'stored',
      text,
      sent.get(text.slice(0, 1)),
    );
    add("bob's screen", kind, text, stored);
  });
  const say = (clientSeq: number) => {
    sent.set(`${clientSeq}`, add("ann's phone", 'sent', `${clientSeq}`));
    const said = { conversation, sender: 'ann', body: `${clientSeq}` };
    return clientOf(1).append({ ...said, clientSeq, prevClientSeq: clientSeq - 1 });
  };
  await say(1);
  add('log', 'lost', '2 is lost', add("ann's phone", 'sent', '2'));
  await pause(30);
  await say(3);
  await pause(100);
  await Promise.all([say(2), reading]);
  const who = ["ann's phone", 'log', "bob's screen"];
  return { title: 'Group: after 500 ms a mark stands for what is missing', who, moments };
}

/** Row 25: the position first, the check later. */
async function moderated({ moments, add }: Stage): Promise<Scene> {
  const conversation = 'g:moderated';
  const shown = new Set<number>();
  const ended = new Map<number, Moment>();
  const view = new OrderedView<string>({
    clock: systemClock,
    onEvent: (event) => {
      if (event.kind !== 'released' && event.kind !== 'rejected') return;
      shown.add(event.place);
      const text = event.kind === 'released' ? `${event.place}` : `${event.place} was rejected`;
      const kind = event.kind === 'released' ? 'seen' : 'mark';
      add("bob's screen", kind, text, ended.get(event.place));
    },
  });
  const subscription = clientOf(0).subscribe({ conversation, viewer: 'bob' });
  const reading = (async () => {
    for await (const event of subscription) {
      if (event.kind === 'message') {
        view.put({ place: event.message.seq, value: '', state: 'pending' });
      } else if (event.kind === 'released') view.resolve(event.seq, 'released');
      else if (event.kind === 'rejected') view.resolve(event.seq, 'rejected');
      if (shown.size === 5) break;
    }
  })();
  for (let i = 1; i <= 5; i++) {
    const from = add("ann's phone", 'sent', `${i}, pending`);
    const { seq } = await clientOf(1).append({
      conversation,
      sender: 'ann',
      body: `${i}`,
      pending: true,
    });
    add('log', 'stored', `seq ${seq}, PENDING`, from);
  }
  for (const seq of [4, 5, 2, 3, 1]) {
    await pause(60);
    const from = add('moderation', 'sent', seq === 3 ? `reject ${seq}` : `release ${seq}`);
    ended.set(seq, from);
    const end = { conversation, sender: 'moderation', seq };
    await (seq === 3 ? clientOf(2).reject(end) : clientOf(2).release(end));
  }
  await until('all are shown', 10_000, () => shown.size === 5);
  await reading;
  view.close();
  const who = ["ann's phone", 'log', 'moderation', "bob's screen"];
  return {
    title: 'Moderated: the place at once, shown in order when the checks are done',
    who,
    moments,
  };
}

/** Calls for each message or mark of a conversation, until there were so many. */
async function follow(
  conversation: string,
  count: number,
  onEvent: (text: string, kind: 'seen' | 'mark') => void,
): Promise<void> {
  let seen = 0;
  for await (const event of clientOf(0).subscribe({ conversation })) {
    if (event.kind === 'message') {
      const { message } = event;
      const text = Buffer.from(message.body).toString();
      onEvent(message.late ? `${text}, late for the mark` : text, 'seen');
    } else if (event.kind === 'gap') onEvent(`mark: missing after ${event.after}`, 'mark');
    else continue;
    seen += 1;
    if (seen === count) return;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
