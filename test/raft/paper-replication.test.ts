// The rules of the Raft paper on log replication and commitment (sections 5.3, 5.4.2; figures 7 and 8).

import { describe, expect, test } from 'vitest';
import { appendOf, emptyAppendAt } from './in-role.ts';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import { entriesOf, Replica } from './replica.ts';

describe('a leader', () => {
  test('begins its term with an empty entry that keeps the log time of the one before', () => {
    const leader = leaderOf({ terms: [1, 1] });
    expect(leader.raft.entry(3)).toMatchObject({ kind: 0, term: 2, timeMs: 0, payloadBytes: 0 });
    expect(leader.raft.lastIndex).toBe(3);
  });

  test('starts replication: a proposal is appended, sent with (index, term) of the entry before, and written', () => {
    const leader = readyLeader();
    expect(leader.propose('a')).toEqual({ ok: true, index: 2, term: 1 });
    leader.drain();
    expect(leader.collect()).toMatchObject([
      { type: 'Append', to: 2, prevIndex: 1, prevTerm: 1, entries: [{ payload: 'a' }], commit: 1 },
      { type: 'Append', to: 3, prevIndex: 1, prevTerm: 1, entries: [{ payload: 'a' }], commit: 1 },
    ]);
    expect(leader.steps).toMatchObject([{ entries: [{ index: 2, term: 1, payload: 'a' }] }]);
  });

  test('commits an entry once a majority holds it, folds it, and sends its commit index on at once', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    const told = leader.take();
    expect(leader.applied.at(-1)).toMatchObject({ payload: 'a' });
    expect(told).toMatchObject([
      { type: 'Commit', to: 2, prevIndex: 2, prevTerm: 1, commit: 2 },
      { type: 'Commit', to: 3, prevIndex: 2, prevTerm: 1, commit: 2 },
    ]);
    ack(leader, 3);
    expect(leader.take()).toEqual([]);
  });

  test.each<[number, number[], boolean]>([
    [1, [], true],
    [2, [], false],
    [2, [2], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [2], false],
    [5, [3, 5], true],
    [5, [2, 3, 4, 5], true],
  ])(
    'acknowledges a commit by a majority only: of %i voters with answers of %j: %s',
    (size, from, expected) => {
      const voters = Array.from({ length: size }, (_, at) => at + 1);
      const leader = readyLeader({ voters });
      leader.propose('a');
      leader.take();
      for (const id of from) {
        ack(leader, id);
        ack(leader, id);
      }
      leader.take();
      expect(leader.raft.commit === 2).toBe(expected);
    },
  );

  test.each([[[1]], [[2]], [[1, 2]], [[1, 1, 2]]])(
    'commits all preceding entries, of terms %j too, in order, with an entry of its own term',
    (terms) => {
      const leader = readyLeader({ terms, term: 2 });
      expect(leader.applied.map(({ index }) => index)).toEqual(
        Array.from({ length: terms.length + 1 }, (_, at) => at + 1),
      );
    },
  );

  test('only commits entries of its own term by counting, never an earlier one (5.4.2, figure 8)', () => {
    const leader = leaderOf({ terms: [1, 2], term: 3 });
    leader.take();
    ack(leader, 2, 2);
    ack(leader, 3, 2);
    leader.take();
    expect(leader.raft.commit).toBe(0);
    ack(leader, 2, 3);
    leader.take();
    expect(leader.raft.commit).toBe(3);
  });

  test('refuses proposals where it does not lead', () => {
    expect(new Replica().propose('a')).toEqual({ ok: false, reason: 'not-leader' });
  });
});

describe('a follower', () => {
  test('commits and folds what it is told is committed, in order', () => {
    const follower = followerOf(9);
    follower.receive(appendOf([1, 1, 1], 0, 2));
    expect(follower.applied.map(({ payload }) => payload)).toEqual(['1/1', '2/1']);
    follower.receive({ type: 'Heartbeat', from: 1, to: 2, term: 9, commit: 3, round: 0 });
    expect(follower.applied).toHaveLength(3);
  });

  test('takes as committed only what the append has shown to be the leader’s', () => {
    const follower = followerOf(9, { terms: [1, 2, 2] });
    follower.receive(emptyAppendAt(1, 1, 3));
    expect(follower.raft.commit).toBe(1);
  });

  test('never lowers its commit index', () => {
    const follower = followerOf(9);
    follower.receive(appendOf([1, 1, 1], 0, 3));
    follower.receive(appendOf([1, 1, 1], 0, 1));
    follower.receive({ type: 'Heartbeat', from: 1, to: 2, term: 9, commit: 2, round: 0 });
    expect(follower.raft.commit).toBe(3);
  });

  test.each<[number, number, 'AppendOk' | 'AppendReject']>([
    [0, 0, 'AppendOk'],
    [1, 1, 'AppendOk'],
    [2, 2, 'AppendOk'],
    [1, 2, 'AppendReject'],
    [2, 1, 'AppendReject'],
    [3, 2, 'AppendReject'],
    [9, 9, 'AppendReject'],
  ])(
    'checks the place before: with terms [1, 2], an append after (%i, %i) is answered by %s',
    (index, term, type) => {
      const follower = followerOf(9, { terms: [1, 2] });
      expect(follower.receive(emptyAppendAt(index, term))).toMatchObject([{ type }]);
    },
  );

  test.each<[number[], number[], number, number[]]>([
    [[1, 2], [1, 2, 3], 2, [1, 2, 3]],
    [[1, 2], [1, 3, 4], 1, [1, 3, 4]],
    [[1, 2], [3, 4], 0, [3, 4]],
    [[1, 2, 2, 2], [1, 2, 3], 1, [1, 2, 3]],
    [[1, 2, 2], [1, 2], 0, [1, 2, 2]],
    [[1, 2, 2], [1], 0, [1, 2, 2]],
  ])(
    'deletes from a conflict on, and nothing else: terms %j, an append of %j after %i: %j',
    (own, terms, prev, expected) => {
      const follower = followerOf(9, { terms: own });
      follower.receive(appendOf(terms, prev));
      expect(follower.terms).toEqual(expected);
      expect(follower.raft.lastIndex).toBe(expected.length);
    },
  );

  test('keeps what follows when an older append arrives late, or twice (bug class 17)', () => {
    const follower = followerOf(9);
    follower.receive(appendOf([1, 1, 1, 1], 0));
    expect(follower.receive(appendOf([1, 1], 0))).toMatchObject([{ type: 'AppendOk', match: 2 }]);
    expect(follower.terms).toEqual([1, 1, 1, 1]);
  });

  test('stops rather than truncate what is committed', () => {
    const follower = followerOf(9, { terms: [1, 1], commit: 2 });
    expect(() => follower.step(appendOf([1, 2], 1))).toThrow('at or below its commit index');
  });

  test('stops where an entry is not linked to the one before by its chain', () => {
    const follower = followerOf(9);
    const [entry] = entriesOf([1]);
    const forged = entry === undefined ? [] : [{ ...entry, chain: Uint8Array.of(9, 9, 9, 9) }];
    const append = { from: 1, to: 2, term: 9, prevIndex: 0, prevTerm: 0, commit: 0 };
    expect(() => follower.step({ type: 'Append', ...append, entries: forged })).toThrow('chain');
  });
});

describe('diverged logs (figure 7)', () => {
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 1, 4]],
    ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('a leader brings follower (%s) to its own log', (_, terms) => {
    const network = new Network({ logs: [leaderTerms, terms, []] });
    network.at(1).step({ type: 'HeartbeatOk', from: 2, to: 1, term: 7, round: 0 });
    network.campaign(1);
    network.run(300);
    expect(network.leader?.id).toBe(1);
    for (const { terms: own } of network.replicas) expect(own).toEqual([...leaderTerms, 8]);
  });

  const runs = (...lengths: readonly (readonly [term: number, length: number])[]): number[] =>
    lengths.flatMap(([term, length]) => Array<number>(length).fill(term));

  test.each([
    ['the terms of the leader', runs([1, 5], [4, 500]), runs([1, 5], [2, 300], [3, 300])],
    ['the terms of the follower', runs([1, 5], [2, 300], [3, 300]), runs([1, 5], [4, 700])],
    ['both', runs([1, 5], [2, 200], [4, 200]), runs([1, 5], [3, 200], [5, 200])],
  ])(
    'are reconciled with a probe a term at most, skipping by %s (thesis 3.5)',
    (_, ours, theirs) => {
      const network = new Network({ logs: [ours, theirs, []] });
      let rejects = 0;
      network.drops = ({ type, from }) => {
        if (type === 'AppendReject' && from === 2) rejects += 1;
        return false;
      };
      network.at(1).step({ type: 'HeartbeatOk', from: 2, to: 1, term: 5, round: 0 });
      network.campaign(1);
      network.run(300);
      expect(network.at(2).terms).toEqual([...ours, 6]);
      expect(rejects).toBeLessThanOrEqual(3);
    },
  );
});

describe('figure 8', () => {
  test('an old entry on a majority may still be replaced, and was never committed', () => {
    const network = new Network({ size: 5, logs: [[1, 2], [1, 2], [1], [1], [1, 3]] });
    // Leader 1 of term 4 brings entry 2 of term 2 to a majority, but not its own first entry.
    network.drops = (message) =>
      (message.type === 'Append' && message.entries.some(({ term }) => term === 4)) ||
      (message.type === 'Vote' && message.to === 5) ||
      (message.type === 'PreVote' && message.to === 5);
    network.at(1).step({ type: 'HeartbeatOk', from: 5, to: 1, term: 3, round: 0 });
    network.campaign(1);
    expect(network.leader?.raft.term).toBe(4);
    network.run(1000);
    expect(network.replicas.map(({ raft }) => raft.commit)).toEqual([0, 0, 0, 0, 0]);
    network.drops = ({ from, to }) => from === 1 || to === 1;
    network.campaign(5);
    network.runUntil(() => network.at(5).raft.role === 'leader', 5000);
    network.heal();
    network.run(1000);
    for (const { terms } of network.replicas) expect(terms.slice(0, 2)).toEqual([1, 3]);
  });

  test('an own entry on a majority commits the old one with it, and neither is lost', () => {
    const network = new Network({ size: 5, logs: [[1, 2], [1, 2], [1], [1], [1, 3]] });
    network.at(1).step({ type: 'HeartbeatOk', from: 5, to: 1, term: 3, round: 0 });
    network.isolate(5);
    network.campaign(1);
    expect(network.at(1).raft.commit).toBe(3);
    network.isolate(1);
    network.heal();
    network.campaign(5);
    network.run(3000);
    for (const { terms } of network.replicas) expect(terms.slice(0, 3)).toEqual([1, 2, 4]);
  });
});
