// `paceline lab`: the real node and client code under one seed, with faults; one seed, many, or a script.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { PacelineError } from '../errors.ts';
import { figuresText, lineText, timeline } from '../lab/report.ts';
import { type RunResult, runSeed } from '../lab/run.ts';
import {
  runScenario,
  type Scenario,
  type ScenarioCluster,
  type ScenarioResult,
} from '../lab/scenario.ts';
import { type SoakTotals, soak } from '../lab/soak.ts';
import type { WorldEnd } from '../lab/world.ts';
import { usage } from './flags.ts';
import { note, onInterrupt, say, sayJson } from './output.ts';

interface LabFlags {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from?: number;
  readonly script?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}

const seedMax = 2 ** 48;
const barMs = 500;
const lineMs = 10_000;

export async function lab(flags: LabFlags): Promise<void> {
  checkFlags(flags);
  if (flags.script !== undefined) await runScript(flags.script, flags);
  else if (flags.seed !== undefined) await runOne(flags.seed, flags);
  else await runMany(flags);
}

/** One that would be ignored is refused. */
function checkFlags({ seed, seeds, from, script, trace = false }: LabFlags): void {
  if (seed !== undefined && seeds !== undefined)
    throw usage('seeds', 'goes without --seed: one of the two');
  if (seed !== undefined && from !== undefined)
    throw usage('from', 'goes without --seed: one of the two');
  if (trace && seed === undefined && script === undefined)
    throw usage('trace', 'goes with --seed or --script');
}

export function parseSeed(text: string): number {
  const value = text === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && value <= seedMax) return value;
  throw new InvalidArgumentError(`a whole number from 0 to ${seedMax}`);
}

/** Of none at all nothing would be known. */
export function parseSeeds(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= seedMax) return value;
  throw new InvalidArgumentError(`seeds is a whole number from 1 to ${seedMax}`);
}

async function runOne(seed: number, { trace = false, json = false }: LabFlags): Promise<void> {
  const result = await told(trace, (lines) => runSeed({ seed, lines }));
  if (json) sayJson(plain(result));
  else sayOne(result);
  if (result.broken !== null) process.exitCode = 1;
}

/** With its lines where somebody reads them: all at once, or what led to a broken rule, by a second run. */
async function told<Result extends WorldEnd>(
  trace: boolean,
  run: (lines: boolean) => Promise<Result>,
): Promise<Result> {
  const result = await run(trace);
  if (trace) for (const line of result.lines) note(lineText(line, 10));
  return result.broken === null || trace ? result : run(true);
}

function sayOne(result: RunResult): void {
  const { seed, shape, hash, simulatedMs, steps, figures, faults } = result;
  const { nodes, partitions, clients } = shape;
  say(`seed ${seed}: ${nodes} nodes, ${partitions} partitions, ${clients} clients`);
  say(`  ${(simulatedMs / 1000).toFixed(0)} s simulated, ${steps.toLocaleString('en')} steps`);
  say(figuresText(figures));
  say('faults');
  say(figuresText(faults));
  say(`hash ${hash}`);
  if (result.broken !== null) sayBroken(result);
}

function sayBroken(result: RunResult): void {
  say(`\nseed ${result.seed} broke a rule\n`);
  say(timeline(result));
  say(`\nagain: paceline lab --seed ${result.seed}`);
}

async function runMany({ seeds = 100, from, json = false }: LabFlags): Promise<void> {
  const first = from ?? Math.floor(Math.random() * 2 ** 32);
  const startedMs = performance.now();
  let isInterrupted = false;
  onInterrupt(() => {
    isInterrupted = true;
  });
  function* each(): Generator<number> {
    for (let i = 0; i < seeds && !isInterrupted; i += 1) yield first + i;
  }
  const show = showSeeds(seeds, startedMs);
  const totals = await soak({
    seeds: each(),
    onSeed: async (_, so) => {
      show(so);
      // Lets a signal come through.
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const seconds = (performance.now() - startedMs) / 1000;
  if (json) sayJson({ ...totals, first, seconds, broken: totals.broken.map(plain) });
  else sayMany(totals, first, seconds);
  if (totals.broken.length > 0) process.exitCode = 1;
  for (const { seed } of json ? [] : totals.broken) sayBroken(await runSeed({ seed, lines: true }));
}

function sayMany(totals: SoakTotals, first: number, seconds: number): void {
  const hours = (totals.simulatedMs / 3_600_000).toFixed(1);
  const rate = (totals.seeds / seconds).toFixed(1);
  say(`seeds ${first} to ${first + totals.seeds - 1}: ${hours} hours simulated, ${rate} seeds/s`);
  say(`rules broken: ${totals.broken.length}`);
  say(figuresText({ steps: totals.steps, ...totals.figures }));
  say('faults');
  say(figuresText(totals.faults));
}

/** A bar on a terminal, else a line every 10 s. */
function showSeeds(seeds: number, startedMs: number): (totals: SoakTotals) => void {
  const { stderr } = process;
  let shownMs = startedMs;
  return (totals) => {
    const nowMs = performance.now();
    if (nowMs - shownMs < (stderr.isTTY ? barMs : lineMs) && totals.seeds < seeds) return;
    shownMs = nowMs;
    const rate = (totals.seeds / ((nowMs - startedMs) / 1000)).toFixed(1);
    const text = `${totals.seeds} of ${seeds} seeds, ${rate} seeds/s, ${totals.broken.length} broken`;
    if (stderr.isTTY) stderr.write(`\r\x1b[K${text}${totals.seeds === seeds ? '\n' : ''}`);
    else note(text);
  };
}

/** One seed after the other; the first that breaks a rule is told in full. */
async function runScript(file: string, flags: LabFlags): Promise<void> {
  const { seed, seeds = 1, from = 1, trace = false, json = false } = flags;
  const script = await loadScript(file);
  const first = seed ?? from;
  for (let each = first; each < first + (seed === undefined ? seeds : 1); each += 1) {
    const result = await told(trace, (lines) => runScenario({ ...script, seed: each, lines }));
    if (json) sayJson(plain(result));
    else sayScript(file, result);
    if (result.broken === null) continue;
    process.exitCode = 1;
    return;
  }
}

function sayScript(file: string, result: ScenarioResult): void {
  const { seed, hash, broken, simulatedMs } = result;
  const end = broken === null ? 'holds' : 'breaks a rule';
  say(
    `${file}, seed ${seed}: ${end} (${(simulatedMs / 1000).toFixed(1)} s simulated, hash ${hash})`,
  );
  if (broken === null) return;
  say(`\n${timeline(result)}\n\nagain: paceline lab --script ${file} --seed ${seed}`);
}

/** What the file exports: `scenario`, and perhaps `cluster`. */
async function loadScript(file: string): Promise<{ scenario: Scenario; cluster: ScenarioCluster }> {
  const bad = (message: string) =>
    new PacelineError({ reason: 'BAD_REQUEST', field: 'script', message: `script: ${message}` });
  const loaded = await import(pathToFileURL(path.resolve(file)).href).catch((error: unknown) => {
    throw bad(`${file} cannot be loaded: ${error instanceof Error ? error.message : error}`);
  });
  const { scenario, cluster = {} } = loaded;
  if (typeof scenario !== 'function') throw bad(`${file} exports no function named scenario`);
  return { scenario, cluster };
}

function plain({ broken, lines: _, ...result }: RunResult | ScenarioResult) {
  return {
    ...result,
    broken: broken === null ? null : { rule: broken.rule, detail: broken.message },
  };
}
