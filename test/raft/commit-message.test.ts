// A Commit tells of a commit index where nothing else is on its way, and only a misfit is answered. Whatever
// needs an answer stays an Append: nothing that rests on answers may miss one.

import { describe, expect, test } from 'vitest';
import { appendOf, inRole, installOf, snapshotOf } from './in-role.ts';
import { ack, followerOf, leaderOf, Network, readyLeader } from './network.ts';
import { type Message, ofType, type Replica } from './replica.ts';

const HEARTBEAT_MS = 100;

function to(messages: readonly Message[], id: number): Message[] {
  return messages.filter((message) => message.to === id);
}

function heartbeatOk(leader: Replica, from: number): void {
  leader.step({ type: 'HeartbeatOk', from, to: 1, term: leader.raft.term, round: 0 });
}

/** From leader 1 to follower 2. */
function commitOf(prevIndex: number, prevTerm: number, commit: number, term = 9): Message {
  return { type: 'Commit', from: 1, to: 2, term, prevIndex, prevTerm, commit };
}

describe('a leader', () => {
  /** Of a log to entry 2, which 2 and 3 were sent, and 2 has. */
  function committing(): Replica {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    return leader;
  }

  test('tells of a commit, once, by the newest entry that it has sent', () => {
    const leader = readyLeader();
    for (const payload of ['a', 'b']) {
      leader.propose(payload);
      leader.take();
    }
    ack(leader, 2, 2);
    const told = { type: 'Commit', term: 1, prevIndex: 3, prevTerm: 1, commit: 2 };
    expect(leader.take()).toEqual([2, 3].map((id) => ({ ...told, from: 1, to: id })));
    ack(leader, 3, 2);
    expect(leader.take()).toEqual([]);
  });

  test('sends none where entries are to be sent: they tell of the commit', () => {
    const leader = committing();
    leader.propose('b');
    expect(leader.take()).toMatchObject([
      { type: 'Append', to: 2, prevIndex: 2, commit: 2 },
      { type: 'Append', to: 3, prevIndex: 2, commit: 2 },
    ]);
  });

  test('tells nothing to one whose probe is not answered, nor to one that gets a snapshot', () => {
    const probing = leaderOf();
    probing.take();
    ack(probing, 2);
    expect(to(probing.take(), 3)).toEqual([]);
    const leader = readyLeader({ terms: [1, 1, 1, 1], checkpoint: 4, boundary: 3 });
    leader.raft.peerDown(3, leader.nowMs);
    leader.step({
      ...{ type: 'AppendReject', from: 3, to: 1, term: leader.raft.term },
      ...{ prevIndex: 5, hintIndex: 0, hintTerm: 0 },
    });
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    expect(ofType(leader.take(), 'Commit').map((message) => message.to)).toEqual([2]);
  });

  test('tells one that is probed by an Append', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    leader.raft.peerDown(2, leader.nowMs);
    ack(leader, 3);
    const told = leader.take();
    expect(to(told, 2)).toMatchObject([{ type: 'Append', prevIndex: 2, entries: [], commit: 2 }]);
    expect(to(told, 3)).toMatchObject([{ type: 'Commit', prevIndex: 2, commit: 2 }]);
  });

  test('tells one whose window is full once it has acknowledged', () => {
    const leader = readyLeader({ config: { inflightAppendsMax: 1 } });
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    expect(leader.take()).toMatchObject([{ type: 'Commit', to: 2, commit: 2 }]);
    ack(leader, 3);
    expect(leader.take()).toMatchObject([{ type: 'Commit', to: 3, commit: 2 }]);
  });

  test('checks for a loss by an Append, also where a commit is news', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    leader.tickAt(leader.nowMs + HEARTBEAT_MS);
    leader.take();
    heartbeatOk(leader, 3);
    ack(leader, 2);
    const told = leader.take();
    expect(to(told, 2)).toMatchObject([{ type: 'Commit', prevIndex: 2, commit: 2 }]);
    expect(to(told, 3)).toMatchObject([{ type: 'Append', prevIndex: 2, entries: [], commit: 2 }]);
  });

  test('counts no Commit as a check for loss, nor as a reason to put one off', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    leader.tickAt(leader.nowMs + HEARTBEAT_MS - 1);
    leader.take();
    ack(leader, 2);
    expect(to(leader.take(), 3)).toMatchObject([{ type: 'Commit' }]);
    leader.tickAt(leader.nowMs + 1);
    leader.take();
    heartbeatOk(leader, 3);
    expect(to(leader.take(), 3)).toMatchObject([{ type: 'Append', prevIndex: 2, entries: [] }]);
  });

  test('waits for no answer to it: a heartbeat answered shows well who owes nothing else', () => {
    const leader = committing();
    ack(leader, 3);
    leader.take();
    for (let beat = 0; beat < 20; beat += 1) {
      leader.tickAt(leader.nowMs + HEARTBEAT_MS);
      leader.take();
      heartbeatOk(leader, 2);
    }
    expect([leader.raft.role, leader.raft.follower(2)?.heardMs]).toEqual(['leader', leader.nowMs]);
  });

  test('does not get one of its own term', () => {
    const leader = readyLeader();
    const [from, id] = [2, 1];
    const message = { type: 'Commit', from, to: id, term: 1, prevIndex: 1, prevTerm: 1 } as const;
    expect(() => leader.receive({ ...message, commit: 1 })).toThrow('one leader a term');
  });
});

describe('a follower', () => {
  test.each<[string, number, number, number, number]>([
    ['all that it proves', 4, 9, 4, 4],
    ['what is committed, where more is proved', 4, 9, 2, 2],
    ['what is proved, where more is committed', 3, 5, 4, 3],
    ['nothing, where that much is committed already', 2, 5, 2, 1],
    ['nothing below what it has committed', 1, 5, 1, 1],
  ])('commits %s: (%i, %i), commit %i', (what, prevIndex, prevTerm, commit, expected) => {
    const isKnown = what.startsWith('nothing');
    const follower = followerOf(9, { terms: [5, 5, 5, 9], checkpoint: isKnown ? 2 : 0 });
    expect(follower.receive(commitOf(prevIndex, prevTerm, commit))).toEqual([]);
    expect(follower.raft.commit).toBe(isKnown ? 2 : expected);
  });

  test.each<[string, number, number, number, number]>([
    ['lacks', 6, 9, 4, 9],
    ['has of another term', 4, 8, 3, 5],
  ])(
    'rejects one after an entry that it %s, and commits nothing',
    (_, prevIndex, prevTerm, hintIndex, hintTerm) => {
      const follower = followerOf(9, { terms: [5, 5, 5, 9] });
      expect(follower.receive(commitOf(prevIndex, prevTerm, 2))).toEqual([
        { type: 'AppendReject', from: 2, to: 1, term: 9, prevIndex, hintIndex, hintTerm },
      ]);
      expect(follower.raft.commit).toBe(0);
    },
  );

  test('does nothing about one from before its log begins', () => {
    const follower = followerOf(9, { terms: [5, 5, 5, 9] });
    follower.receive(installOf(snapshotOf([5, 5, 5, 9, 9, 9])));
    expect(follower.receive(commitOf(4, 9, 4))).toEqual([]);
    expect(follower.raft.commit).toBe(6);
  });

  test('folds what it tells of only once that is on the own disk', () => {
    const follower = followerOf(9, { terms: [9] });
    follower.step(appendOf([9, 9], 1));
    follower.step(commitOf(2, 9, 2));
    follower.drain();
    expect([follower.raft.commit, follower.applied.length]).toEqual([2, 1]);
    follower.flush();
    expect(follower.applied.length).toBe(2);
  });

  test('hears its leader by it', () => {
    const follower = followerOf(9, { terms: [9] });
    for (let ms = 0; ms < 3000; ms += 400) {
      follower.tickAt(follower.nowMs + 400);
      expect(follower.receive(commitOf(1, 9, 1))).toEqual([]);
    }
    expect(follower.raft).toMatchObject({ role: 'follower', term: 9, leader: 1 });
  });
});

test.each(['pre-candidate', 'candidate'] as const)('a %s follows who sends it one', (role) => {
  const replica = inRole[role]({ id: 2, terms: [4], term: 4 });
  replica.take();
  const { term } = replica.raft;
  expect(replica.receive(commitOf(1, 4, 1, term))).toEqual([]);
  expect(replica.raft).toMatchObject({ role: 'follower', term, leader: 1, commit: 1 });
});

describe('a group', () => {
  test('finds an append that was lost by the next Commit, and needs no heartbeat for it', () => {
    const network = new Network();
    network.campaign(1);
    network.drops = ({ type, to }) => type === 'Append' && to === 3;
    network.propose(1, 'a');
    expect(network.payloads(2)).toEqual(['a']);
    expect(network.payloads(3)).toEqual([]);
    expect(network.at(1).raft.follower(3)).toMatchObject({ probing: true });
  });

  test('answers none that fits: a message costs each follower one answer', () => {
    const network = new Network();
    network.campaign(1);
    const counted: Record<string, number> = {};
    network.drops = ({ type }) => {
      counted[type] = (counted[type] ?? 0) + 1;
      return false;
    };
    network.propose(1, 'a');
    network.propose(1, 'b');
    expect(counted).toEqual({ Append: 4, AppendOk: 4, Commit: 4 });
    for (const id of [1, 2, 3]) expect(network.payloads(id)).toEqual(['a', 'b']);
  });

  test('hands leadership on, and falls asleep, where every Commit is lost', () => {
    const network = new Network({ config: { quiesceAfterMs: 1000 } });
    network.campaign(1);
    network.drops = ({ type }) => type === 'Commit';
    network.propose(1, 'a');
    network.at(1).raft.transferLeadership(2, network.nowMs);
    network.settle();
    expect(network.leader?.id).toBe(2);
    network.propose(2, 'b');
    network.run(3000);
    expect(network.replicas.map(({ raft }) => raft.quiesced)).toEqual([true, true, true]);
    for (const id of [1, 2, 3]) expect(network.payloads(id)).toEqual(['a', 'b']);
  });
});
