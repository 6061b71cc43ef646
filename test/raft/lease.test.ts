// Reads by a lease (thesis 6.4.1): 0.9 * electionTimeoutMs (500 here) from when a round began that a
// majority answered; no replica helps another to power meanwhile.
import { describe, expect, test } from 'vitest';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import { ofType, Replica } from './replica.ts';

const config = { lease: true };

/** The leader broadcasts at `sentMs`; replica 2 answers at `answeredMs`. */
function answeredRound(leader: Replica, sentMs: number, answeredMs: number): void {
  leader.nowMs = sentMs;
  ack(leader, 2);
  leader.tickAt(sentMs);
  const { term, round } = ofType(leader.take(), 'Heartbeat')[0] ?? { term: 0, round: 0 };
  leader.nowMs = answeredMs;
  leader.raft.tick(answeredMs);
  leader.step({ type: 'HeartbeatOk', from: 2, to: 1, term, round });
  leader.take();
}

function readAt(leader: Replica, context: number, nowMs: number): readonly unknown[] {
  leader.reads = [];
  leader.raft.readIndex(context, nowMs);
  leader.drain();
  return leader.reads;
}

describe('a leader with a lease', () => {
  test('answers a read alone', () => {
    const leader = readyLeader({ config });
    const sentMs = leader.nowMs + 100;
    answeredRound(leader, sentMs, sentMs + 10);
    expect(readAt(leader, 1, sentMs + 449)).toEqual([{ context: 1, index: leader.raft.commit }]);
  });

  test('counts it from when the round began, not from the answer', () => {
    const leader = readyLeader({ config });
    const sentMs = leader.nowMs + 100;
    answeredRound(leader, sentMs, sentMs + 400);
    expect(readAt(leader, 1, sentMs + 449)).toHaveLength(1);
    expect(readAt(leader, 2, sentMs + 450)).toEqual([]);
  });

  test('has none once it told a transferee to campaign, and none again in that term', () => {
    const leader = readyLeader({ config });
    const sentMs = leader.nowMs + 100;
    answeredRound(leader, sentMs, sentMs + 10);
    leader.raft.transferLeadership(2, sentMs + 20);
    expect(readAt(leader, 1, sentMs + 30)).toEqual([]);
    leader.raft.transferLeadership(1, sentMs + 40);
    expect(readAt(leader, 2, sentMs + 50)).toEqual([]);
  });

  test('answers nothing before an entry of its own term is applied', () => {
    const leader = leaderOf({ config });
    leader.applies = false;
    const sentMs = leader.nowMs + 100;
    answeredRound(leader, sentMs, sentMs + 10);
    expect(readAt(leader, 1, sentMs + 20)).toEqual([]);
    leader.apply();
    expect(readAt(leader, 2, sentMs + 30)).toEqual([{ context: 2, index: 1 }]);
  });

  test('asks a round where it has none: without a lease configured, always', () => {
    const leader = readyLeader();
    const sentMs = leader.nowMs + 100;
    answeredRound(leader, sentMs, sentMs + 10);
    expect(readAt(leader, 1, sentMs + 20)).toEqual([]);
    expect(ofType(leader.take(), 'Heartbeat')).toHaveLength(2);
  });
});

describe('a replica on whose word a lease may rest', () => {
  const asked = { lastIndex: 9, lastTerm: 9, campaign: 5 };

  test('grants neither a PreVote nor a vote, whatever it knows of the leader’s death', () => {
    const follower = followerOf(4, { config });
    follower.raft.peerDown(1, follower.nowMs);
    follower.nowMs += 499;
    const ask = { from: 3, to: 2, term: 10, ...asked };
    expect(follower.receive({ type: 'PreVote', ...ask })).toMatchObject([{ granted: false }]);
    expect(follower.receive({ type: 'Vote', transfer: false, ...ask })).toEqual([]);
    follower.nowMs += 1;
    expect(follower.receive({ type: 'PreVote', ...ask })).toMatchObject([{ granted: true }]);
  });

  test('does not campaign at the leader’s death before an election timeout is over', () => {
    const follower = followerOf(4, { config });
    const heardMs = follower.nowMs;
    follower.raft.peerDown(1, heardMs);
    follower.tickAt(heardMs + 499);
    expect(follower.take()).toEqual([]);
    follower.tickAt(heardMs + 500);
    expect(ofType(follower.take(), 'PreVote')).toHaveLength(2);
  });

  test('neither votes nor campaigns for an election timeout after a start', () => {
    const replica = new Replica({ id: 2, config, preferred: true });
    replica.tickAt(499);
    expect(replica.take()).toEqual([]);
    const vote = { type: 'Vote', from: 3, to: 2, term: 10, transfer: false, ...asked } as const;
    expect(replica.receive(vote)).toEqual([]);
    replica.nowMs = 500;
    expect(replica.receive(vote)).toMatchObject([{ granted: true }]);
  });

  test('votes at once for the one that the leader chose', () => {
    const network = new Network({ config });
    network.campaign(1);
    network.at(1).raft.transferLeadership(3, network.nowMs);
    network.settle();
    expect(network.at(3).raft.role).toBe('leader');
  });
});
