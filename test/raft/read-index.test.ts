// Linearizable reads by ReadIndex (thesis 6.4), asked at the leader or forwarded by a follower.

import { describe, expect, test } from 'vitest';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import { type Message, ofType, Replica } from './replica.ts';

function answerRound(leader: Replica, from: number, round: number): void {
  leader.step({ type: 'HeartbeatOk', from, to: 1, term: leader.raft.term, round });
}

function forwarded(leader: Replica, from: number, context: number): void {
  leader.step({ type: 'ReadIndex', from, to: 1, term: leader.raft.term, context });
}

describe('a read at the leader', () => {
  test('begins a round at once, and is answered when a majority has answered it', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    leader.raft.readIndex(7, leader.nowMs);
    const rounds = ofType(leader.take(), 'Heartbeat').map(({ to, round }) => [to, round]);
    expect(rounds).toEqual([2, 3, 4, 5].map((to) => [to, 1]));
    answerRound(leader, 2, 1);
    answerRound(leader, 2, 1);
    leader.take();
    expect(leader.reads).toEqual([]);
    answerRound(leader, 3, 1);
    leader.take();
    expect(leader.reads).toEqual([{ context: 7, index: 1 }]);
  });

  test('shares its round with all reads since the last drain', () => {
    const leader = readyLeader();
    leader.raft.readIndex(1, leader.nowMs);
    leader.raft.readIndex(2, leader.nowMs);
    forwarded(leader, 3, 1);
    expect(ofType(leader.take(), 'Heartbeat')).toHaveLength(2);
    answerRound(leader, 2, 1);
    const replies = ofType(leader.take(), 'ReadIndexReply');
    expect(leader.reads.map(({ context }) => context)).toEqual([1, 2]);
    expect(replies).toMatchObject([{ to: 3, context: 1, index: 1 }]);
  });

  test('is not confirmed by answers to an earlier round, but by those to a later one', () => {
    const leader = readyLeader();
    leader.raft.readIndex(1, leader.nowMs);
    leader.take();
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    leader.take();
    leader.raft.readIndex(2, leader.nowMs);
    leader.take();
    answerRound(leader, 2, 1);
    leader.take();
    expect(leader.reads).toEqual([{ context: 1, index: 1 }]);
    leader.raft.readIndex(3, leader.nowMs);
    leader.take();
    answerRound(leader, 3, 3);
    leader.take();
    expect(leader.reads.slice(1)).toEqual([
      { context: 2, index: 2 },
      { context: 3, index: 2 },
    ]);
  });

  test('is confirmed by who answered it, also when an older answer of theirs arrives late', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    for (const context of [1, 2]) {
      leader.raft.readIndex(context, leader.nowMs);
      leader.take();
    }
    answerRound(leader, 2, 2);
    answerRound(leader, 2, 1);
    answerRound(leader, 3, 2);
    leader.take();
    expect(leader.reads.map(({ context }) => context)).toEqual([1, 2]);
  });

  test('waits until an entry of the own term is committed and applied (thesis 6.4, step 1)', () => {
    const leader = leaderOf({ terms: [1, 1], commit: 1 });
    leader.raft.readIndex(1, leader.nowMs);
    leader.take();
    answerRound(leader, 2, 0);
    answerRound(leader, 3, 0);
    leader.take();
    expect(leader.reads).toEqual([]);
    leader.applies = false;
    ack(leader, 2);
    leader.take();
    expect([leader.raft.commit, leader.raft.ready]).toEqual([3, false]);
    leader.apply();
    expect(leader.raft.ready).toBe(true);
    leader.take();
    expect(leader.reads).toEqual([]);
    answerRound(leader, 2, 1);
    leader.take();
    expect(leader.reads).toEqual([{ context: 1, index: 3 }]);
  });

  test('once answered is forgotten: no later answer of a round tells it again', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    leader.raft.readIndex(1, leader.nowMs);
    forwarded(leader, 4, 7);
    leader.take();
    for (const from of [2, 3]) answerRound(leader, from, 1);
    expect(ofType(leader.take(), 'ReadIndexReply')).toHaveLength(1);
    for (const from of [2, 3, 4, 5]) answerRound(leader, from, 1);
    leader.receive({ type: 'Heartbeat', from: 2, to: 1, term: 5, commit: 0, round: 0 });
    expect([leader.reads.length, leader.take()]).toEqual([1, []]);
  });

  test('of a single voter is answered at once', () => {
    const leader = readyLeader({ voters: [1] });
    leader.raft.readIndex(4, leader.nowMs);
    leader.take();
    expect(leader.reads).toEqual([{ context: 4, index: 1 }]);
  });

  test('whose heartbeats were lost is confirmed by the next ones', () => {
    const network = new Network();
    network.campaign(1);
    network.drops = ({ type }) => type === 'Heartbeat';
    network.at(1).raft.readIndex(5, network.nowMs);
    network.settle();
    expect(network.at(1).reads).toEqual([]);
    network.heal();
    network.run(200);
    expect(network.at(1).reads).toEqual([{ context: 5, index: 1 }]);
  });

  test('is answered null when the leader is deposed, however far it was', () => {
    const leader = leaderOf({ terms: [1] });
    leader.take();
    leader.raft.readIndex(1, leader.nowMs);
    leader.take();
    ack(leader, 2);
    leader.take();
    leader.raft.readIndex(2, leader.nowMs);
    forwarded(leader, 3, 9);
    leader.step({ type: 'Heartbeat', from: 2, to: 1, term: 8, commit: 0, round: 0 });
    const replies = ofType(leader.take(), 'ReadIndexReply');
    expect(leader.reads.toSorted((a, b) => a.context - b.context)).toEqual([
      { context: 1, index: null },
      { context: 2, index: null },
    ]);
    expect(replies).toMatchObject([{ to: 3, context: 9, index: null }]);
  });
});

describe('a deposed leader that does not know it', () => {
  test('never answers a read with an index, and null once it knows', () => {
    const network = new Network({ config: { checkQuorum: false } });
    network.campaign(1);
    network.propose(1, 'old');
    network.isolate(1);
    network.campaign(2);
    network.propose(2, 'new');
    expect(network.at(1).raft.role).toBe('leader');
    network.at(1).raft.readIndex(1, network.nowMs);
    network.run(2000);
    expect(network.at(1).reads).toEqual([]);
    network.heal();
    network.run(300);
    expect(network.at(1).reads).toEqual([{ context: 1, index: null }]);
  });
});

describe('a read at a follower', () => {
  test('is forwarded, and answered with the index of the leader', () => {
    const network = new Network();
    network.campaign(1);
    network.propose(1, 'a');
    network.at(2).raft.readIndex(3, network.nowMs);
    network.settle();
    expect(network.at(2).reads).toEqual([{ context: 3, index: 2 }]);
  });

  test('joins a round that begins after it has arrived', () => {
    const leader = readyLeader();
    leader.raft.readIndex(1, leader.nowMs);
    leader.take();
    forwarded(leader, 2, 5);
    answerRound(leader, 3, 1);
    expect(ofType(leader.take(), 'ReadIndexReply')).toEqual([]);
    expect(leader.reads).toHaveLength(1);
    answerRound(leader, 3, 2);
    expect(ofType(leader.take(), 'ReadIndexReply')).toMatchObject([{ to: 2, context: 5 }]);
  });

  test.each<[string, () => Replica]>([
    ['a follower without leader', () => new Replica()],
    [
      'a candidate',
      () => {
        const replica = new Replica();
        replica.tickAt(1001);
        return replica;
      },
    ],
  ])('is answered null at once by %s', (_, make) => {
    const replica = make();
    replica.raft.readIndex(1, replica.nowMs);
    replica.take();
    expect(replica.reads).toEqual([{ context: 1, index: null }]);
    const ask: Message = { type: 'ReadIndex', from: 2, to: 1, term: 0, context: 8 };
    const replies = ofType(replica.receive(ask), 'ReadIndexReply');
    expect(replies).toMatchObject([{ to: 2, context: 8, index: null }]);
  });

  test('whose question or answer is doubled on the way is answered once', () => {
    const network = new Network();
    network.campaign(1);
    const follower = network.at(2);
    follower.raft.readIndex(3, network.nowMs);
    const [question] = ofType(follower.take(), 'ReadIndex');
    if (question === undefined) throw new Error('nothing was asked');
    network.deliver(question);
    network.deliver(question);
    network.settle();
    expect(follower.reads).toEqual([{ context: 3, index: 1 }]);
  });

  test('asked of one that leads no more is answered null; of an earlier term, not at all', () => {
    const old = leaderOf();
    old.take();
    old.receive({ type: 'Heartbeat', from: 3, to: 1, term: 4, commit: 0, round: 0 });
    const ask = (term: number): Message[] =>
      old.receive({ type: 'ReadIndex', from: 2, to: 1, term, context: 8 });
    expect(ask(4)).toMatchObject([{ type: 'ReadIndexReply', to: 2, context: 8, index: null }]);
    expect(ask(1)).toEqual([]);
  });

  test('ends with null after an election timeout where question or answer was lost', () => {
    const follower = followerOf(1);
    const ask = () => {
      follower.raft.readIndex(1, follower.nowMs);
      follower.take();
    };
    ask();
    for (const nowMs of [300, 499]) {
      follower.tickAt(nowMs);
      follower.receive({ type: 'Heartbeat', from: 1, to: 2, term: 1, commit: 0, round: 0 });
    }
    expect(follower.reads).toEqual([]);
    follower.tickAt(500);
    follower.take();
    expect(follower.reads).toEqual([{ context: 1, index: null }]);
    const late = { from: 1, to: 2, term: 1, context: 1, index: 0 };
    follower.receive({ type: 'ReadIndexReply', ...late });
    expect(follower.reads).toHaveLength(1);
  });

  test.each<[string, (follower: Replica) => void]>([
    ['the term changes', (f) => f.step({ type: 'HeartbeatOk', from: 3, to: 2, term: 5, round: 0 })],
    ['the leader’s process dies', (f) => f.raft.peerDown(1, f.nowMs)],
    ['it campaigns itself', (f) => f.tickAt(1001)],
  ])('ends with null, once, when %s', (_, happen) => {
    const follower = followerOf(1);
    follower.raft.readIndex(1, 0);
    follower.take();
    happen(follower);
    follower.take();
    expect(follower.reads).toEqual([{ context: 1, index: null }]);
  });
});
