// Many seeds one after the other: what they did and suffered in all, and the first that broke a rule.
import { type RunResult, runSeed } from './run.ts';

export interface SoakTotals {
  seeds: number;
  simulatedMs: number;
  steps: number;
  readonly figures: Record<string, number>;
  readonly faults: Record<string, number>;
  /** Runs that broke a rule. */
  readonly broken: RunResult[];
}

export interface SoakOptions {
  /** Up to the first that breaks a rule. */
  readonly seeds: Iterable<number>;
  readonly onSeed?: (result: RunResult, totals: SoakTotals) => void | Promise<void>;
}

export async function soak({ seeds, onSeed }: SoakOptions): Promise<SoakTotals> {
  const totals: SoakTotals = {
    ...{ seeds: 0, simulatedMs: 0, steps: 0 },
    ...{ figures: {}, faults: {}, broken: [] },
  };
  for (const seed of seeds) {
    const result = await runSeed({ seed });
    add(totals, result);
    await onSeed?.(result, totals);
    if (result.broken !== null) break;
  }
  return totals;
}

function add(totals: SoakTotals, result: RunResult): void {
  totals.seeds += 1;
  totals.simulatedMs += result.simulatedMs;
  totals.steps += result.steps;
  addAll(totals.figures, result.figures);
  addAll(totals.faults, result.faults);
  if (result.broken !== null) totals.broken.push(result);
}

function addAll(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(from)) into[name] = (into[name] ?? 0) + value;
}
