// CheckQuorum (thesis 6.2, 4.2.3): a leader that cannot hear a majority gives up, and one that can is
// not voted out. electionTimeoutMs is 500 here.
import { describe, expect, test } from 'vitest';
import { followerOf, Network, readyLeader } from './network.ts';
import { ofType, type Replica } from './replica.ts';

function heartbeatOk(leader: Replica, from: number): void {
  const [heartbeat] = ofType(leader.take(), 'Heartbeat').filter(({ to }) => to === from);
  const { term, round } = heartbeat ?? { term: leader.raft.term, round: 0 };
  leader.step({ type: 'HeartbeatOk', from, to: leader.id, term, round });
}

function voteAt(term: number, to: number, transfer = false) {
  const asked = { lastIndex: 9, lastTerm: term - 1, campaign: 5, transfer };
  return { type: 'Vote', from: 3, to, term, ...asked } as const;
}

describe('a leader', () => {
  test('steps down once no majority has answered it for an election timeout', () => {
    const leader = readyLeader();
    const startMs = leader.nowMs;
    leader.tickAt(startMs + 499);
    expect(leader.raft.role).toBe('leader');
    leader.tickAt(startMs + 500);
    expect(leader.raft).toMatchObject({ role: 'follower', leader: 0 });
  });

  test('stays as long as a majority answers, however silent the others are', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    for (let ms = 0; ms < 3000; ms += 100) {
      leader.tickAt(leader.nowMs + 100);
      heartbeatOk(leader, 2);
      heartbeatOk(leader, 3);
    }
    expect(leader.raft.role).toBe('leader');
  });

  test('steps down where those who answer heartbeats never write what they were sent', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    const beatFor = (ms: number) => {
      for (const endMs = leader.nowMs + ms; leader.nowMs < endMs; ) {
        leader.tickAt(leader.nowMs + 100);
        heartbeatOk(leader, 2);
        heartbeatOk(leader, 3);
      }
    };
    // Ten election timeouts: a slow lane may take as long for an append.
    beatFor(4900);
    expect(leader.raft.role).toBe('leader');
    beatFor(700);
    expect(leader.raft.role).toBe('follower');
  });

  test('of a group of one never steps down', () => {
    const network = new Network({ size: 1 });
    network.campaign(1);
    network.run(5000);
    expect(network.at(1).raft.role).toBe('leader');
  });

  test('ends its reads with null as it steps down', () => {
    const leader = readyLeader();
    leader.raft.readIndex(7, leader.nowMs);
    leader.tickAt(leader.nowMs + 500);
    leader.take();
    expect(leader.reads).toEqual([{ context: 7, index: null }]);
  });

  test('without checkQuorum stays, whoever is silent', () => {
    const leader = readyLeader({ config: { checkQuorum: false } });
    leader.tickAt(leader.nowMs + 10_000);
    expect(leader.raft.role).toBe('leader');
  });
});

describe('a vote at a higher term', () => {
  test('is ignored, and the term not entered, while the leader is heard', () => {
    const follower = followerOf(4);
    follower.nowMs += 499;
    expect(follower.receive(voteAt(6, 2))).toEqual([]);
    expect(follower.raft).toMatchObject({ term: 4, leader: 1 });
  });

  test('is granted once the leader has been silent for an election timeout', () => {
    const follower = followerOf(4);
    follower.nowMs += 500;
    expect(follower.receive(voteAt(6, 2))).toMatchObject([{ type: 'VoteReply', granted: true }]);
  });

  test('is ignored by a leader', () => {
    const leader = readyLeader();
    expect(leader.receive(voteAt(9, 1))).toEqual([]);
    expect(leader.raft.role).toBe('leader');
  });

  test('is granted where the leader asked for it', () => {
    const follower = followerOf(4);
    const replies = follower.receive(voteAt(5, 2, true));
    expect(replies).toMatchObject([{ type: 'VoteReply', granted: true }]);
  });

  test('is granted without checkQuorum', () => {
    const follower = followerOf(4, { config: { checkQuorum: false } });
    expect(follower.receive(voteAt(6, 2))).toMatchObject([{ granted: true }]);
  });
});

describe('a group', () => {
  test('frees a candidate stuck at a higher term: its leader learns that term, and one leads again', () => {
    const network = new Network({ config: { preVote: false } });
    network.campaign(1);
    network.isolate(3);
    network.run(4000);
    expect(network.at(3).raft.term).toBeGreaterThan(network.at(1).raft.term);
    network.heal();
    network.run(3000);
    network.propose(network.leader?.id ?? 0, 'after');
    network.run(300);
    for (const { id } of network.replicas) expect(network.payloads(id)).toEqual(['after']);
  });

  test('is not disturbed by one that comes back: PreVote and the live leader keep the term', () => {
    const network = new Network();
    network.campaign(1);
    const { term } = network.at(1).raft;
    network.isolate(3);
    network.run(4000);
    network.heal();
    network.run(2000);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term });
    expect(network.at(3).raft).toMatchObject({ role: 'follower', leader: 1, term });
  });

  test.each([
    ['that cannot hear', (network: Network, id: number) => network.cut(id, 1)],
    ['that cannot speak', (network: Network, id: number) => network.cut(1, id)],
  ])('replaces a leader %s within 3 s', (_, cut) => {
    const network = new Network();
    network.campaign(1);
    for (const id of [2, 3]) cut(network, id);
    const leads = () => network.leader !== undefined && network.leader.id !== 1;
    network.runUntil(() => leads() && network.leader?.raft.ready === true, 3000);
  });

  test('finds one leader that lasts where two cannot reach each other but both the third', () => {
    const network = new Network();
    network.campaign(1);
    network.cut(1, 2);
    network.cut(2, 1);
    network.run(3000);
    const { leader } = network;
    const term = leader?.raft.term;
    expect(leader?.propose('bridged').ok).toBe(true);
    network.run(5000);
    expect(network.leader?.raft.term).toBe(term);
    expect(network.payloads(3)).toEqual(['bridged']);
  });
});
