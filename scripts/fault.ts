// `npm run fault -- NAME [--history FILE] [--seconds N] [--times N] [--lease] [--keep]`: runs
// scripts/faults/NAME.ts in a fresh directory and within its limit of time; --lease is passed to the
// nodes. Progress goes to standard error, the last line of standard output is
// {name, ok, faults_done, figures}; exit code 0 = ok, 1 = not, 2 = usage. Ctrl-C ends it with its nodes, without
// that line; what it wrote is kept.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { assert } from '../src/assert.ts';
import { readFlags } from './flags.ts';
import { Cluster } from './harness/cluster.ts';
import type { Fault, FaultEnd, FaultRun } from './harness/fault.ts';
import { History } from './harness/history.ts';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'faults');
const startedMs = performance.now();
const usage = `npm run fault -- NAME [flags]: a fault script on real processes, its history checked

  --list           which there are, and what each does
  --history FILE   gets the history
  --seconds N      how long it lasts, where the script has a choice
  --times N        how often it does what it does
  --lease          the nodes answer reads by a lease
  --keep           leaves the directory where it is, also after a good end`;

const { values: flags, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    list: { type: 'boolean' },
    keep: { type: 'boolean' },
    history: { type: 'string' },
    seconds: { type: 'string' },
    times: { type: 'string' },
    lease: { type: 'boolean' },
  },
});

const [name, ...others] = positionals;
const misuse = await misuseOf();
if (flags.list) await list();
else if (misuse !== null) {
  process.stderr.write(`${misuse}\n`);
  process.exitCode = 2;
} else if (name !== undefined) process.exit(await main(name));

/** What is wrong with the command line, found before anything is started; null: nothing. */
async function misuseOf(): Promise<string | null> {
  if (name === undefined || !names().includes(name)) {
    return `which fault? one of: ${names().join(', ')}`;
  }
  if (others.length > 0) return `one fault at a time, and there is ${others.join(', ')} too`;
  for (const option of ['seconds', 'times'] as const) {
    const value = flags[option];
    if (value === undefined) continue;
    if (!/^[1-9]\d*$/.test(value)) return `--${option} is a number above 0`;
    if ((await load(name)).option !== option) return `${name} takes no --${option}`;
  }
  const { history } = flags;
  if (history === undefined || existsSync(path.dirname(path.resolve(history)))) return null;
  return `--history: there is no directory for ${history}`;
}

function names(): string[] {
  return readdirSync(folder).map((file) => path.basename(file, '.ts'));
}

async function load(faultName: string): Promise<Fault> {
  const module: { fault: Fault } = await import(
    pathToFileURL(path.join(folder, `${faultName}.ts`)).href
  );
  return module.fault;
}

/** In one write: `| head` may close the pipe after the first lines. */
async function list(): Promise<void> {
  const all = await Promise.all(
    names().map(async (each) => `${each}: ${(await load(each)).about}`),
  );
  process.stdout.write(`${all.join('\n')}\n`);
}

/** The exit code. */
async function main(faultName: string): Promise<number> {
  const fault = await load(faultName);
  const directory = mkdtempSync(path.join(tmpdir(), `paceline-${faultName}-`));
  const history = new History(path.join(directory, 'history.ndjson'));
  const clusters: Cluster[] = [];
  const run = faultRun(fault, directory, history, clusters);
  const interrupted = () => {
    run.say(`interrupted, nothing was checked; ${keptIn(directory)}`);
    process.exit(1);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  const end = await bounded(fault.limitMs, run, () => fault.run(run));
  await Promise.all(clusters.map((cluster) => cluster.close()));
  await history.close();
  if (flags.history !== undefined) copyFileSync(history.file, flags.history);
  if (end.ok && !flags.keep) rmSync(directory, { recursive: true });
  else run.say(keptIn(directory));
  const { ok, faultsDone, figures } = end;
  await print(JSON.stringify({ name: faultName, ok, faults_done: faultsDone, figures }));
  return ok ? 0 : 1;
}

function keptIn(directory: string): string {
  return `kept: ${directory} (history.ndjson, node-*.log, the nodes' data)`;
}

function faultRun(
  fault: Fault,
  directory: string,
  history: History,
  clusters: Cluster[],
): FaultRun {
  const say = (line: string) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${line}\n`);
  };
  return {
    directory,
    history,
    say,
    option(option, fallback) {
      assert(fault.option === option, `the fault says that it takes --${option}`);
      return Number(flags[option] ?? fallback);
    },
    async cluster(options = {}) {
      const more = flags.lease ? ['--lease'] : [];
      const nodeFlags = [...(options.flags ?? []), ...more];
      const cluster = await Cluster.create({ directory, ...options, flags: nodeFlags });
      clusters.push(cluster);
      return cluster;
    },
  };
}

/** A throw, or no end in time, is a failed run. */
async function bounded(
  limitMs: number,
  run: FaultRun,
  work: () => Promise<FaultEnd>,
): Promise<FaultEnd> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    run.say(`FAILED ${error instanceof Error ? error.stack : String(error)}`);
    return { ok: false, faultsDone: 0, figures: { error: String(error) } };
  } finally {
    clearTimeout(timer);
  }
}

function print(line: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${line}\n`, () => resolve()));
}
