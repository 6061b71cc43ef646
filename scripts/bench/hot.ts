// `npm run bench -- hot`: what one conversation that everybody writes to costs the others. One client has 512 in
// flight, in that one conversation or spread over a thousand; another client, a process of its own, has a few
// in flight in other conversations of the same partitions, and how long those take is what counts.
import { tmpdir } from 'node:os';
import { median } from '../harness/median.ts';
import { ClientProcess } from './client/client-process.ts';
import type { ClosedLoopFigures } from './client/closed-loop.ts';
import { scratchDirectory } from './scratch.ts';
import { startPaceline } from './subjects/paceline.ts';
import { usualLoad } from './subjects/subject.ts';
import { markdown, thousands } from './tables.ts';

export interface HotOptions {
  readonly partitions: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly warmUpSeconds: number;
}

interface Case {
  readonly crowd: string;
  /** Of the crowd; null: it is not there. */
  readonly client: ClientProcess | null;
  readonly runs: { readonly crowd: ClosedLoopFigures | null; readonly others: ClosedLoopFigures }[];
}

const crowdInFlight = 512;
const othersInFlight = 8;
const rateMin = 0.7;
const p99Max = 3;

/** The exit code: 1 where a bound is broken. */
export async function measureHot(options: HotOptions): Promise<number> {
  const directory = scratchDirectory(tmpdir());
  const setup = { directory, partitions: options.partitions, through: [], syncsDirectory: null };
  const servers = await startPaceline(setup);
  const clients: ClientProcess[] = [];
  const connect = async (count: number) => {
    const load = { ...usualLoad, conversations: count };
    const client = await ClientProcess.connect('paceline', servers.place, load);
    clients.push(client);
    return client;
  };
  try {
    const others = await connect(usualLoad.conversations);
    const none = caseOf('nobody', null);
    const spread = caseOf('512 in 1,000 conversations', await connect(usualLoad.conversations));
    const hot = caseOf('512 in one conversation', await connect(1));
    await measure([none, spread, hot], others, servers.pids, options);
    return tell([none, spread, hot], spread, hot);
  } finally {
    for (const client of clients) client.kill();
    await servers.stop();
  }
}

function caseOf(crowd: string, client: ClientProcess | null): Case {
  return { crowd, client, runs: [] };
}

async function measure(
  cases: readonly Case[],
  others: ClientProcess,
  serverPids: readonly number[],
  { seconds, rounds, warmUpSeconds }: HotOptions,
): Promise<void> {
  const warm = { seconds: 0.1, warmUpSeconds: warmUpSeconds / 2, serverPids };
  for (const { client } of cases) await client?.closedLoop({ ...warm, inFlight: crowdInFlight });
  for (let round = 1; round <= rounds; round++) {
    for (const { client, runs } of cases) {
      const load = { seconds, warmUpSeconds: 1, serverPids };
      const [crowd, beside] = await Promise.all([
        client?.closedLoop({ ...load, inFlight: crowdInFlight }) ?? null,
        others.closedLoop({ ...load, inFlight: othersInFlight }),
      ]);
      runs.push({ crowd, others: beside });
    }
  }
}

function tell(cases: readonly Case[], spread: Case, hot: Case): number {
  const rows = cases.map((each) => {
    const [rate, p50, p99] = [rateOf(each), othersOf(each, 'p50Ms'), othersOf(each, 'p99Ms')];
    return [each.crowd, thousands(Math.round(rate)), p50.toFixed(1), p99.toFixed(1)];
  });
  const head = [`Beside ${othersInFlight} in flight`, 'its messages/s', 'others: p50 ms', 'p99 ms'];
  console.log(`${markdown(head, rows)}\n`);
  const rateRatio = Number((rateOf(hot) / rateOf(spread)).toFixed(2));
  const p99Ratio = Number((othersOf(hot, 'p99Ms') / othersOf(spread, 'p99Ms')).toFixed(2));
  const ok = Number.isFinite(rateRatio) && rateRatio >= rateMin && p99Ratio < p99Max;
  console.log(JSON.stringify({ name: 'hot', ok, rateRatio, p99Ratio }));
  return ok ? 0 : 1;
}

function rateOf({ runs }: Case): number {
  return median(runs.map(({ crowd }) => crowd?.perSecond ?? 0));
}

function othersOf({ runs }: Case, figure: 'p50Ms' | 'p99Ms'): number {
  return median(runs.map(({ others }) => others[figure]));
}
