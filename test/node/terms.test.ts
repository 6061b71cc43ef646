// What a term of leadership leaves behind in the node: commands that came in it are never sequenced
// in another, and what is folded becomes rows and their index in one batch.
import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../src/node/config.ts';
import type { PeerMessage } from '../../src/transport/types.ts';
import { command, group, saying } from './leader.ts';
import { entriesAfter, OneOfThree } from './one-of-three.ts';

/** Node 2, given leadership in `term`, asks for votes and leads. */
function takeover(term: number, lastIndex: number): readonly PeerMessage[] {
  const next = { from: 2, to: 1, term: term + 1 };
  const vote = { campaign: 1, lastIndex, lastTerm: term, transfer: true };
  return [
    { type: 'Vote', ...next, ...vote },
    { type: 'Heartbeat', ...next, commit: lastIndex, round: 1 },
  ];
}

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

  test('that a transfer finds partly sequenced: numbers for what is committed, a refusal for the rest', async () => {
    const one = await new OneOfThree().start();
    await one.lead(0);
    const [replica] = one.node.replicas;
    const window = defaultLimits.sequenceWindow;
    const repeated = Array.from({ length: window }, (_, n) => saying(`${n}`));
    const partly = group([...repeated, command({ conversation: 'g:cold' }), saying('last')]);
    one.node.submit(partly);
    // The first window is in the log; the second had to fetch, and waits for the write in flight.
    await one.settle();
    const term = replica?.raft.term ?? 0;
    const match = replica?.raft.lastIndex ?? 0;
    const given = one.node.transferLeadership(0, 2);
    one.receive(0, { type: 'AppendOk', from: 2, to: 1, term, match });
    await one.flush();
    expect([one.ofType('TimeoutNow').length, partly.answer()]).toEqual([1, null]);
    one.receive(0, ...takeover(term, match));
    await one.flush();
    const stored = repeated.map((_, n) => `seq ${n + 1}`);
    expect(partly.answer()).toEqual([...stored, 'NOT_LEADER', 'NOT_LEADER']);
    await given;
  });
});

describe('commands that the other replicas have committed', () => {
  test('have their numbers when leadership is given away, whatever the own disk does', async () => {
    const one = await new OneOfThree().start();
    await one.lead(0);
    const { raft } = one.node.replicas[0] ?? {};
    const [term, match] = [raft?.term ?? 0, (raft?.lastIndex ?? 0) + 1];
    const proposed = group([saying('a'), saying('b')]);
    one.node.submit(proposed);
    // Its write is in flight from here on.
    await one.settle();
    const given = one.node.transferLeadership(0, 2);
    for (const from of [2, 3]) one.receive(0, { type: 'AppendOk', from, to: 1, term, match });
    await one.settle();
    expect([one.ofType('TimeoutNow').length, proposed.answer()]).toEqual([1, null]);
    one.receive(0, ...takeover(term, match));
    await one.settle();
    expect(proposed.answer()).toEqual(['seq 1', 'seq 2']);
    await given;
  });

  test('are unknown where another leader has put entries of its own in their place', async () => {
    const one = await new OneOfThree().start();
    await one.lead(0);
    const { raft } = one.node.replicas[0] ?? {};
    const [term, match] = [raft?.term ?? 0, raft?.lastIndex ?? 0];
    const before = raft?.entry(match) ?? undefined;
    const proposed = group([saying('a')]);
    one.node.submit(proposed);
    await one.settle();
    const [other] = entriesAfter(before, [term + 1]);
    const back = { from: 2, to: 1, term: term + 1, prevIndex: match, prevTerm: term };
    one.receive(0, { type: 'Append', ...back, entries: [other], commit: match + 1 });
    await one.settle();
    expect([raft?.commit, proposed.answer()]).toEqual([match + 1, ['OUTCOME_UNKNOWN']]);
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
