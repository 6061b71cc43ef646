// `npm run test:mutations`: known bugs are put back into a copy of the product, one at a time, and the lab
// has to catch each by one of its rules, in a cluster that worked until then; the product without them has
// to pass the same seeds. As many at once as there are cores.
import { availableParallelism } from 'node:os';
import { table } from '../src/cli/output.ts';
import { hiddenMutations, mutations, openMutations } from '../test/mutations/all.ts';
import { type Outcome, Workshop } from '../test/mutations/mutant.ts';
import type { Mutation } from '../test/mutations/mutation.ts';
import { readFlags } from './flags.ts';

const usage = `npm run test:mutations [-- flags]: puts known bugs back, one at a time; the lab has to catch each

  --only NAME   this one; may be given several times
  --seeds N     at most that many for each, 1,000
  --from N      the first of them, 1
  --open        those that the lab does not catch yet
  --hidden      those that nobody can see alone
  --json        the outcome as JSON`;

const { values: flags } = readFlags(usage, {
  options: {
    only: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    open: { type: 'boolean', default: false },
    hidden: { type: 'boolean', default: false },
  },
});

const count = Number(flags.seeds);
const from = Number(flags.from);
const timeoutMs = 900_000;

interface Row {
  readonly mutation: Mutation;
  readonly outcome: Outcome;
  readonly isCaught: boolean;
  /** Why it could not be run; '' = it was. */
  readonly error: string;
}

/** By a rule, and not because the mutant never works. */
function isCaught({ broken }: Outcome): boolean {
  return broken !== null && broken.worked > 0;
}

function cells({ mutation, outcome, isCaught, error }: Row): (string | number)[] {
  const { seeds, seconds, broken } = outcome;
  const early = broken !== null && !isCaught ? ' (and works never)' : '';
  const rule = broken === null ? `NOT CAUGHT ${error}` : `${broken.rule}${early}`;
  return [mutation.name, mutation.class, rule, seeds, Number(seconds.toFixed(1))];
}

async function run(workshop: Workshop, mutation: Mutation): Promise<Row> {
  try {
    const outcome = await workshop.mutant(mutation, { from, count, timeoutMs });
    return { mutation, outcome, isCaught: isCaught(outcome), error: '' };
  } catch (error) {
    const outcome = { seeds: 0, seconds: 0, broken: null };
    const [line = ''] = String(error).split('\n');
    return { mutation, outcome, isCaught: false, error: line };
  }
}

/** In the order of the mutations, whichever workshop came to one first. */
async function runAll(workshops: readonly Workshop[], chosen: readonly Mutation[]): Promise<Row[]> {
  const rows = new Map<Mutation, Row>();
  const waiting = chosen.values();
  await Promise.all(
    workshops.map(async (workshop) => {
      for (const mutation of waiting) {
        const row = await run(workshop, mutation);
        rows.set(mutation, row);
        process.stderr.write(`${cells(row).join('  ')}\n`);
      }
    }),
  );
  return chosen.flatMap((mutation) => rows.get(mutation) ?? []);
}

/** The product without a mutation, `needed` seeds: each workshop has a part of them. */
async function control(workshops: readonly Workshop[], needed: number): Promise<Outcome> {
  const part = Math.ceil(needed / workshops.length);
  const runs = await Promise.allSettled(
    workshops.map((workshop, i) => {
      const share = Math.max(0, Math.min(part, needed - i * part));
      return workshop.original({ from: from + i * part, count: share, timeoutMs });
    }),
  );
  // All have ended: none works in a folder that is about to go.
  const parts = runs.map((run) => {
    if (run.status === 'rejected') throw run.reason;
    return run.value;
  });
  return {
    seeds: parts.reduce((sum, { seeds }) => sum + seeds, 0),
    seconds: Math.max(...parts.map(({ seconds }) => seconds)),
    broken: parts.find(({ broken }) => broken !== null)?.broken ?? null,
  };
}

const listed = flags.open ? openMutations : mutations;
const among: readonly Mutation[] = flags.hidden ? hiddenMutations : listed;
const chosen = among.filter(({ name }) => flags.only?.includes(name) ?? true);
if (chosen.length === 0) throw new Error(`there is no mutation ${flags.only?.join(', ')}`);
const workshops = Array.from({ length: availableParallelism() }, () => new Workshop());
try {
  const rows = await runAll(workshops, chosen);
  const needed = Math.max(1, ...rows.map(({ outcome }) => outcome.seeds));
  const clean = await control(workshops, needed);
  const caught = rows.filter((row) => row.isCaught).length;
  if (flags.json) console.log(JSON.stringify({ caught, of: rows.length, control: clean, rows }));
  else {
    const head = ['mutation', 'class', 'caught by', 'seeds', 'seconds'];
    console.log(table([head, ...rows.map(cells)]));
    const said = clean.broken === null ? 'no rule broken' : `broken: ${clean.broken.rule}`;
    console.log(`\nwithout a mutation, ${clean.seeds} seeds: ${said}`);
    for (const { name, says } of openMutations) console.log(`not caught yet: ${name}. ${says}`);
    for (const { name, guard } of hiddenMutations) console.log(`hidden: ${name}, by: ${guard}`);
    console.log(`${caught} of ${rows.length} caught`);
  }
  const wanted = flags.hidden ? 0 : rows.length;
  if (caught !== wanted || clean.broken !== null) process.exitCode = 1;
} finally {
  for (const workshop of workshops) workshop.close();
}
