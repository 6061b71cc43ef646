// Learners (thesis 4.2.1): they get everything and decide nothing.

import { describe, expect, test } from 'vitest';
import { foundingMembership, type Membership } from '../../src/raft/membership.ts';
import { ack, followerOf, Network, readyLeader } from './network.ts';
import { ofType, Replica } from './replica.ts';

/** 1 and 2 vote, 3 learns. */
const membership: Membership = { ...foundingMembership([1, 2]), learners: [3], highestId: 3 };

describe('a learner', () => {
  test('gets entries and heartbeats, and knows what is committed', () => {
    const network = new Network({ spares: 1 });
    network.campaign(1);
    network.propose(1, 'a');
    network.change(1, ['add-learner', 4]);
    network.run(200);
    network.propose(1, 'b');
    expect(network.payloads(4)).toEqual(['a', 'b']);
    expect(network.at(4).raft.leader).toBe(1);
  });

  test('counts in no commit', () => {
    const leader = readyLeader({ membership });
    leader.propose('a');
    leader.flush();
    ack(leader, 3);
    expect(leader.raft.commit).toBe(1);
    ack(leader, 2);
    expect(leader.raft.commit).toBe(2);
  });

  test('counts in no round of reads', () => {
    const leader = readyLeader({ membership });
    leader.raft.readIndex(1, leader.nowMs);
    const round = ofType(leader.take(), 'Heartbeat').at(-1)?.round ?? 0;
    leader.step({ type: 'HeartbeatOk', from: 3, to: 1, term: 1, round });
    leader.flush();
    expect(leader.reads).toEqual([]);
    leader.step({ type: 'HeartbeatOk', from: 2, to: 1, term: 1, round });
    leader.flush();
    expect(leader.reads).toEqual([{ context: 1, index: 1 }]);
  });

  test('of a single voter keeps no read waiting', () => {
    const alone = { ...foundingMembership([1]), learners: [2], highestId: 2 };
    const leader = readyLeader({ membership: alone });
    leader.raft.readIndex(1, leader.nowMs);
    leader.flush();
    expect(leader.reads).toEqual([{ context: 1, index: 1 }]);
  });

  test('keeps no leader in office that the voters do not answer', () => {
    const leader = readyLeader({ membership });
    for (let ms = 100; ms <= 1000; ms += 100) {
      leader.tickAt(leader.nowMs + 100);
      for (const { round, to } of ofType(leader.take(), 'Heartbeat')) {
        if (to === 3) leader.step({ type: 'HeartbeatOk', from: 3, to: 1, term: 1, round });
      }
    }
    expect(leader.raft.role).toBe('follower');
  });

  test('is asked for no vote, and its vote counts for nothing', () => {
    const replica = new Replica({ membership });
    replica.tickAt(1001);
    const asked = ofType(replica.take(), 'PreVote');
    expect(asked.map(({ to }) => to)).toEqual([2]);
    const { campaign = 0 } = asked[0] ?? {};
    const grant = { type: 'PreVoteReply', from: 3, to: 1, term: 1, campaign } as const;
    replica.step({ ...grant, granted: true });
    expect(replica.raft.role).toBe('pre-candidate');
  });

  test('never campaigns: not after its timeout, not when told to, not after the leader’s death', () => {
    const learner = followerOf(1, { id: 3, membership });
    learner.tickAt(10_000);
    expect(learner.raft.role).toBe('follower');
    learner.receive({ type: 'TimeoutNow', from: 1, to: 3, term: 1 });
    learner.raft.peerDown(1, 10_000);
    learner.tickAt(20_000);
    expect([learner.raft.role, learner.raft.term]).toEqual(['follower', 1]);
  });

  test('votes when asked: it may be a voter and not know it yet', () => {
    const learner = new Replica({ id: 3, membership });
    const asked = { from: 2, to: 3, term: 1, lastIndex: 0, lastTerm: 0, campaign: 1 };
    expect(learner.receive({ type: 'PreVote', ...asked })).toMatchObject([{ granted: true }]);
    const vote = { type: 'Vote', ...asked, transfer: false } as const;
    expect(learner.receive(vote)).toMatchObject([{ granted: true }]);
  });

  test('is given no leadership', () => {
    const leader = readyLeader({ membership });
    const refused = { ok: false, reason: 'not-a-voter' };
    expect(leader.raft.transferLeadership(3, leader.nowMs)).toEqual(refused);
  });

  test('that is promoted may campaign, and counts, at once', () => {
    const network = new Network({ size: 2, spares: 1 });
    network.campaign(1);
    network.change(1, ['add-learner', 3]);
    network.run(300);
    network.change(1, ['promote', 3]);
    network.isolate(2);
    network.propose(1, 'a');
    expect(network.payloads(1)).toEqual(['a']);
    network.heal();
    network.run(300);
    network.at(1).crash();
    network.campaign(3);
    expect(network.at(3).raft.role).toBe('leader');
  });

  test('that was demoted keeps its vote until the joint membership is left', () => {
    const leader = readyLeader();
    const changes = [{ type: 'demote', id: 3 } as const];
    leader.proposeConfig({ type: 'change', changes, transition: 'implicit' });
    leader.flush();
    ack(leader, 3);
    expect(leader.raft.commit).toBe(1);
    ack(leader, 2);
    expect(leader.raft.commit).toBe(2);
    leader.flush();
    ack(leader, 3);
    expect([leader.raft.commit, leader.raft.membership.learners]).toEqual([2, [3]]);
    ack(leader, 2);
    expect(leader.raft.commit).toBe(3);
  });
});
