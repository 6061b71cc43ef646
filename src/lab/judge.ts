// The end of a run: everything has to come to its end once the faults have, and then what clients saw is
// judged against what is stored.
import type { StoredEvent } from '../client/subscription-events.ts';
import { chainFaults } from './check-chains.ts';
import { checkHistory } from './check-history.ts';
import { type Call, idFaults, orderFaults } from './check-numbers.ts';
import { type FinalReads, judgeFinals, readEvents, readFinals } from './finals.ts';
import type { Follower } from './followers.ts';
import type { HistoryEvent } from './history.ts';
import type { LabCluster } from './lab-cluster.ts';
import type { Moderation } from './moderation.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

/** So long after the last fault everything has to have ended. */
export const healMs = 60_000;

/** What is known at the end. */
export interface Evidence {
  readonly finals: FinalReads;
  readonly events: ReadonlyMap<string, readonly StoredEvent[]>;
  readonly history: readonly HistoryEvent[];
  /** How many replicas everything was read from. */
  readonly replicas: number;
  readonly calls: readonly Call[];
  /** What outboxes took and nobody stored. */
  readonly lost: readonly string[];
}

export function judgeLiveness(
  { world, hasConverged, nodes }: Pick<LabCluster, 'world' | 'hasConverged' | 'nodes'>,
  isOver: boolean,
): void {
  if (isOver && hasConverged) return;
  const told = nodes.map(({ name, node, ends }) => {
    const rafts = node?.replicas.map(({ raft }) => {
      return `${raft.role} of term ${raft.term}, applied ${raft.applied}/${raft.lastIndex}`;
    });
    return `${name}: ${rafts?.join('; ') || (node?.waitingFor ?? `does not run: ${ends.at(-1)}`)}`;
  });
  const operations = isOver ? 'every operation ended' : 'operations have not ended';
  const detail = `${healMs / 1000} s after the last fault ${operations}\n${told.join('\n')}`;
  world.break('everything comes to its end once the faults have', detail);
}

export async function judge(
  cluster: LabCluster,
  workload: Workload,
): Promise<Record<string, number>> {
  const { world } = cluster;
  const { recorder, followers, apps, calls, conversations } = workload;
  const finals = await readToEnd(world, readFinals(cluster, workload));
  const events = await readToEnd(world, readEvents(cluster, conversations));
  if (finals === null || events === null) return {};
  const replicas = cluster.healthy.length;
  const lost = apps.lost(finals);
  const history = recorder.events;
  const figures = judgeEvidence(world, { finals, events, history, replicas, calls, lost });
  await judgeFollowers(world, followers, finals);
  return { ...figures, checkpoints: cluster.checkers.checkpoints.compared };
}

export function judgeEvidence(world: World, evidence: Evidence): Record<string, number> {
  const { finals, events, history, replicas, calls, lost } = evidence;
  const { violations, figures } = checkHistory(history, replicas);
  expectNone(world, 'histories', violations);
  expectNone(world, 'an outbox loses nothing', lost);
  const outOfOrder = [...events.values()].flatMap(chainFaults);
  expectNone(world, 'messages of a sender stand in its order', outOfOrder);
  expectNone(world, 'appends stand in the order of the calls', orderFaults(calls));
  expectNone(world, 'ids rise in each shard', idFaults(finals));
  return figures;
}

export async function judgeFollowers(
  world: World,
  followers: readonly Follower[],
  finals: FinalReads,
): Promise<void> {
  const lacking = () => followers.flatMap((follower) => follower.lacks(finals) ?? []);
  await world.run(world.nowMs + healMs, () => lacking().length === 0);
  expectNone(world, 'a follower gets everything', lacking());
  for (const follower of followers) follower.judge(finals);
}

function expectNone(world: World, rule: string, faults: readonly string[]): void {
  if (faults.length > 0) world.break(rule, faults.join('\n'));
}

export async function judgeModeration(cluster: LabCluster, moderation: Moderation): Promise<void> {
  const { conversation } = moderation;
  const finals = await readToEnd(cluster.world, judgeFinals(cluster, [conversation]));
  if (finals !== null) moderation.judge(finals.get(conversation) ?? []);
}

/** Null: it broke a rule. */
export async function readToEnd<Result>(
  world: World,
  reading: Promise<Result>,
): Promise<Result | null> {
  const rule = 'everything can be read at the end';
  let result: Result | null = null;
  reading.then(
    (read) => {
      result = read;
    },
    (error: unknown) => world.break(rule, String(error)),
  );
  await world.run(world.nowMs + healMs, () => result !== null);
  if (result === null) world.break(rule, 'the reads did not end');
  return result;
}
