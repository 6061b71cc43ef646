// What every fault script is: a name for `npm run fault -- NAME`, a limit in time and a run that ends
// with figures.

import type { Verdict } from '../../src/lab/check-history.ts';
import type { Cluster, ClusterOptions } from './cluster.ts';
import type { History } from './history.ts';

export type FaultOption = 'seconds' | 'times';

export interface Fault {
  /** One line, for --list. */
  readonly about: string;
  /** What it takes from the command line; undefined: nothing. */
  readonly option?: FaultOption;
  /** The whole run; after it, it has failed. */
  readonly limitMs: number;
  run(run: FaultRun): Promise<FaultEnd>;
}

export interface FaultRun {
  /** Fresh; removed where the run ends well. */
  readonly directory: string;
  readonly history: History;
  /** A whole number from the command line, such as --seconds 20: the fault says that it takes it. */
  option(name: FaultOption, fallback: number): number;
  /** A cluster in the run's directory; starts nothing yet. It ends with the run. */
  cluster(options?: Partial<ClusterOptions>): Promise<Cluster>;
  /** Progress, for people. */
  say(line: string): void;
}

export interface FaultEnd {
  readonly ok: boolean;
  readonly faultsDone: number;
  readonly figures: Readonly<Record<string, unknown>>;
}

export function sayVerdict(run: FaultRun, verdict: Verdict): void {
  for (const violation of verdict.violations) run.say(`VIOLATION ${violation}`);
  run.say(`checked: ${JSON.stringify(verdict.figures)}`);
}
