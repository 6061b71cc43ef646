// `npm run test:mutations`: known bugs are put back into a copy of the product, one at a time, and the lab
// has to catch each by one of its rules, in a cluster that worked until then; the product without them has
// to pass the same seeds.
import { table } from '../src/cli/output.ts';
import { hiddenMutations, mutations, openMutations } from '../test/mutations/all.ts';
import { type Outcome, Workshop } from '../test/mutations/mutant.ts';
import type { Mutation } from '../test/mutations/mutation.ts';
import { readFlags } from './flags.ts';

const { values: flags } = readFlags('test:mutations', {
  options: {
    only: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    /** Those that the lab does not catch yet. */
    open: { type: 'boolean', default: false },
    /** Those that nobody can see alone: they are not to be caught. */
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

async function runAll(workshop: Workshop, chosen: readonly Mutation[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const mutation of chosen) {
    const row = await run(workshop, mutation);
    rows.push(row);
    process.stderr.write(`${cells(row).join('  ')}\n`);
  }
  return rows;
}

const listed = flags.open ? openMutations : mutations;
const among: readonly Mutation[] = flags.hidden ? hiddenMutations : listed;
const chosen = among.filter(({ name }) => flags.only?.includes(name) ?? true);
if (chosen.length === 0) throw new Error(`there is no mutation ${flags.only?.join(', ')}`);
const workshop = new Workshop();
try {
  await workshop.build();
  const rows = await runAll(workshop, chosen);
  const needed = Math.max(1, ...rows.map(({ outcome }) => outcome.seeds));
  const control = await workshop.original({ from, count: needed, timeoutMs });
  const caught = rows.filter((row) => row.isCaught).length;
  if (flags.json) console.log(JSON.stringify({ caught, of: rows.length, control, rows }));
  else {
    const head = ['mutation', 'class', 'caught by', 'seeds', 'seconds'];
    console.log(table([head, ...rows.map(cells)]));
    const said = control.broken === null ? 'no rule broken' : `broken: ${control.broken.rule}`;
    console.log(`\nwithout a mutation, ${control.seeds} seeds: ${said}`);
    for (const { name, says } of openMutations) console.log(`not caught yet: ${name}. ${says}`);
    for (const { name, guard } of hiddenMutations) console.log(`hidden: ${name}, by: ${guard}`);
    console.log(`${caught} of ${rows.length} caught`);
  }
  const wanted = flags.hidden ? 0 : rows.length;
  if (caught !== wanted || control.broken !== null) process.exitCode = 1;
} finally {
  workshop.close();
}
