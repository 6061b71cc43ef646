// At the very end, when nothing is wrong with anybody: partitions that have slept for a while are woken by
// work. Their leaders are well, so it has to find them leading.
import { readToEnd } from './judge.ts';
import type { LabCluster } from './lab-cluster.ts';

const fallAsleepMs = 15_000;
const sleepMs = 5000;
const timeoutMs = 30_000;
/** An election that the waking caused would be over by then. */
const electionMs = 2000;

/** Appends once to each conversation, all at once. */
export async function judgeWaking(
  cluster: LabCluster,
  conversations: readonly string[],
): Promise<void> {
  const { world } = cluster;
  await world.run(
    world.nowMs + fallAsleepMs,
    () => asleep(cluster).size === cluster.shape.partitions,
  );
  await world.run(world.nowMs + sleepMs);
  const before = asleep(cluster);
  const livesBefore = lives(cluster);
  if (before.size === 0) return;
  const { client } = cluster.addClient('waker', { timeoutMs });
  const appends = conversations.map((conversation) => {
    return client.append({ conversation, sender: 'waker', body: 'awake' });
  });
  await readToEnd(world, Promise.allSettled(appends));
  await world.run(world.nowMs + electionMs);
  // A process ended, by damage that only now was looked at say.
  if (lives(cluster) !== livesBefore) return;
  for (const [partition, term] of before) {
    const now = Math.max(
      ...cluster.healthy.map(({ node }) => node?.replicas[partition]?.raft.term ?? 0),
    );
    if (now === term) continue;
    const detail = `partition ${partition} slept in term ${term}, and was woken into term ${now}`;
    world.break('work finds its leader leading', detail);
  }
}

function lives({ nodes }: LabCluster): string {
  return nodes.map(({ machine }) => `${machine.incarnation} ${machine.alive}`).join();
}

/** The terms of those partitions that sleep and are where they shall be: others may be moved as they wake. */
function asleep({ healthy, shape }: LabCluster): ReadonlyMap<number, number> {
  const terms = new Map<number, number>();
  for (let partition = 0; partition < shape.partitions; partition++) {
    const rafts = healthy.map(({ node }) => node?.replicas[partition]?.raft);
    const [first] = rafts;
    if (first?.leader !== (partition % shape.nodes) + 1) continue;
    if (rafts.every((raft) => raft?.quiesced && raft.term === first.term)) {
      terms.set(partition, first.term);
    }
  }
  return terms;
}
