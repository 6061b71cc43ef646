// Medians over the rounds of one subject.
import { median } from '../harness/median.ts';
import type { Entrant, Round } from './comparison.ts';

export interface Summary {
  readonly label: string;
  readonly durability: string;
  readonly idempotency: string;
  readonly version: string;
  readonly partitions: number;
  readonly levels: readonly LevelSummary[];
  readonly delivery: DeliverySummary | null;
  readonly diskBytesPerMessage: number;
  readonly compactedBytesPerMessage: number | null;
}

export interface LevelSummary {
  readonly inFlight: number;
  readonly perSecond: number;
  /** Slowest and fastest round. */
  readonly perSecondRange: readonly [number, number];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly serverCpuMs: number;
  readonly clientCpuMs: number;
  readonly syncsPerThousand: number | null;
}

export interface DeliverySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly answeredP50Ms: number;
  readonly answeredP99Ms: number;
}

export function summarize(
  { label, subject, partitions }: Entrant,
  rounds: readonly Round[],
): Summary {
  const runs = rounds.map(({ figures }) => figures);
  const { durability, idempotency } = subject;
  const compacted = runs.flatMap((run) => run.compactedBytesPerMessage ?? []);
  const deliveries = runs.flatMap(({ delivery }) => (delivery === null ? [] : [delivery]));
  return {
    label,
    durability,
    idempotency,
    version: runs[0]?.version ?? '',
    partitions,
    levels: (runs[0]?.levels ?? []).map((_, i) => {
      return summarizeLevel(runs.flatMap(({ levels }) => levels[i] ?? []));
    }),
    delivery:
      deliveries.length === 0
        ? null
        : {
            p50Ms: median(deliveries.map(({ delivered }) => delivered.p50Ms)),
            p99Ms: median(deliveries.map(({ delivered }) => delivered.p99Ms)),
            p999Ms: median(deliveries.map(({ delivered }) => delivered.p999Ms)),
            answeredP50Ms: median(deliveries.map(({ answered }) => answered.p50Ms)),
            answeredP99Ms: median(deliveries.map(({ answered }) => answered.p99Ms)),
          },
    diskBytesPerMessage: median(runs.map((run) => run.diskBytesPerMessage)),
    compactedBytesPerMessage: compacted.length === 0 ? null : median(compacted),
  };
}

type Level = Round['figures']['levels'][number];

/** Of the rounds. */
export function summarizeLevel(levels: readonly Level[]): LevelSummary {
  const rates = levels.map(({ perSecond }) => perSecond);
  const syncs = levels.flatMap(({ syncsPerThousand }) => syncsPerThousand ?? []);
  return {
    inFlight: levels[0]?.inFlight ?? 0,
    perSecond: median(rates),
    perSecondRange: [Math.min(...rates), Math.max(...rates)],
    p50Ms: median(levels.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(levels.map(({ p99Ms }) => p99Ms)),
    p999Ms: median(levels.map(({ p999Ms }) => p999Ms)),
    serverCpuMs: median(levels.map(({ serverCpuMs }) => serverCpuMs)),
    clientCpuMs: median(levels.map(({ clientCpuMs }) => clientCpuMs)),
    syncsPerThousand: syncs.length === 0 ? null : median(syncs),
  };
}
