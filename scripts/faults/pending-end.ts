// Pending messages whose leader is killed five sixths into their time: each ends once, between its time
// and a twelfth of it later, by the conversation's choice, whoever leads then.
import type { PacelineClient } from '../../src/client/client.ts';
import type { Fault, FaultRun } from '../harness/fault.ts';
import { createClient } from '../harness/load.ts';
import { partitionIn } from '../harness/partitions.ts';

const rooms = 24;

interface Room {
  readonly conversation: string;
  readonly pendingEnd: 'reject' | 'release';
  timeMs: number;
  /** Wall clock of this process when its rev was first seen to have moved; 0 = not yet. */
  endedMs: number;
}

export const fault: Fault = {
  about:
    'a pending message whose leader is killed at 5/6 of its --seconds N (60) ends once, in time',
  option: 'seconds',
  limitMs: 150_000,
  async run(run) {
    const cluster = await run.cluster({ flags: ['--log-level', 'warn'] });
    cluster.start();
    await cluster.ready();
    const client = createClient(cluster.servers);
    const pendingTtlMs = run.option('seconds', 60) * 1000;
    const all = await Promise.all(
      Array.from({ length: rooms }, (_, i) => enter(client, i, pendingTtlMs)),
    );
    const firstMs = Math.min(...all.map(({ timeMs }) => timeMs));
    await pause(firstMs + (pendingTtlMs * 5) / 6 - Date.now());
    const leaders = await cluster.leaders();
    const victim = leaders[partitionIn(all[0]?.conversation ?? '', cluster.partitions)] ?? 0;
    const led = all.filter(({ conversation }) => {
      return leaders[partitionIn(conversation, cluster.partitions)] === victim;
    });
    await cluster.node(victim).kill();
    run.say(`node ${victim} killed, leader of ${led.length} of ${rooms} conversations`);
    const lateMs = pendingTtlMs / 12;
    await watch(client, all, firstMs + pendingTtlMs + lateMs * 2);
    cluster.node(victim).start();
    await cluster.ready();
    await cluster.caughtUp();
    await pause(lateMs);
    const afterMs = all.map(({ endedMs, timeMs }) => endedMs - timeMs - pendingTtlMs);
    const problems = [
      ...afterMs.flatMap((ms, i) =>
        ms > -5 && ms < lateMs ? [] : [`room ${i} ended ${ms} ms after its time`],
      ),
      ...(await Promise.all(all.map((room) => wrongEnd(client, room)))).flat(),
      ...cluster.fatalLines(),
    ];
    await client.close();
    for (const problem of problems) run.say(`VIOLATION ${problem}`);
    sayTimes(run, afterMs);
    return {
      ok: problems.length === 0 && led.length > 0,
      faultsDone: 1,
      figures: { rooms, led_by_victim: led.length, ended_after_ms: afterMs, problems },
    };
  },
};

async function enter(client: PacelineClient, i: number, pendingTtlMs: number): Promise<Room> {
  const conversation = `g:pending-${i}`;
  const pendingEnd = i % 2 === 0 ? 'reject' : 'release';
  await client.setPolicy({ conversation, sender: 'mod', policy: { pendingTtlMs, pendingEnd } });
  const said = { conversation, sender: 'ann', body: `perhaps ${i}`, pending: true };
  const { timeMs } = await client.append(said);
  return { conversation, pendingEnd, timeMs, endedMs: 0 };
}

/** Until each has a third event: policy, message, end. */
async function watch(client: PacelineClient, all: readonly Room[], untilMs: number): Promise<void> {
  const names = all.map(({ conversation }) => conversation);
  while (Date.now() < untilMs && all.some(({ endedMs }) => endedMs === 0)) {
    const heads = await client.heads(names);
    for (const [i, room] of all.entries()) {
      if (room.endedMs === 0 && (heads[i]?.rev ?? 0) >= 3) room.endedMs = Date.now();
    }
    await pause(10);
  }
}

async function wrongEnd(client: PacelineClient, room: Room): Promise<string[]> {
  const { conversation, pendingEnd } = room;
  const level = 'linearizable' as const;
  const page = await client.read({ conversation, level, viewer: 'somebody else' });
  const problems = page.headRev === 3 ? [] : [`${conversation} has rev ${page.headRev}`];
  const [message] = page.messages;
  const shown = message !== undefined && message.body.length > 0;
  const state = pendingEnd === 'reject' ? 'rejected' : 'normal';
  if (message?.state !== state) problems.push(`${conversation} is ${message?.state}`);
  if (shown !== (pendingEnd === 'release')) problems.push(`${conversation} shows ${shown}`);
  return problems;
}

function sayTimes(run: FaultRun, afterMs: readonly number[]): void {
  const sorted = [...afterMs].sort((a, b) => a - b);
  run.say(`ended ${sorted[0]} to ${sorted.at(-1)} ms after their time`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
