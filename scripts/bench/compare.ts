// `npm run bench -- compare`: Paceline, the bare bound and real peers under the same load in one run. Rounds
// take the subjects in turn, each with fresh data; what is told are medians over the rounds.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { drawComparison } from './chart.ts';
import type { CompareOptions, Comparison, Entrant, Round } from './comparison.ts';
import { describeMachine } from './machine.ts';
import { whatIsMissing } from './missing.ts';
import { writeResults } from './results.ts';
import { type RunFigures, runSubject } from './run-subject.ts';
import { scratchDirectory } from './scratch.ts';
import { subjectNamed } from './subjects/all.ts';
import { summarize } from './summary.ts';
import { buildSyncDelay, throughSyncDelay } from './syncs.ts';
import { comparisonTables } from './tables.ts';

const defaultPartitions = 16;
const partitioned = ['paceline', 'bound'];

/** The exit code: 1 where a subject failed. */
export async function compare(options: CompareOptions): Promise<number> {
  const directory = scratchDirectory(options.data ?? tmpdir());
  const comparison = await run(options, directory);
  for (const table of comparisonTables(comparison)) console.log(`${table}\n`);
  if (options.out !== null) {
    writeResults(options.out, 'compare', comparison, drawComparison(comparison));
  }
  return comparison.failed.length === 0 ? 0 : 1;
}

async function run(options: CompareOptions, directory: string): Promise<Comparison> {
  const { data, out, install, ...parameters } = options;
  const machine = describeMachine(directory);
  const skipped: string[] = [];
  const entrants = entrantsOf(options).filter(({ subject }) => {
    const missing = whatIsMissing(subject, install);
    if (missing !== null) {
      skipped.push(missing);
      console.error(missing);
    }
    return missing === null;
  });
  const { rounds, failed } = await play(entrants, options, directory);
  const summaries = entrants.flatMap((entrant) => {
    const mine = rounds.filter(({ label }) => label === entrant.label);
    return mine.length === 0 ? [] : [summarize(entrant, mine)];
  });
  return { machine, parameters, skipped, failed, summaries, rounds };
}

/** All rounds; a subject that fails in one is told, and goes on in the next. */
async function play(
  entrants: readonly Entrant[],
  { plan, rounds: count, fsyncDelayMs }: CompareOptions,
  directory: string,
): Promise<{ rounds: Round[]; failed: string[] }> {
  const delay = fsyncDelayMs === null ? null : buildSyncDelay(directory);
  const rounds: Round[] = [];
  const failed: string[] = [];
  for (let round = 1; round <= count; round++) {
    for (const { label, subject, partitions } of rotated(entrants, round - 1)) {
      const own = path.join(directory, `${round}-${label.replaceAll(/[^a-z0-9]+/g, '-')}`);
      const syncs = `${own}-syncs`;
      const through = delay === null ? [] : throughSyncDelay(delay, syncs, fsyncDelayMs ?? 0);
      const syncsDirectory = delay === null ? null : syncs;
      try {
        const setup = { directory: own, partitions, through, syncsDirectory };
        const figures = await runSubject(subject, setup, plan);
        rounds.push({ round, label, figures });
        console.error(`round ${round}: ${label}: ${inShort(figures)}`);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failed.push(`round ${round}: ${label}: ${why.split('\n')[0]}`);
        console.error(`round ${round}: ${label}: FAILED: ${why}`);
      }
      rmSync(own, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  return { rounds, failed };
}

/** Each round begins with another subject, so that none comes first each time. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

function entrantsOf({ subjects, partitions }: CompareOptions): Entrant[] {
  return subjects.map(subjectNamed).flatMap((subject) => {
    const { name } = subject;
    const [first = defaultPartitions, ...more] = partitions;
    if (!partitioned.includes(name) || more.length === 0) {
      return [{ label: name, subject, partitions: first }];
    }
    return partitions.map((count) => {
      return { label: `${name}, ${count} part.`, subject, partitions: count };
    });
  });
}

function inShort({ levels, held, acknowledged }: RunFigures): string {
  const rates = levels.map(({ inFlight, perSecond }) => `${perSecond}/s at ${inFlight}`);
  return `${rates.join(', ')}; ${acknowledged} acknowledged, replicas hold ${held.join(', ')}`;
}
