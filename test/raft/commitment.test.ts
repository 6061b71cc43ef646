// What is appended, acknowledged, committed and told, message by message
// (the tables that etcd's raft is held to).

import { describe, expect, test } from 'vitest';
import { appendOf, emptyAppendAt, heartbeat } from './in-role.ts';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import type { MessageOf } from './replica.ts';
import { type Message, ofType, Replica } from './replica.ts';

describe('a leader commits', () => {
  // Its log: `terms`, then the first entry of its own term, then `more` proposals.
  test.each<[number[], number, number[], number]>([
    [[], 0, [], 1],
    [[1, 1], 0, [], 3],
    [[1, 1], 0, [2], 0],
    [[1, 1], 0, [3], 3],
    [[1, 1], 0, [2, 2], 0],
    [[1, 1], 0, [3, 0], 3],
    [[1, 1], 2, [5, 4], 5],
    [[1, 1], 2, [4, 2], 4],
    [[1, 2], 0, [3, 0, 0], 0],
    [[1, 2], 0, [3, 3, 0], 3],
    [[1, 2], 2, [5, 4, 3], 4],
    [[1, 2], 0, [2, 2, 2, 2], 0],
    [[1, 2], 0, [3, 2, 2, 2], 0],
    [[1, 2], 0, [3, 3, 2, 2], 3],
    [[1, 2], 3, [6, 5, 4, 3], 5],
  ])(
    'with terms %j, %i proposals and followers that hold %j: up to %i',
    (terms, more, held, commit) => {
      const voters = Array.from({ length: held.length + 1 }, (_, at) => at + 1);
      const leader = leaderOf({ voters, terms });
      for (let i = 0; i < more; i += 1) leader.propose(`${i}`);
      leader.take();
      held.forEach((match, at) => {
        ack(leader, at + 2, match);
      });
      leader.take();
      expect(leader.raft.commit).toBe(commit);
    },
  );

  test('nothing by acknowledgements of the term in which it led before', () => {
    const leader = readyLeader({ voters: [1, 2, 3] });
    leader.receive({ type: 'HeartbeatOk', from: 2, to: 1, term: 2, round: 0 });
    leader.tickAt(leader.nowMs + 1001);
    for (const type of ['PreVote', 'Vote'] as const) {
      for (const { from: to, to: from, term, campaign } of ofType(leader.take(), type)) {
        const reply = { from, to, term, campaign, granted: true };
        leader.step({ type: type === 'Vote' ? 'VoteReply' : 'PreVoteReply', ...reply });
      }
    }
    leader.propose('a');
    leader.take();
    expect([leader.raft.role, leader.raft.term, leader.raft.commit]).toEqual(['leader', 3, 1]);
    for (const from of [2, 3]) {
      leader.receive({ type: 'AppendOk', from, to: 1, term: 1, match: 3 });
      leader.receive({ type: 'AppendOk', from, to: 1, term: 2, match: 3 });
    }
    expect(leader.raft.commit).toBe(1);
  });

  test.each<[number, number[], boolean]>([
    [3, [], true],
    [3, [3], true],
    [3, [2, 3], false],
    [4, [4], true],
    [4, [3, 4], false],
    [5, [4, 5], true],
    [5, [3, 4, 5], false],
  ])('in a group of %i where %j went away after the election: %s', (size, away, expected) => {
    const network = new Network({ size });
    network.campaign(1);
    for (const id of away) network.isolate(id);
    network.propose(1, 'a');
    network.run(200);
    expect(network.payloads(1)).toEqual(expected ? ['a'] : []);
  });

  test('and what it proposed is folded by all, in order, over changes of the leader', () => {
    const network = new Network({ size: 5 });
    for (const id of [1, 4, 2]) {
      network.campaign(id);
      network.propose(id, `${id}a`, `${id}b`);
    }
    network.run(200);
    for (const { id } of network.replicas) {
      expect(network.payloads(id)).toEqual(['1a', '1b', '4a', '4b', '2a', '2b']);
    }
  });
});

describe('a follower that gets an append', () => {
  test.each<[Message, boolean, number, number]>([
    // Where the place before does not fit: refused.
    [emptyAppendAt(2, 3, 3, 3), false, 2, 0],
    [emptyAppendAt(3, 3, 3, 3), false, 2, 0],
    // Where it fits: conflicts go, what is new is appended.
    [emptyAppendAt(1, 1, 1, 3), true, 2, 1],
    [appendOf([2], 0, 1, 3), true, 1, 1],
    [appendOf([1, 2, 2, 2], 2, 3, 3), true, 4, 3],
    [appendOf([1, 2, 2], 2, 4, 3), true, 3, 3],
    [appendOf([1, 2], 1, 4, 3), true, 2, 2],
    // The commit index is at most the last entry that this append has shown.
    [emptyAppendAt(1, 1, 3, 3), true, 2, 1],
    [appendOf([1, 2], 1, 3, 3), true, 2, 2],
    [emptyAppendAt(2, 2, 4, 3), true, 2, 2],
  ])(
    'row %#: takes it or not, ends at its last index and commit index',
    (message, ok, last, commit) => {
      const follower = followerOf(3, { terms: [1, 2] });
      const type = ok ? 'AppendOk' : 'AppendReject';
      expect(follower.receive(message)).toMatchObject([{ type }]);
      expect([follower.raft.lastIndex, follower.raft.commit]).toEqual([last, commit]);
    },
  );

  test('of a log it does not share commits none of its own entries there, whatever is told', () => {
    const follower = followerOf(9, { terms: [1, 2, 2, 2] });
    follower.receive(emptyAppendAt(4, 3, 4));
    follower.receive(emptyAppendAt(3, 3, 4));
    expect([follower.raft.commit, follower.applied]).toEqual([0, []]);
  });
});

describe('a heartbeat', () => {
  test.each([
    [1, 2],
    [2, 2],
    [3, 3],
  ])('that tells of commit %i leaves a follower at 2 at %i: never lower', (told, commit) => {
    const follower = followerOf(1, { terms: [1, 1, 1], commit: 2 });
    follower.receive(heartbeat(1, 1, 2, told));
    expect(follower.raft.commit).toBe(commit);
  });

  test('tells each follower of no commit above what it is known to hold, and nothing else', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    for (let i = 0; i < 3; i += 1) leader.propose(`${i}`);
    leader.take();
    ack(leader, 2, 4);
    ack(leader, 3, 4);
    ack(leader, 4, 2);
    leader.take();
    expect(leader.raft.commit).toBe(4);
    leader.tickAt(leader.nowMs + 100);
    const told = ofType(leader.take(), 'Heartbeat').map(({ to, commit }) => [to, commit]);
    expect(told).toEqual([
      [2, 4],
      [3, 4],
      [4, 2],
      [5, 1],
    ]);
  });

  test('after a pause of ten seconds is one, not a hundred', () => {
    const leader = readyLeader({ config: { checkQuorum: false } });
    leader.tickAt(leader.nowMs + 10_000);
    leader.tickAt(leader.nowMs + 1);
    expect(ofType(leader.take(), 'Heartbeat').map(({ to }) => to)).toEqual([2, 3]);
  });
});

describe('an answer to an append', () => {
  function answered(answer: (leader: Replica) => void): {
    commit: number;
    appends: MessageOf<'Append'>[];
    told: MessageOf<'Commit'>[];
  } {
    const leader = leaderOf({ terms: [1, 1], term: 1 });
    leader.take();
    answer(leader);
    const sent = leader.take();
    const appends = ofType(sent, 'Append');
    return { commit: leader.raft.commit, appends, told: ofType(sent, 'Commit') };
  }
  const reject = (prevIndex: number, hintIndex: number) => (leader: Replica) => {
    const hint = { prevIndex, hintIndex, hintTerm: hintIndex === 0 ? 0 : 1 };
    leader.step({ type: 'AppendReject', from: 2, to: 1, term: leader.raft.term, ...hint });
  };

  test('that accepts what a majority then holds commits it, and tells all', () => {
    const { commit, appends, told } = answered((leader) => ack(leader, 2));
    expect(commit).toBe(3);
    // 3 is still being probed.
    expect(appends).toEqual([]);
    expect(told).toMatchObject([{ to: 2, prevIndex: 3, commit: 3 }]);
  });

  test('that accepts less commits nothing, and the rest follows from there', () => {
    const { commit, appends } = answered((leader) => ack(leader, 2, 2));
    expect(commit).toBe(0);
    expect(appends).toMatchObject([{ to: 2, prevIndex: 2, entries: [{ index: 3 }] }]);
  });

  test('that refuses the newest probe makes another, from the hint, to that follower only', () => {
    const { appends } = answered(reject(2, 1));
    expect(appends).toMatchObject([{ to: 2, prevIndex: 1 }]);
  });

  test('that refuses another than the newest probe is ignored', () => {
    expect(answered(reject(1, 0)).appends).toEqual([]);
  });

  test('that refuses with a hint above what was probed goes down all the same', () => {
    expect(answered(reject(2, 2)).appends).toMatchObject([{ to: 2, prevIndex: 1 }]);
  });
});

describe('where a follower refuses', () => {
  // What it hints at, where the leader probes next, and how many refusals it takes in all.
  test.each<[number[], number[], [number, number], number, number]>([
    [[1, 2, 2, 4, 4, 4, 4], [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], [7, 3], 3, 1],
    [[1, 2, 2, 3, 4, 4, 4, 5], [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], [8, 3], 4, 1],
    [[1, 1, 1, 1, 5, 5, 5], [1, 1, 1, 1, 4], [5, 4], 4, 1],
    [[1, 1, 1, 1, 1, 1], [1, 1, 1], [3, 1], 3, 1],
    [[1, 1, 1, 1, 1, 1], [], [0, 0], 0, 1],
    [[1, 1, 3, 3], [2, 2, 2], [3, 2], 2, 2],
    [[1, 1, 1, 1], [1, 1, 2, 2, 2, 2], [2, 1], 2, 1],
    [[1, 3, 3, 3, 5, 5, 5, 5], [1, 2, 2, 2, 4, 4, 4, 4], [8, 4], 4, 2],
  ])(
    'leader %j, follower %j: the hint is %j, the next probe after %i, refusals: %i',
    (ours, theirs, hint, next, refusals) => {
      const term = Math.max(...ours, ...theirs);
      const leader = leaderOf({ terms: ours, term });
      const follower = new Replica({ id: 2, terms: theirs, term });
      const probes: number[] = [];
      const hints: [number, number][] = [];
      for (;;) {
        const [probe] = ofType(leader.take(), 'Append').filter(({ to }) => to === 2);
        if (probe === undefined) break;
        probes.push(probe.prevIndex);
        for (const answer of follower.receive(probe)) {
          if (answer.type === 'AppendReject') hints.push([answer.hintIndex, answer.hintTerm]);
          leader.step(answer);
        }
      }
      expect([hints[0], probes[1], hints.length]).toEqual([hint, next, refusals]);
      expect(follower.terms).toEqual(leader.terms);
    },
  );
});
