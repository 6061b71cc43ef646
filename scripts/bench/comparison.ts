// What a comparison is asked for, and what comes of it: the JSON file is one `Comparison`.
import type { Machine } from './machine.ts';
import type { RunFigures, RunPlan } from './run-subject.ts';
import type { Subject } from './subjects/subject.ts';
import type { Summary } from './summary.ts';

export interface CompareOptions {
  readonly plan: RunPlan;
  readonly rounds: number;
  /** Their names, in the order of the tables; ratios are to the first. */
  readonly subjects: readonly string[];
  /** One Paceline and one bound for each. */
  readonly partitions: readonly number[];
  /** Every sync takes so much longer; null: as it is, and not counted. */
  readonly fsyncDelayMs: number | null;
  /** Missing peers are installed, by root. */
  readonly install: boolean;
  /** Where the data lies; the system's temporary directory where null. */
  readonly data: string | null;
  /** Gets the JSON file and the charts; null: only the table is printed. */
  readonly out: string | null;
}

/** A subject with what it is started with. */
export interface Entrant {
  /** Unique in the run. */
  readonly label: string;
  readonly subject: Subject;
  readonly partitions: number;
}

export interface Round {
  readonly round: number;
  readonly label: string;
  readonly figures: RunFigures;
}

export interface Comparison {
  readonly machine: Machine;
  readonly parameters: Omit<CompareOptions, 'data' | 'out' | 'install'>;
  readonly skipped: readonly string[];
  readonly failed: readonly string[];
  readonly summaries: readonly Summary[];
  readonly rounds: readonly Round[];
}
