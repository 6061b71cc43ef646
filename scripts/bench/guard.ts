// `npm run bench -- guard`: whether Paceline is still as near to the bare bound as it was. Both run side by side
// and are loaded in turn, so that what slows the machine slows both; only the ratio of neighbours is judged,
// and its median over the rounds.
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { median } from '../harness/median.ts';
import { ClientProcess } from './client/client-process.ts';
import { scratchDirectory } from './scratch.ts';
import { subjectNamed } from './subjects/all.ts';
import type { Servers } from './subjects/subject.ts';

const rounds = 5;
const seconds = 1.5;
const warmUpSeconds = 0.5;
const warmUpFirstSeconds = 4;
const partitions = 16;

/** The least that the median ratio may be, by messages in flight; docs/performance.md says how it was found. */
const least: readonly { readonly inFlight: number; readonly ratio: number }[] = [
  { inFlight: 64, ratio: 0.12 },
  { inFlight: 512, ratio: 0.2 },
];

interface Runner {
  readonly servers: Servers;
  readonly client: ClientProcess;
}

/** The exit code: 1 where a ratio is too low. */
export async function guard(): Promise<number> {
  const directory = scratchDirectory(tmpdir());
  const paceline = await startRunner('paceline', directory);
  const bound = await startRunner('bound', directory);
  const ratios = await measure(paceline, bound);
  for (const { servers, client } of [paceline, bound]) {
    await client.close();
    await servers.stop();
  }
  const figures = least.map(({ inFlight, ratio }, i) => {
    const all = (ratios[i] ?? []).map((each) => Number(each.toFixed(3)));
    return { inFlight, ratio: median(all), least: ratio, all };
  });
  const ok = figures.every((each) => each.ratio >= each.least);
  console.log(JSON.stringify({ name: 'guard', ok, figures }));
  return ok ? 0 : 1;
}

async function startRunner(name: string, parent: string): Promise<Runner> {
  const directory = path.join(parent, name);
  mkdirSync(directory);
  const setup = { directory, partitions, through: [], syncsDirectory: null };
  const servers = await subjectNamed(name).start(setup);
  const client = await ClientProcess.connect(name, servers.place);
  await rate({ servers, client }, 512, warmUpFirstSeconds);
  return { servers, client };
}

/** For each level, the ratio of each round. */
async function measure(paceline: Runner, bound: Runner): Promise<number[][]> {
  const ratios: number[][] = least.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { inFlight }] of least.entries()) {
      const of = await rate(paceline, inFlight, warmUpSeconds);
      const against = await rate(bound, inFlight, warmUpSeconds);
      ratios[i]?.push(of / against);
      const ratio = (of / against).toFixed(3);
      console.error(`round ${round}, ${inFlight} in flight: ${of}/s of ${against}/s, ${ratio}`);
    }
  }
  return ratios;
}

async function rate({ client }: Runner, inFlight: number, warmUp: number): Promise<number> {
  const options = { inFlight, seconds, warmUpSeconds: warmUp, serverPids: [] };
  return (await client.closedLoop(options)).perSecond;
}
