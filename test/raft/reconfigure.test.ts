// Changes of the membership (thesis 4): when one may be proposed, whom it makes the leader count and
// follow, how a joint one is left, and what becomes of the leader that it removes.

import { describe, expect, test } from 'vitest';
import { foundingMembership, type Membership } from '../../src/raft/membership.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import { configPayload, type Message, ofType, Replica, testChain } from './replica.ts';

const jointMembership: Membership = {
  ...{ incoming: [1, 4, 5], outgoing: [1, 2, 3], learners: [], learnersNext: [] },
  ...{ highestId: 5, autoLeave: true },
};

/** Makes the newest entry of the leader durable at it and committed by `voters`. */
function commitBy(leader: Replica, ...voters: number[]): void {
  leader.flush();
  for (const voter of voters) ack(leader, voter);
}

/** The append of a leader 1 in term 1 with one entry, a membership, right after `follower`'s log. */
function appendMembership(follower: Replica, membership: Membership, term = 1): Message {
  const { lastIndex } = follower.raft;
  return appendAfter(follower, lastIndex, membership, term);
}

function appendAfter(
  follower: Replica,
  prevIndex: number,
  membership: Membership | null,
  term: number,
): Message {
  const kind = membership === null ? EntryKind.EMPTY : EntryKind.CONFIG;
  const content =
    membership === null ? { payload: '', payloadBytes: 0 } : configPayload(membership);
  const unlinked = { index: prevIndex + 1, term, kind, timeMs: 0, ...content };
  const previous = follower.raft.chainAt(prevIndex) ?? Uint8Array.of();
  const entry = { ...unlinked, chain: testChain(previous, unlinked) };
  const prevTerm = follower.diskEntries[prevIndex - 1]?.term ?? 0;
  const from = term;
  const sent = { prevIndex, prevTerm, entries: [entry], commit: 0 };
  return { type: 'Append', from, to: follower.id, term, ...sent };
}

describe('a change is proposed', () => {
  test('only to a leader', () => {
    expect(followerOf(1).change(['add-voter', 4])).toEqual({ ok: false, reason: 'not-leader' });
  });

  test('only after the leader has committed an entry of its own term (raft-dev, 2015)', () => {
    const leader = leaderOf({ terms: [1], commit: 1 });
    const refused = { ok: false, reason: 'own-term-uncommitted' };
    expect(leader.change(['add-voter', 4])).toEqual(refused);
    commitBy(leader, 2);
    expect(leader.change(['add-voter', 4])).toEqual({ ok: true, index: 3, term: 2 });
  });

  test('only when the one before is committed', () => {
    const leader = readyLeader();
    expect(leader.change(['add-learner', 4])).toMatchObject({ ok: true });
    expect(leader.change(['add-learner', 5])).toEqual({ ok: false, reason: 'config-uncommitted' });
    expect(leader.raft.lastIndex).toBe(2);
    commitBy(leader, 2);
    expect(leader.change(['add-learner', 5])).toMatchObject({ ok: true });
  });

  test('to a new leader only when the one it has found in its log is committed', () => {
    const follower = followerOf(1, { id: 3 });
    follower.receive(appendMembership(follower, foundingMembership([1, 2, 3, 4])));
    follower.tickAt(2000);
    for (const type of ['PreVote', 'Vote'] as const) {
      for (const { to: from, term, campaign } of ofType(follower.take(), type)) {
        const reply = { type: `${type}Reply`, from, to: 3, term, campaign, granted: true } as const;
        if (from !== 1) follower.step(reply);
      }
    }
    expect(follower.raft.role).toBe('leader');
    expect(follower.change(['remove', 1])).toMatchObject({ reason: 'own-term-uncommitted' });
    commitBy(follower, 2, 4);
    expect(follower.change(['remove', 1])).toMatchObject({ ok: true });
  });

  test('not while leadership is being given away', () => {
    const leader = readyLeader();
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.change(['add-voter', 4])).toEqual({ ok: false, reason: 'transferring' });
  });

  test('and what the membership does not allow is refused without an entry', () => {
    const leader = readyLeader();
    expect(leader.change(['add-voter', 3])).toEqual({ ok: false, reason: 'id-used' });
    expect(leader.proposeConfig({ type: 'leave-joint' })).toMatchObject({ reason: 'not-joint' });
    expect(leader.raft.lastIndex).toBe(1);
  });
});

describe('a membership decides from its append on', () => {
  test('at the leader: a new voter is sent the log, and counts, at once', () => {
    const leader = readyLeader();
    leader.change(['add-voter', 4]);
    expect(ofType(leader.take(), 'Append').map(({ to }) => to)).toEqual([2, 3, 4]);
    ack(leader, 2);
    expect(leader.raft.commit).toBe(1);
    ack(leader, 4);
    expect(leader.raft.commit).toBe(2);
  });

  test('at the leader: one that is removed counts no more, and what waited for it is committed', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4] });
    leader.propose('a');
    commitBy(leader, 2);
    expect(leader.raft.commit).toBe(1);
    leader.change(['remove', 4]);
    expect(leader.raft.commit).toBe(2);
    leader.take();
    leader.tickAt(leader.nowMs + 100);
    expect(ofType(leader.take(), 'Heartbeat').map(({ to }) => to)).toEqual([2, 3]);
  });

  test('at the leader: a read that waited only for the one that is removed is answered', () => {
    const leader = readyLeader({ voters: [1, 2] });
    leader.raft.readIndex(7, leader.nowMs);
    leader.take();
    expect(leader.reads).toEqual([]);
    leader.change(['remove', 2]);
    leader.take();
    expect(leader.reads).toEqual([{ context: 7, index: 1 }]);
  });

  test('at a follower, and the one before decides again when it is cut off', () => {
    const follower = followerOf(1);
    const four = foundingMembership([1, 2, 3, 4]);
    follower.receive(appendMembership(follower, four));
    expect(follower.raft.membership).toEqual(four);
    follower.receive(appendMembership(follower, foundingMembership([1, 2, 3, 4, 5])));
    follower.receive(appendAfter(follower, 1, null, 3));
    expect(follower.raft.membership).toEqual(four);
    follower.receive(appendAfter(follower, 0, null, 4));
    expect(follower.raft.membership).toEqual(foundingMembership([1, 2, 3]));
  });

  test('after a restart, from the log and from below the checkpoint', () => {
    const follower = followerOf(1);
    const four = foundingMembership([1, 2, 3, 4]);
    follower.receive(appendMembership(follower, four));
    follower.crash();
    follower.restart();
    expect(follower.raft.membership).toEqual(four);
    const { term } = follower.raft;
    const [from, to] = [1, 2];
    follower.receive({ type: 'Heartbeat', from, to, term, commit: 1, round: 1 });
    follower.checkpoint = 1;
    follower.crash();
    follower.restart();
    expect(follower.raft.membership).toEqual(four);
  });

  test('at a leader that lost its own uncommitted one: removed followers are followed again', () => {
    const network = new Network();
    network.campaign(1);
    network.isolate(1);
    network.change(1, ['remove', 3]);
    network.campaign(2);
    network.heal();
    network.run(1000);
    expect(network.at(1).raft.membership).toEqual(foundingMembership([1, 2, 3]));
    network.campaign(1);
    network.runUntil(() => network.leader?.raft.ready === true, 3000);
    network.propose(network.leader?.id ?? 0, 'a');
    expect([1, 2, 3].map((id) => network.payloads(id))).toEqual([['a'], ['a'], ['a']]);
  });
});

describe('while a membership is joint', () => {
  test('commits need a majority of the old voters and one of the new', () => {
    const leader = readyLeader();
    leader.change(['add-voter', 4], ['add-voter', 5], ['remove', 2], ['remove', 3]);
    commitBy(leader, 4, 5);
    expect(leader.raft.commit).toBe(1);
    ack(leader, 2);
    expect(leader.raft.commit).toBe(2);
  });

  test.each([
    [[4, 5], 'candidate'],
    [[2, 3], 'candidate'],
    [[2, 4], 'leader'],
  ])('the votes of %j leave one a %s', (granting, role) => {
    const replica = new Replica({ membership: jointMembership });
    replica.tickAt(1001);
    for (const ask of ofType(replica.take(), 'PreVote')) {
      const { to: from, term, campaign } = ask;
      replica.step({ type: 'PreVoteReply', from, to: 1, term, campaign, granted: true });
    }
    for (const { to: from, term, campaign } of ofType(replica.take(), 'Vote')) {
      if (!granting.includes(from)) continue;
      replica.step({ type: 'VoteReply', from, to: 1, term, campaign, granted: true });
    }
    expect(replica.raft.role).toBe(role);
  });

  test('reads need a majority of the old voters and one of the new', () => {
    const leader = readyLeader({ membership: { ...jointMembership, autoLeave: false } });
    leader.raft.readIndex(1, leader.nowMs);
    const round = ofType(leader.take(), 'Heartbeat').at(-1)?.round ?? 0;
    const answer = (from: number): void => {
      leader.step({ type: 'HeartbeatOk', from, to: 1, term: leader.raft.term, round });
      leader.flush();
    };
    [4, 5].forEach(answer);
    expect(leader.reads).toEqual([]);
    answer(3);
    expect(leader.reads).toHaveLength(1);
  });

  test('nothing else is changed', () => {
    const leader = readyLeader();
    leader.proposeConfig({
      ...{ type: 'change', transition: 'explicit' },
      changes: [{ type: 'add-voter', id: 4 }],
    });
    commitBy(leader, 2, 3);
    expect(leader.raft.commit).toBe(2);
    expect(leader.change(['add-learner', 5])).toEqual({ ok: false, reason: 'joint' });
  });

  test('the leader leaves it when, and not before, it is committed', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.change(['add-voter', 4], ['remove', 2]);
    commitBy(leader, 4);
    expect([leader.raft.commit, leader.raft.lastIndex]).toEqual([1, 3]);
    // The entry before it is committed, it itself is not.
    ack(leader, 3, 2);
    expect([leader.raft.commit, leader.raft.lastIndex]).toEqual([2, 3]);
    ack(leader, 3);
    expect([leader.raft.commit, leader.raft.lastIndex]).toEqual([3, 4]);
    expect(leader.raft.membership).toEqual(foundingMembership([1, 3, 4]));
  });

  test('a new leader that found it uncommitted leaves it after its own first commit', () => {
    const leader = leaderOf({ membership: jointMembership });
    expect(leader.raft.membership).toEqual(jointMembership);
    commitBy(leader, 4, 2);
    expect(leader.raft.membership).toEqual(foundingMembership([1, 4, 5]));
  });

  test('it is left by hand where that was asked for, also by another leader', () => {
    const leader = readyLeader({ membership: { ...jointMembership, autoLeave: false } });
    expect(leader.raft.membership.outgoing).toEqual([1, 2, 3]);
    expect(leader.proposeConfig({ type: 'leave-joint' })).toMatchObject({ ok: true });
    expect(leader.raft.membership).toEqual(foundingMembership([1, 4, 5]));
  });
});

describe('a leader that is removed', () => {
  test('does not count itself, follows the others until it is committed, and steps down then', () => {
    const leader = readyLeader();
    leader.change(['remove', 1]);
    leader.take();
    ack(leader, 2);
    expect([leader.raft.commit, leader.raft.role]).toEqual([1, 'leader']);
    ack(leader, 3);
    leader.flush();
    expect([leader.raft.commit, leader.raft.role]).toEqual([2, 'follower']);
    leader.tickAt(leader.nowMs + 5000);
    expect(ofType(leader.take(), 'PreVote')).toEqual([]);
  });

  test('takes nothing any more, and stays until all it took is committed and folded (decision 0011)', () => {
    const leader = readyLeader();
    leader.propose('before');
    leader.change(['remove', 1]);
    expect(leader.raft.transferring).toBe(true);
    expect(leader.propose('after')).toEqual({ ok: false, reason: 'transferring' });
    expect(leader.change(['add-voter', 4])).toEqual({ ok: false, reason: 'transferring' });
    leader.drain();
    ack(leader, 2);
    ack(leader, 3);
    leader.drain();
    // Its own disk is the last: whoever proposed has no answer yet.
    expect([leader.raft.commit, leader.raft.applied, leader.raft.role]).toEqual([3, 1, 'leader']);
    leader.applies = false;
    leader.flush();
    expect(leader.raft.role).toBe('leader');
    expect(ofType(leader.collect(), 'TimeoutNow')).toEqual([]);
    leader.apply();
    expect(leader.applied.slice(1).map(({ index }) => index)).toEqual([2, 3]);
    expect(leader.raft.role).toBe('follower');
    expect(ofType(leader.take(), 'TimeoutNow')).toHaveLength(1);
  });

  test('takes what is proposed while it is still an old voter of a joint membership', () => {
    const leader = readyLeader();
    leader.change(['add-voter', 4], ['remove', 1]);
    expect(leader.propose('a')).toMatchObject({ ok: true });
    leader.take();
    commitBy(leader, 2, 3, 4);
    expect(leader.raft.membership.outgoing).toEqual([]);
    expect(leader.propose('b')).toEqual({ ok: false, reason: 'transferring' });
  });

  test('counts itself in no round of reads', () => {
    const leader = readyLeader();
    leader.change(['remove', 1]);
    leader.raft.readIndex(1, leader.nowMs);
    const round = ofType(leader.take(), 'Heartbeat').at(-1)?.round ?? 0;
    leader.step({ type: 'HeartbeatOk', from: 2, to: 1, term: 1, round });
    leader.flush();
    expect(leader.reads).toEqual([]);
    leader.step({ type: 'HeartbeatOk', from: 3, to: 1, term: 1, round });
    leader.flush();
    expect(leader.reads).toHaveLength(1);
  });

  test.each([
    ['removed', 'remove'],
    ['made a learner', 'demote'],
  ] as const)('or %s, tells the voter with the longest log to take over at once', (_, type) => {
    const network = new Network();
    network.campaign(1);
    network.cut(1, 2);
    network.propose(1, 'a');
    network.at(1).change([type, 1]);
    network.settle();
    expect(network.at(1).raft.role).toBe('leader');
    network.heal();
    network.run(200);
    network.run(50);
    expect(network.leader?.id).not.toBe(1);
    expect(network.leader?.raft.ready).toBe(true);
  });

  test('campaigns while that is not known to be committed, where the others need its log to win', () => {
    const network = new Network();
    network.campaign(1);
    network.change(1, ['remove', 3]);
    network.isolate(1);
    network.at(1).change(['remove', 1]);
    network.settle();
    network.at(1).crash();
    network.restart(1);
    network.heal();
    network.run(5000);
    expect(network.leader?.id).toBe(2);
    expect(network.at(2).raft.membership.incoming).toEqual([2]);
    expect(network.at(1).raft.role).toBe('follower');
  });
});

describe('a replica that is no member', () => {
  test('is heard: a follower takes a leader that its own membership does not know', () => {
    const follower = followerOf(1);
    const [from, to] = [9, 2];
    follower.receive({ type: 'Heartbeat', from, to, term: 5, commit: 0, round: 1 });
    expect(follower.raft.leader).toBe(9);
  });

  test('gets a vote when its log is as good: this one may not know yet that it is a voter', () => {
    const replica = new Replica();
    const asked = { term: 1, lastIndex: 0, lastTerm: 0, campaign: 1, transfer: false };
    const answers = replica.receive({ type: 'Vote', from: 9, to: 1, ...asked });
    expect(answers).toMatchObject([{ type: 'VoteReply', to: 9, granted: true }]);
  });

  test('counts for nothing: no commit, no round, no vote', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.raft.readIndex(1, leader.nowMs);
    leader.take();
    const term = 1;
    leader.step({ type: 'AppendOk', from: 9, to: 1, term, match: 2 });
    leader.step({ type: 'HeartbeatOk', from: 9, to: 1, term, round: 1 });
    const rejected = { prevIndex: 1, hintIndex: 0, hintTerm: 0 };
    leader.step({ type: 'AppendReject', from: 9, to: 1, term, ...rejected });
    leader.flush();
    expect([leader.raft.commit, leader.reads]).toEqual([1, []]);
    const candidate = new Replica();
    candidate.tickAt(1001);
    const { campaign } = ofType(candidate.take(), 'PreVote')[0] ?? { campaign: 0 };
    const grant = { type: 'PreVoteReply', to: 1, term: 1, campaign, granted: true } as const;
    candidate.step({ ...grant, from: 9 });
    expect(candidate.raft.role).toBe('pre-candidate');
  });

  test('wins no PreVote while a leader is heard, and disturbs nobody (thesis 4.2.3)', () => {
    const network = new Network();
    network.campaign(1);
    network.change(1, ['remove', 3]);
    network.run(10_000);
    expect(network.leader?.id).toBe(1);
    expect(network.at(1).raft.term).toBe(1);
  });
});

describe('with a membership that is committed and not applied', () => {
  function unapplied(): Replica {
    const follower = followerOf(1);
    follower.applies = false;
    follower.receive(appendMembership(follower, foundingMembership([1, 2, 3, 4])));
    follower.receive({ type: 'Heartbeat', from: 1, to: 2, term: 1, commit: 1, round: 1 });
    return follower;
  }

  test('nobody campaigns', () => {
    const follower = unapplied();
    follower.tickAt(2000);
    expect(follower.raft.role).toBe('follower');
    follower.apply();
    follower.tickAt(2001);
    expect(follower.raft.role).toBe('pre-candidate');
  });

  test('one that is told to campaign does as soon as it is applied', () => {
    const follower = unapplied();
    follower.receive({ type: 'TimeoutNow', from: 1, to: 2, term: 1 });
    expect(follower.raft.role).toBe('follower');
    follower.apply();
    expect(follower.raft).toMatchObject({ role: 'candidate', term: 2 });
  });

  test('one that was told to campaign does not where its leader has led on since', () => {
    const follower = unapplied();
    follower.receive({ type: 'TimeoutNow', from: 1, to: 2, term: 1 });
    follower.receive({ type: 'Heartbeat', from: 1, to: 2, term: 1, commit: 1, round: 2 });
    follower.apply();
    expect(follower.raft).toMatchObject({ role: 'follower', term: 1 });
  });
});

test('a transfer ends when the one that was to lead is removed, or made a learner', () => {
  for (const type of ['remove', 'demote'] as const) {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.raft.transferee).toBe(2);
    leader.change([type, 2]);
    expect(leader.raft.transferee).toBe(0);
  }
});

test('a joint change of several replicas moves a group to new ones while it takes proposals', () => {
  const network = new Network({ size: 3, spares: 3 });
  network.campaign(1);
  network.propose(1, 'a');
  network.change(1, ['add-learner', 4], ['add-learner', 5], ['add-learner', 6]);
  network.run(500);
  network.change(
    1,
    ...[4, 5, 6].map((id) => ['promote', id] as const),
    ...[1, 2, 3].map((id) => ['remove', id] as const),
  );
  network.run(3000);
  network.propose(network.leader?.id ?? 0, 'b');
  expect([4, 5, 6]).toContain(network.leader?.id);
  expect(network.leader?.raft.membership).toMatchObject({ incoming: [4, 5, 6], outgoing: [] });
  expect([4, 5, 6].map((id) => network.payloads(id))).toEqual(Array(3).fill(['a', 'b']));
});
