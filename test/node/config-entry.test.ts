// A membership in the log of a whole node: replicas take it as raft does, and fold nothing of it.
import { expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { systemClock } from '../../src/clock.ts';
import { startAlone } from '../api/alone.ts';

test('a CONFIG entry is folded like an empty one, and the node goes on', async () => {
  const { node, stop } = await startAlone(systemClock);
  try {
    const { raft } = node.replicaOf(0);
    const added = { type: 'add-learner', id: 2 } as const;
    const change = { type: 'change', changes: [added], transition: 'implicit' } as const;
    const result = raft.proposeConfig(change, systemClock.monotonicMs());
    expect(result).toMatchObject({ ok: true });
    await until('the joint membership is left and applied', 5000, () => raft.applied >= 3);
    expect(raft.membership).toMatchObject({ incoming: [1], outgoing: [], learners: [2] });
    expect(raft.role).toBe('leader');
  } finally {
    await stop();
  }
});
