// The rules of the Raft paper on terms, roles and votes (sections 5.1, 5.2, 5.4.1), with PreVote in front.

import { describe, expect, test } from 'vitest';
import type { Role } from '../../src/raft/types.ts';
import {
  candidate,
  granted,
  heartbeat,
  inRole,
  preCandidate,
  preVoteRequest,
  roles,
  voteRequest,
} from './in-role.ts';
import { followerOf, leaderOf, Network } from './network.ts';
import { ofType, Replica, seeded } from './replica.ts';

describe('terms (5.1)', () => {
  test.each(roles)('a %s that sees a higher term adopts it and becomes follower', (role) => {
    const replica = inRole[role]({ terms: [1] });
    replica.receive(heartbeat(9));
    expect([replica.raft.term, replica.raft.role, replica.raft.leader]).toEqual([9, 'follower', 2]);
    expect(replica.hardState.term).toBe(9);
  });

  test('a higher term in an answer is adopted as well, without a leader', () => {
    const leader = leaderOf();
    leader.receive({ type: 'HeartbeatOk', from: 2, to: 1, term: 8, round: 0 });
    expect([leader.raft.term, leader.raft.role, leader.raft.leader]).toEqual([8, 'follower', 0]);
  });

  test('neither a PreVote nor a granted PreVoteReply of a higher term changes the term', () => {
    const replica = preCandidate({ terms: [1] });
    replica.receive(preVoteRequest(9, 5, 5));
    const reply = { from: 2, to: 1, term: 9, campaign: 1, granted: true };
    replica.receive({ type: 'PreVoteReply', ...reply });
    expect([replica.raft.term, replica.raft.role]).toEqual([1, 'pre-candidate']);
  });

  test('a refused PreVoteReply of a higher term is adopted', () => {
    const replica = preCandidate({ terms: [1] });
    const reply = { from: 2, to: 1, term: 9, campaign: 1, granted: false };
    replica.receive({ type: 'PreVoteReply', ...reply });
    expect([replica.raft.term, replica.raft.role]).toEqual([9, 'follower']);
  });

  test('a message of a stale term is rejected: it changes nothing, and its sender learns the newer one', () => {
    const replica = followerOf(5, { id: 1 });
    const before = replica.raft.term;
    for (const message of [heartbeat(4, 3), voteRequest(4, 9, 4, 3), preVoteRequest(4, 9, 4, 3)]) {
      const [reply] = replica.receive(message);
      expect(reply).toMatchObject({ to: 3, term: 5 });
    }
    const stale = { from: 3, to: 1, term: 4, prevIndex: 0, prevTerm: 0, commit: 0 };
    expect(replica.receive({ type: 'Append', ...stale, entries: [] })).toMatchObject([{ term: 5 }]);
    expect(replica.receive({ type: 'AppendOk', from: 3, to: 1, term: 4, match: 7 })).toEqual([]);
    expect([replica.raft.term, replica.raft.lastIndex]).toEqual([before, 0]);
  });

  test('a second leader in one term is an assertion, not a choice', () => {
    const leader = leaderOf();
    expect(() => leader.step(heartbeat(leader.raft.term))).toThrow('one leader a term');
  });
});

describe('elections (5.2)', () => {
  test('a replica starts as follower, and stays one while it hears a leader', () => {
    const replica = new Replica();
    expect(replica.raft.role).toBe('follower');
    for (let nowMs = 100; nowMs < 5000; nowMs += 100) {
      replica.tickAt(nowMs);
      replica.receive(heartbeat(1));
      expect(replica.raft.role).toBe('follower');
    }
  });

  test('a leader sends a heartbeat to every follower each period', () => {
    const leader = leaderOf({ voters: [1, 2, 3, 4] });
    leader.take();
    for (let period = 1; period <= 3; period += 1) {
      leader.tickAt(leader.nowMs + 100);
      const to = ofType(leader.take(), 'Heartbeat').map((message) => message.to);
      expect(to).toEqual([2, 3, 4]);
      leader.tickAt(leader.nowMs + 99);
      expect(ofType(leader.take(), 'Heartbeat')).toEqual([]);
    }
  });

  test('a follower whose timeout ends starts an election: pre-votes of all others, the term is kept', () => {
    const replica = preCandidate({ terms: [1, 2], term: 3 });
    const asked = replica.take();
    expect(asked).toMatchObject([
      { type: 'PreVote', to: 2, term: 4, lastIndex: 2, lastTerm: 2 },
      { type: 'PreVote', to: 3, term: 4, lastIndex: 2, lastTerm: 2 },
    ]);
    expect([replica.raft.term, replica.steps.length]).toEqual([3, 0]);
  });

  test('a vote request goes to all others, with the next term, after an own vote, and tells the last entry', () => {
    const replica = candidate({ terms: [1, 2], term: 3 });
    const asked = ofType(replica.take(), 'Vote');
    expect(asked).toMatchObject([
      { to: 2, term: 4, lastIndex: 2, lastTerm: 2 },
      { to: 3, term: 4, lastIndex: 2, lastTerm: 2 },
    ]);
    expect(replica.hardState).toMatchObject({ term: 4, votedFor: 1 });
  });

  test('a candidate whose timeout ends without a result starts a new election', () => {
    const replica = candidate();
    replica.take();
    expect([replica.raft.role, replica.raft.term]).toEqual(['candidate', 1]);
    replica.tickAt(replica.nowMs + 1001);
    const asked = ofType(replica.take(), 'PreVote');
    expect([replica.raft.role, replica.raft.term]).toEqual(['pre-candidate', 1]);
    expect(asked.map(({ term }) => term)).toEqual([2, 2]);
  });

  test.each<[number, number, number, Role]>([
    [1, 0, 0, 'leader'],
    [3, 1, 0, 'leader'],
    [3, 0, 0, 'candidate'],
    [3, 0, 1, 'candidate'],
    [3, 0, 2, 'follower'],
    [5, 2, 0, 'leader'],
    [5, 2, 2, 'leader'],
    [5, 1, 2, 'candidate'],
    [5, 1, 3, 'follower'],
    [5, 0, 0, 'candidate'],
  ])(
    'is decided in one round: of %i voters, %i others grant and %i refuse: %s',
    (size, grants, refusals, role) => {
      const voters = Array.from({ length: size }, (_, at) => at + 1);
      const replica = candidate({ voters });
      ofType(replica.take(), 'Vote')
        .slice(0, grants + refusals)
        .forEach(({ from: to, to: from, term, campaign }, at) => {
          replica.step({ type: 'VoteReply', from, to, term, campaign, granted: at < grants });
        });
      expect(replica.raft.role).toBe(role);
    },
  );

  test('a doubled grant counts once', () => {
    const replica = candidate({ voters: [1, 2, 3, 4, 5] });
    const [ask] = ofType(replica.take(), 'Vote');
    const { term, campaign } = ask ?? { term: 0, campaign: 0 };
    for (let i = 0; i < 5; i += 1) {
      replica.receive({ type: 'VoteReply', from: 2, to: 1, term, campaign, granted: true });
    }
    expect(replica.raft.role).toBe('candidate');
  });

  test('a candidate falls back to follower for the leader of its own term', () => {
    const replica = candidate();
    replica.take();
    replica.receive(heartbeat(1, 3));
    expect([replica.raft.role, replica.raft.leader, replica.raft.term]).toEqual(['follower', 3, 1]);
  });

  test.each(['follower', 'pre-candidate', 'candidate'] as const)(
    'the timeout of a %s is random over the whole of 500 to 1000 ms',
    (role) => {
      const seen = new Set<number>();
      const random = seeded(3);
      for (let i = 0; i < 400; i += 1) {
        const replica = inRole[role]({ random });
        replica.take();
        const fromMs = replica.nowMs;
        while (ofType(replica.take(), 'PreVote').length === 0) replica.tickAt(replica.nowMs + 10);
        const waitedMs = replica.nowMs - fromMs;
        expect(waitedMs).toBeGreaterThanOrEqual(500);
        expect(waitedMs).toBeLessThanOrEqual(1000);
        seen.add(Math.floor(waitedMs / 50));
      }
      expect(seen.size).toBeGreaterThanOrEqual(10);
    },
  );

  test.each(['follower', 'candidate'] as const)(
    'timeouts of three in role %s seldom end together: within 10 ms in under a third of 300',
    (role) => {
      let collisions = 0;
      const random = seeded(4);
      for (let round = 0; round < 300; round += 1) {
        const three = [1, 2, 3].map((id) => inRole[role]({ id, random }));
        for (const replica of three) replica.take();
        let ended = 0;
        while (ended === 0) {
          for (const replica of three) {
            replica.tickAt(replica.nowMs + 10);
            if (ofType(replica.take(), 'PreVote').length > 0) ended += 1;
          }
        }
        if (ended > 1) collisions += 1;
      }
      expect(collisions).toBeLessThan(100);
    },
  );
});

describe('votes (5.2, 5.4.1)', () => {
  test('a follower gives at most one a term, first come first served; the same candidate may ask again', () => {
    const replica = new Replica({ term: 1 });
    expect(granted(replica.receive(voteRequest(2, 0, 0, 2)))).toEqual([true]);
    expect(granted(replica.receive(voteRequest(2, 0, 0, 3)))).toEqual([false]);
    expect(granted(replica.receive(voteRequest(2, 0, 0, 2)))).toEqual([true]);
    expect(granted(replica.receive(voteRequest(3, 0, 0, 3)))).toEqual([true]);
  });

  test.each<[number[], number, number, boolean]>([
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[1, 1], 1, 2, true],
    [[2], 5, 1, false],
    [[1, 2], 9, 1, false],
  ])(
    'a voter denies a log less up to date than its own, of terms %j: candidate at (%i, %i): %s',
    (terms, lastIndex, lastTerm, expected) => {
      const voted = new Replica({ terms }).receive(voteRequest(9, lastIndex, lastTerm));
      const preVoted = new Replica({ terms }).receive(preVoteRequest(9, lastIndex, lastTerm));
      expect([...granted(voted), ...granted(preVoted)]).toEqual([expected, expected]);
    },
  );

  test('a reply repeats the campaign that asked; one to another campaign counts for nothing', () => {
    const replica = candidate();
    const [ask] = ofType(replica.take(), 'Vote');
    const { term, campaign } = ask ?? { term: 0, campaign: 0 };
    const reply = { from: 2, to: 1, term, granted: true };
    replica.receive({ type: 'VoteReply', ...reply, campaign: campaign - 1 });
    expect(replica.raft.role).toBe('candidate');
    replica.receive({ type: 'VoteReply', ...reply, campaign });
    expect(replica.raft.role).toBe('leader');
    expect(new Replica().receive(voteRequest(1, 0, 0))).toMatchObject([{ campaign: 77 }]);
  });

  test('campaigns of two incarnations of one replica never share a number', () => {
    const replica = preCandidate();
    const before = ofType(replica.take(), 'PreVote');
    replica.crash();
    replica.restart();
    replica.tickAt(replica.nowMs + 1001);
    const after = ofType(replica.take(), 'PreVote');
    expect(after[0]?.campaign).not.toBe(before[0]?.campaign);
  });
});

describe('pre-votes (thesis 9.6)', () => {
  test('are refused by who has heard the leader within an election timeout, then granted', () => {
    const replica = followerOf(1, { id: 1 });
    replica.nowMs = 499;
    expect(granted(replica.receive(preVoteRequest(2, 0, 0, 3)))).toEqual([false]);
    replica.nowMs = 500;
    expect(granted(replica.receive(preVoteRequest(2, 0, 0, 3)))).toEqual([true]);
  });

  test('are never granted by a leader, nor for a term that is not above the own', () => {
    const leader = leaderOf();
    expect(granted(leader.receive(preVoteRequest(9, 9, 9)))).toEqual([false]);
    expect(granted(new Replica({ term: 4 }).receive(preVoteRequest(4, 9, 9)))).toEqual([false]);
  });

  test('promise nothing: any number are granted, and nothing is written', () => {
    const replica = new Replica();
    expect(granted(replica.receive(preVoteRequest(1, 0, 0, 2)))).toEqual([true]);
    expect(granted(replica.receive(preVoteRequest(1, 0, 0, 3)))).toEqual([true]);
    expect(replica.hardState).toEqual({ term: 0, votedFor: 0, commit: 0 });
  });

  test('keep one that was cut off from disturbing: neither its term nor that of others rises', () => {
    const network = new Network();
    network.campaign(1);
    network.isolate(3);
    network.run(5000);
    expect(network.at(3).raft.term).toBe(1);
    network.heal();
    network.run(500);
    expect(network.replicas.map(({ raft }) => [raft.term, raft.leader])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });
});

describe('a group', () => {
  test.each([1, 2, 3, 5])('of %i elects one leader', (size) => {
    const network = new Network({ size, seed: size });
    network.runUntil(() => network.leader?.raft.ready === true, 5000);
    network.run(500);
    expect(network.replicas.filter(({ raft }) => raft.role === 'leader')).toHaveLength(1);
  });

  test('can be led by each of its members in turn', () => {
    const network = new Network();
    for (const id of [1, 2, 3, 1]) {
      network.campaign(id);
      expect(network.leader?.id).toBe(id);
    }
  });

  test('is not led by one that lacks committed entries (5.4.1)', () => {
    const network = new Network({ logs: [[1], [1, 1], [1, 1]] });
    network.campaign(1);
    expect(network.leader).toBeUndefined();
    network.campaign(2);
    expect(network.leader?.id).toBe(2);
  });

  test('elects the preferred leader at a start, well before an election timeout', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const network = new Network({ seed, preferred: 3 });
      network.run(150);
      expect(network.leader?.id).toBe(3);
    }
  });

  test('with a stale log at a higher term still finds a leader', () => {
    const network = new Network({ logs: [[1, 1], [1, 1], [1]] });
    const stale = network.at(3);
    stale.step({ type: 'HeartbeatOk', from: 1, to: 3, term: 20, round: 0 });
    network.runUntil(() => network.leader?.raft.ready === true, 6000);
    expect(network.leader?.raft.term).toBeGreaterThan(20);
  });
});
