// Elections among several replicas, and answers that come when they are no longer asked for
// (the behaviours that etcd's raft is held to, with PreVote in front).

import { describe, expect, test } from 'vitest';
import type { Role } from '../../src/raft/types.ts';
import { candidate, heartbeat, inRole, preCandidate } from './in-role.ts';
import { followerOf, leaderOf, Network } from './network.ts';
import { ofType, Replica, seeded } from './replica.ts';

describe('an election', () => {
  test.each<[string, number[][], number[], Role, number]>([
    ['all answer', [[], [], []], [], 'leader', 1],
    ['a majority answers', [[], [], []], [3], 'leader', 1],
    ['nobody answers', [[], [], []], [2, 3], 'pre-candidate', 0],
    ['half of four answer', [[], [], [], []], [2, 3], 'pre-candidate', 0],
    ['three of five answer', [[], [], [], [], []], [2, 3], 'leader', 1],
    ['the others lack entries', [[1], [], []], [], 'leader', 2],
    ['a majority has more entries', [[], [1], [1], [1, 1], []], [], 'follower', 1],
    ['a minority has more entries', [[], [1], [1], [], []], [], 'leader', 2],
  ])(
    'where %s (logs %j, away %j) makes of who asks a %s of term %i',
    (_, logs, away, role, term) => {
      const network = new Network({ size: logs.length, logs });
      for (const id of away) network.isolate(id);
      network.campaign(1);
      // One that was left behind by a term learns it from the first refusal, and asks again.
      if (role === 'leader' && network.at(1).raft.role !== 'leader') network.campaign(1);
      expect([network.at(1).raft.role, network.at(1).raft.term]).toEqual([role, term]);
    },
  );

  test('is won by a lower-term log that a majority accepts; newer uncommitted entries go', () => {
    // 3 led term 2 and reached nobody; 4 and 5 had voted for it.
    const network = new Network({ size: 5, logs: [[1], [1], [2], [], []] });
    for (const id of [4, 5]) network.at(id).step(heartbeat(2, 3, id));
    network.campaign(1);
    expect([network.at(1).raft.role, network.at(1).raft.term]).toEqual(['follower', 2]);
    network.campaign(1);
    network.run(300);
    expect(network.leader?.id).toBe(1);
    for (const { terms } of network.replicas) expect(terms).toEqual([1, 3]);
  });

  test('of a single voter asks nobody', () => {
    const replica = new Replica({ voters: [1] });
    replica.tickAt(1001);
    expect(replica.take()).toEqual([]);
    expect([replica.raft.role, replica.raft.commit]).toEqual(['leader', 1]);
  });

  test('lost to another leader: the loser follows it and takes its log', () => {
    const network = new Network();
    network.isolate(1);
    network.campaign(1);
    expect(network.at(1).raft.role).toBe('pre-candidate');
    network.campaign(3);
    network.heal();
    network.propose(3, 'a');
    network.run(200);
    expect(network.replicas.map(({ raft }) => [raft.leader, raft.term])).toEqual([
      [3, 1],
      [3, 1],
      [3, 1],
    ]);
    expect(network.payloads(1)).toEqual(['a']);
  });

  test('begins by chance: none before 500 ms of silence, about half by 750 ms, all by 1000 ms', () => {
    const begunBy = (ms: number): number =>
      Array.from({ length: 400 }, (_, seed) => {
        const replica = new Replica({ random: seeded(seed) });
        replica.tickAt(ms);
        return replica.raft.role === 'follower' ? 0 : 1;
      }).reduce((sum: number, one) => sum + one, 0);
    expect(begunBy(499)).toBe(0);
    expect(begunBy(750)).toBeGreaterThan(140);
    expect(begunBy(750)).toBeLessThan(260);
    expect(begunBy(1000)).toBe(400);
  });

  test('deadlines do not gather: 200 replicas that lost one leader at once ask spread over 500 ms', () => {
    const asked = new Map<number, number>();
    for (let seed = 0; seed < 200; seed += 1) {
      const follower = followerOf(1, { random: seeded(seed) });
      // The same heartbeats for all, for a while.
      for (let nowMs = 100; nowMs <= 2000; nowMs += 100) {
        follower.tickAt(nowMs);
        follower.receive(heartbeat(1, 1, 2));
      }
      let nowMs = 2000;
      while (follower.raft.role === 'follower') {
        nowMs += 10;
        follower.tickAt(nowMs);
      }
      const slot = Math.floor((nowMs - 2500) / 50);
      asked.set(slot, (asked.get(slot) ?? 0) + 1);
    }
    expect(asked.size).toBeGreaterThanOrEqual(10);
    expect(Math.max(...asked.values())).toBeLessThan(50);
  });
});

describe('an answer that comes late', () => {
  test('a pre-vote granted after the candidacy began starts nothing anew', () => {
    const replica = preCandidate({ voters: [1, 2, 3, 4, 5] });
    const asks = ofType(replica.take(), 'PreVote');
    for (const { from: to, to: from, term, campaign } of asks) {
      replica.receive({ type: 'PreVoteReply', from, to, term, campaign, granted: true });
    }
    expect([replica.raft.role, replica.raft.term]).toEqual(['candidate', 1]);
  });

  test.each(['PreVoteReply', 'VoteReply'] as const)(
    'a %s after the election was won changes nothing',
    (type) => {
      for (const granted of [true, false]) {
        const leader = leaderOf({ voters: [1, 2, 3, 4, 5] });
        leader.take();
        const reply = { from: 5, to: 1, term: leader.raft.term, campaign: 1, granted };
        expect(leader.receive({ type, ...reply })).toEqual([]);
        expect([leader.raft.role, leader.raft.term]).toEqual(['leader', 1]);
      }
    },
  );

  test('a vote for an earlier term of the same candidate does not elect it', () => {
    const replica = candidate();
    const [first] = ofType(replica.take(), 'Vote');
    replica.tickAt(replica.nowMs + 1001);
    for (const { from: to, to: from, term, campaign } of ofType(replica.take(), 'PreVote')) {
      replica.step({ type: 'PreVoteReply', from, to, term, campaign, granted: true });
    }
    replica.take();
    expect([replica.raft.role, replica.raft.term]).toEqual(['candidate', 2]);
    const { term, campaign } = first ?? { term: 0, campaign: 0 };
    replica.receive({ type: 'VoteReply', from: 2, to: 1, term, campaign, granted: true });
    expect(replica.raft.role).toBe('candidate');
  });
});

describe('who is not heard by all', () => {
  test('two that duel over a cut link: the loser raises no term, before or after it heals', () => {
    const network = new Network();
    network.cut(1, 3);
    network.cut(3, 1);
    network.campaign(1);
    network.propose(1, 'a');
    network.run(5000);
    expect([network.at(1).raft.role, network.at(3).raft.term]).toEqual(['leader', 1]);
    network.heal();
    network.run(1000);
    for (const { raft } of network.replicas) expect([raft.term, raft.leader]).toEqual([1, 1]);
    expect(network.payloads(3)).toEqual(['a']);
  });

  test('a leader cut off from one of three keeps leading, and commits all the time', () => {
    const network = new Network();
    network.campaign(1);
    network.cut(1, 2);
    network.cut(2, 1);
    for (let second = 0; second < 10; second += 1) {
      network.propose(1, `p${second}`);
      network.run(1000);
      expect([network.at(1).raft.role, network.at(1).raft.term]).toEqual(['leader', 1]);
    }
    expect(network.payloads(1)).toHaveLength(10);
  });

  test('a newer log with a lower term and a higher term with an older log still elect (PreVote)', () => {
    const network = new Network({ logs: [[1], [1, 1], []] });
    network.at(1).step({ type: 'HeartbeatOk', from: 3, to: 1, term: 7, round: 0 });
    network.at(3).crash();
    network.runUntil(() => network.at(2).raft.ready, 6000);
    expect(network.at(2).raft.term).toBeGreaterThan(7);
  });
});

describe('a restart', () => {
  test('is never as leader: one that lost the end of its log leads again only in a later term', () => {
    const leader = leaderOf();
    leader.flush();
    leader.propose('lost');
    leader.drain();
    leader.crash();
    leader.restart();
    expect([leader.raft.role, leader.raft.lastIndex]).toEqual(['follower', 1]);
    leader.tickAt(leader.nowMs + 1001);
    for (const type of ['PreVote', 'Vote'] as const) {
      for (const { from: to, to: from, term, campaign } of ofType(leader.take(), type)) {
        const reply = { from, to, term, campaign, granted: true };
        leader.step({ type: type === 'Vote' ? 'VoteReply' : 'PreVoteReply', ...reply });
      }
    }
    expect(leader.raft.role).toBe('leader');
    // Index 2 of term 1 was sent to others: no second entry may bear these numbers.
    expect(leader.raft.entry(2)?.term).toBe(2);
  });

  test.each(['candidate', 'leader'] as const)('of a %s keeps its own vote', (role) => {
    const replica = inRole[role]();
    replica.take();
    replica.crash();
    replica.restart();
    const log = { lastIndex: 9, lastTerm: 1 };
    const ask = { from: 2, to: 1, term: 1, ...log, campaign: 5, transfer: false };
    expect(replica.receive({ type: 'Vote', ...ask })).toMatchObject([{ granted: false }]);
  });
});
