// Negative controls of the rules of moderated conversations: events made by hand, told to its follower.
import { expect, test } from 'vitest';
import type { StoredEvent } from '../../src/client/subscription-events.ts';
import { LabCluster } from '../../src/lab/lab-cluster.ts';
import { Moderation } from '../../src/lab/moderation.ts';
import { plainShape } from '../../src/lab/shape.ts';
import { World } from '../../src/lab/world.ts';

const place = { conversation: 'g:moderated', timeMs: 1, index: 1, slot: 0, sender: 'm' };
const released = (rev: number): StoredEvent => {
  return { ...place, rev, kind: 'released', seq: 1, message: null };
};
const rejected = (rev: number): StoredEvent => ({ ...place, rev, kind: 'rejected', seq: 1 });

/** The rule that is broken by these events, or at the end where the message then has its first state. */
async function ruleBrokenBy(...events: StoredEvent[]): Promise<string | undefined> {
  const world = new World(1, false);
  const cluster = new LabCluster(world, plainShape({ nodes: 1, partitions: 1, lease: false }));
  const { client } = cluster.addClient('follower', { timeoutMs: 1000 });
  const subscription = client.subscribe({ conversation: 'g:moderated' });
  const left = [...events];
  subscription.next = async () => {
    const value = left.shift();
    return value === undefined ? { done: true, value } : { done: false, value };
  };
  client.subscribe = () => subscription;
  const moderation = new Moderation(cluster);
  await world.run(10);
  if (world.broken === null) moderation.judge([]);
  return world.broken?.rule;
}

const once = 'a pending message ends once';

test.each<[string, StoredEvent[], string | undefined]>([
  ['nothing breaks no rule', [], undefined],
  ['an end after another breaks one', [released(1), rejected(2)], once],
  ['an end that the message does not show breaks one', [released(1)], once],
  ['an event left out breaks one', [released(2)], 'a follower sees every event once, in order'],
])('%s', async (_, events, rule) => {
  expect(await ruleBrokenBy(...events)).toBe(rule);
});
