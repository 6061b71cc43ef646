// One subject, once: fresh servers, a fresh client, every level of load, the delivery, and then whether the
// replicas hold what was acknowledged and what it takes on disk.
import { chmodSync, mkdirSync } from 'node:fs';
import { within } from '../harness/until.ts';
import { ClientProcess } from './client/client-process.ts';
import type { ClosedLoopFigures } from './client/closed-loop.ts';
import type { DeliveryFigures } from './client/delivery.ts';
import { diskBytes } from './proc.ts';
import type { Servers, Setup, Subject } from './subjects/subject.ts';
import { readSyncs } from './syncs.ts';

export interface RunPlan {
  readonly inFlight: readonly number[];
  readonly seconds: number;
  /**
   * Before the first level, in equal parts under the load of each, the highest first: servers are measured that have
   * run for a while, and what a compiler learns it learns from many messages. The delivery has such a part before it,
   * as following is code of its own.
   */
  readonly warmUpFirstSeconds: number;
  /** Before each level. */
  readonly warmUpSeconds: number;
  /** 0 = the delivery is not measured. */
  readonly deliverySeconds: number;
  readonly deliveryPerSecond: number;
}

export interface RunFigures {
  readonly subject: string;
  readonly version: string;
  readonly levels: readonly LevelFigures[];
  /** null: not measured, or this subject is not followed. */
  readonly delivery: DeliveryFigures | null;
  readonly acknowledged: number;
  /** By replica. */
  readonly held: readonly number[];
  /** What the data directories grew by, for each message and replica, without what is reserved ahead. */
  readonly diskBytesPerMessage: number;
  /** The same once the stopped servers' files are compacted; null: not tried with this subject. */
  readonly compactedBytesPerMessage: number | null;
}

export interface LevelFigures extends ClosedLoopFigures {
  /** Syncs of all servers for 1,000 messages, warm-up included; null: not counted. */
  readonly syncsPerThousand: number | null;
}

const heldMs = 15_000;

export async function runSubject(
  subject: Subject,
  setup: Setup,
  plan: RunPlan,
): Promise<RunFigures> {
  mkdirSync(setup.directory, { recursive: true });
  chmodSync(setup.directory, 0o755);
  const servers = await subject.start(setup);
  const { dataDirectories, compact } = servers;
  const stored = () => sum(dataDirectories.map(diskBytes));
  const before = stored();
  const perMessage = ({ acknowledged }: Measured) => {
    return Math.round((stored() - before) / acknowledged / dataDirectories.length);
  };
  let figures: Measured & Pick<RunFigures, 'diskBytesPerMessage'>;
  try {
    const measured = await measure(subject, servers, setup, plan);
    figures = { ...measured, diskBytesPerMessage: perMessage(measured) };
  } finally {
    await servers.stop();
  }
  await compact?.();
  const compactedBytesPerMessage = compact === undefined ? null : perMessage(figures);
  return { ...figures, compactedBytesPerMessage };
}

type Measured = Omit<RunFigures, 'diskBytesPerMessage' | 'compactedBytesPerMessage'>;

async function measure(
  subject: Subject,
  servers: Servers,
  setup: Setup,
  plan: RunPlan,
): Promise<Measured> {
  const { name } = subject;
  const { version, pids } = servers;
  const client = await ClientProcess.connect(name, servers.place);
  try {
    const levels = await runLevels(client, pids, setup.syncsDirectory, plan);
    const { deliverySeconds: seconds, deliveryPerSecond: perSecond } = plan;
    const warmUpSeconds = Math.max(plan.warmUpSeconds, partOfWarmUp(plan));
    const delivery =
      seconds === 0 ? null : await client.delivery({ perSecond, seconds, warmUpSeconds });
    await client.close();
    const acknowledged = sum(levels.map((each) => each.acknowledged));
    const all = acknowledged + (delivery?.acknowledged ?? 0);
    const held = await heldAtLeast(servers, all);
    return { subject: name, version, levels, delivery, acknowledged: all, held };
  } finally {
    client.kill();
  }
}

async function runLevels(
  client: ClientProcess,
  serverPids: readonly number[],
  syncsDirectory: string | null,
  plan: RunPlan,
): Promise<LevelFigures[]> {
  const { inFlight: all, seconds } = plan;
  let warmed = 0;
  for (const inFlight of all.toSorted((a, b) => b - a)) {
    const part = { inFlight, seconds: 0.1, warmUpSeconds: partOfWarmUp(plan) };
    warmed += (await client.closedLoop({ ...part, serverPids })).acknowledged;
  }
  const levels: LevelFigures[] = [];
  for (const inFlight of all) {
    const syncs = readSyncs(syncsDirectory);
    const { warmUpSeconds } = plan;
    const figures = await client.closedLoop({ inFlight, seconds, warmUpSeconds, serverPids });
    const made = readSyncs(syncsDirectory);
    const syncsPerThousand =
      syncs === null || made === null
        ? null
        : Number((((made - syncs) * 1000) / figures.acknowledged).toFixed(1));
    levels.push({ ...figures, syncsPerThousand });
  }
  const [one, ...others] = levels;
  if (one === undefined) return levels;
  return [{ ...one, acknowledged: one.acknowledged + warmed }, ...others];
}

/** The seconds that each level, and the delivery, is carried for before it is measured. */
function partOfWarmUp({ inFlight, warmUpFirstSeconds }: RunPlan): number {
  return warmUpFirstSeconds / Math.max(inFlight.length, 1);
}

/** Throws where no majority holds what was acknowledged; the third may come later. */
export async function heldAtLeast(
  servers: Pick<Servers, 'held'>,
  acknowledged: number,
  deadlineMs = heldMs,
): Promise<readonly number[]> {
  let held: readonly number[] = [];
  await within(deadlineMs, async () => {
    held = await servers.held();
    return held.every((count) => count >= acknowledged);
  });
  const kept = held.filter((count) => count >= acknowledged).length;
  if (kept * 2 <= held.length) {
    throw new Error(`${acknowledged} were acknowledged, the replicas hold ${held.join(', ')}`);
  }
  return held;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
