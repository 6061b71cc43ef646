// What a term of leadership leaves behind in the node: commands that came in it are never sequenced
// in another, and what is folded becomes rows and their index in one batch.
import { describe, expect, test } from 'vitest';
import { group, saying } from './leader.ts';
import { OneOfThree } from './one-of-three.ts';

describe('commands of a term', () => {
  test('that ended before they were sequenced are refused, also where the next term is led again', async () => {
    const one = await new OneOfThree().start();
    await one.lead(0);
    const [replica] = one.node.replicas;
    const [proposed, queued, late] = ['a', 'b', 'c'].map((body) => group([saying(body)]));
    if (proposed === undefined || queued === undefined || late === undefined) return;
    one.node.submit(proposed);
    await one.settle();
    // The write of the first is in flight: what comes now waits for it.
    one.node.submit(queued);
    await one.settle();
    expect(replica?.raft.lastIndex).toBe(2);
    one.receive(0, { type: 'HeartbeatOk', from: 3, to: 1, term: 5, round: 0 });
    await one.flush();
    expect([proposed.answer(), queued.answer()]).toEqual([['OUTCOME_UNKNOWN'], ['NO_LEADER']]);
    one.node.submit(late);
    expect(late.answer()).toEqual(['NO_LEADER']);
    await one.lead(0);
    // The inherited entry, and the empty one of the new term: nothing else was proposed.
    expect([replica?.raft.term, replica?.raft.lastIndex]).toEqual([6, 3]);
  });
});

describe('a checkpoint', () => {
  test('writes its rows and the index they stand at in one batch, and no row without it', async () => {
    const one = await new OneOfThree().start();
    await one.lead(0);
    const [replica] = one.node.replicas;
    const stored = group([saying('a')]);
    one.node.submit(stored);
    await one.answer(0);
    expect(stored.answer()).toEqual(['seq 1']);
    // Idle for a second, with heartbeats answered.
    for (let beat = 0; beat < 15; beat += 1) {
      one.stall(100);
      await one.flush();
      const round = one.sent.reduce((newest, { message }) => {
        return message.type === 'Heartbeat' ? Math.max(newest, message.round) : newest;
      }, 0);
      const term = replica?.raft.term ?? 0;
      one.receive(0, { type: 'HeartbeatOk', from: 2, to: 1, term, round });
      await one.answer(0);
    }
    const [written, ...more] = one.writes.filter(({ batch }) => batch.rows.length > 0);
    expect([written?.batch.checkpoints, more]).toEqual([[3], []]);
    expect(replica?.checkpointIndex).toBe(3);
  });
});
