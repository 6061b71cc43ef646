// Leadership transfer (thesis 3.10). electionTimeoutMs, and so the time a transfer has, is 500 here.
import { describe, expect, test } from 'vitest';
import { ack, followerOf, Network, readyLeader } from './network.ts';
import { ofType } from './replica.ts';

const timeoutNow = { type: 'TimeoutNow', from: 1, to: 2, term: 1 } as const;

function led(options = {}): Network {
  const network = new Network(options);
  network.campaign(1);
  network.propose(1, 'before');
  return network;
}

describe('leadership is transferred', () => {
  test('to a follower that has the whole log, at once and without silence', () => {
    const network = led();
    expect(network.at(1).raft.transferLeadership(2, network.nowMs)).toEqual({ ok: true });
    network.settle();
    expect(network.at(2).raft).toMatchObject({ role: 'leader', ready: true, term: 2 });
    expect(network.at(1).raft).toMatchObject({ role: 'follower', leader: 2, transferee: 0 });
  });

  test('and back', () => {
    const network = led();
    network.at(1).raft.transferLeadership(2, network.nowMs);
    network.settle();
    network.at(2).raft.transferLeadership(1, network.nowMs);
    network.settle();
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term: 3 });
  });

  test('to one that lags, once it has caught up', () => {
    const network = led();
    network.isolate(3);
    network.propose(1, 'a', 'b', 'c');
    network.at(1).raft.transferLeadership(3, network.nowMs);
    network.settle();
    expect(network.at(1).raft.role).toBe('leader');
    network.heal();
    network.run(300);
    expect(network.at(3).raft.role).toBe('leader');
    expect(network.payloads(3)).toEqual(['before', 'a', 'b', 'c']);
  });

  test('again to the same one: nothing new begins, and the deadline stays', () => {
    const network = led();
    network.isolate(3);
    network.propose(1, 'a');
    const { raft } = network.at(1);
    raft.transferLeadership(3, network.nowMs);
    network.run(300);
    expect(raft.transferLeadership(3, network.nowMs)).toEqual({ ok: true });
    network.run(200);
    expect(raft.transferee).toBe(0);
  });

  test('to another one instead, while the first was not told to campaign', () => {
    const network = led();
    network.isolate(3);
    network.propose(1, 'a');
    network.at(1).raft.transferLeadership(3, network.nowMs);
    network.at(1).raft.transferLeadership(2, network.nowMs);
    network.settle();
    expect(network.at(2).raft.role).toBe('leader');
  });
});

describe('a leader that transfers', () => {
  test('takes proposals until the transferee has what the log held at the start', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.propose('b').ok).toBe(true);
    ack(leader, 2, 2);
    expect(leader.propose('c')).toEqual({ ok: false, reason: 'transferring' });
    expect(leader.raft.transferring).toBe(true);
  });

  test('tells the transferee only when all is committed: nobody who proposed is left in doubt', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    leader.propose('a');
    leader.drain();
    leader.raft.transferLeadership(2, leader.nowMs);
    ack(leader, 2);
    leader.drain();
    expect(ofType(leader.collect(), 'TimeoutNow')).toEqual([]);
    ack(leader, 3);
    leader.drain();
    expect(ofType(leader.collect(), 'TimeoutNow')).toEqual([]);
    leader.persist();
    leader.drain();
    expect(ofType(leader.collect(), 'TimeoutNow')).toMatchObject([{ to: 2 }]);
  });

  test('leads on, and takes proposals, when the time is over', () => {
    const leader = readyLeader({ config: { checkQuorum: false } });
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.raft.transferee).toBe(2);
    leader.tickAt(leader.nowMs + 499);
    expect(leader.propose('a').ok).toBe(false);
    leader.tickAt(leader.nowMs + 1);
    expect(leader.raft).toMatchObject({ role: 'leader', transferee: 0, transferring: false });
    expect(leader.propose('a').ok).toBe(true);
  });

  test('gives it up when the transferee’s process dies', () => {
    const leader = readyLeader();
    leader.raft.transferLeadership(2, leader.nowMs);
    leader.raft.peerDown(2, leader.nowMs);
    expect(leader.raft.transferee).toBe(0);
  });

  test('gives it up where it is asked to keep leadership itself', () => {
    const leader = readyLeader();
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.raft.transferLeadership(1, leader.nowMs)).toEqual({ ok: true });
    expect(leader.propose('a').ok).toBe(true);
  });

  test('follows a higher term from elsewhere, and the transfer ends with its own', () => {
    const leader = readyLeader();
    leader.raft.transferLeadership(2, leader.nowMs);
    leader.step({ type: 'Heartbeat', from: 3, to: 1, term: 9, commit: 0, round: 0 });
    expect(leader.raft).toMatchObject({ role: 'follower', transferee: 0, leader: 3 });
  });

  test.each([
    ['one that is not a voter', 9, 'not-a-voter'],
    ['another, after the first was told to campaign', 3, 'transferring'],
  ])('refuses %s', (_, to, reason) => {
    const leader = readyLeader();
    leader.raft.transferLeadership(2, leader.nowMs);
    expect(leader.raft.transferLeadership(to, leader.nowMs)).toEqual({ ok: false, reason });
  });

  test('must be one: others refuse', () => {
    const { raft } = followerOf(1);
    expect(raft.transferLeadership(2, 0)).toEqual({ ok: false, reason: 'not-leader' });
  });
});

describe('TimeoutNow', () => {
  test('makes a follower campaign without a PreVote, its vote durable first', () => {
    const follower = followerOf(1);
    follower.step(timeoutNow);
    follower.drain();
    expect(follower.collect()).toEqual([]);
    follower.persist();
    expect(follower.collect()).toMatchObject([
      { type: 'Vote', to: 1, term: 2, transfer: true },
      { type: 'Vote', to: 3, term: 2, transfer: true },
    ]);
  });

  test.each([
    ['from one who is not the leader', { ...timeoutNow, from: 3 }],
    ['of an earlier term', { ...timeoutNow, term: 0 }],
  ])('%s is ignored', (_, message) => {
    const follower = followerOf(1);
    expect(follower.receive(message)).toEqual([]);
    expect(follower.raft.role).toBe('follower');
  });
});
