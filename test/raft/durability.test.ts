// What may leave, and count, only once it is on disk (docs/architecture.md, "Rules of the engine", 1 to 7).

import { describe, expect, test } from 'vitest';
import { ack, followerOf, leaderOf, readyLeader } from './network.ts';
import { entriesOf, type Message, ofType, Replica } from './replica.ts';

function append(terms: readonly number[], prevIndex: number, term: number, from = 1): Message {
  const prevTerm = terms[prevIndex - 1] ?? 0;
  const entries = entriesOf(terms).slice(prevIndex);
  return { type: 'Append', from, to: 2, term, prevIndex, prevTerm, entries, commit: 0 };
}

function grantPreVotes(replica: Replica): void {
  replica.tickAt(replica.nowMs + 1001);
  replica.drain();
  for (const { from: to, to: from, term, campaign } of ofType(replica.collect(), 'PreVote')) {
    replica.step({ type: 'PreVoteReply', from, to, term, campaign, granted: true });
  }
  replica.drain();
}

describe('votes', () => {
  test('a granted vote leaves only after it is durable (thesis 3.8, rule 1)', () => {
    const replica = new Replica();
    const ask = { from: 2, to: 1, term: 1, lastIndex: 0, lastTerm: 0, campaign: 5 };
    replica.step({ type: 'Vote', transfer: false, ...ask });
    replica.drain();
    expect(replica.collect()).toEqual([]);
    expect(replica.steps).toMatchObject([{ hardState: { term: 1, votedFor: 2 } }]);
    replica.persist();
    expect(replica.collect()).toMatchObject([{ type: 'VoteReply', to: 2, granted: true }]);
  });

  test('a repeated grant waits for the write of the first', () => {
    const replica = new Replica();
    const ask = { from: 2, to: 1, term: 1, lastIndex: 0, lastTerm: 0, campaign: 5 };
    replica.step({ type: 'Vote', transfer: false, ...ask });
    replica.drain();
    replica.step({ type: 'Vote', transfer: false, ...ask });
    replica.drain();
    expect(replica.collect()).toEqual([]);
    replica.persist();
    replica.drain();
    expect(replica.collect()).toHaveLength(2);
    replica.step({ type: 'Vote', transfer: false, ...ask });
    replica.drain();
    expect(replica.collect()).toHaveLength(1);
  });

  test('a vote request leaves only after the own vote and the log are durable (rule 2)', () => {
    const replica = new Replica({ terms: [1] });
    grantPreVotes(replica);
    expect(replica.raft.role).toBe('candidate');
    expect(replica.collect()).toEqual([]);
    replica.persist();
    expect(ofType(replica.collect(), 'Vote')).toHaveLength(2);
  });

  test('a vote request that has not left yet never does once another is known to have won', () => {
    const replica = new Replica({ id: 2, terms: [1, 1, 1] });
    replica.tickAt(1001);
    for (const { to: from, term, campaign } of ofType(replica.take(), 'PreVote')) {
      replica.step({ type: 'PreVoteReply', from, to: 2, term, campaign, granted: true });
    }
    expect(replica.raft).toMatchObject({ role: 'candidate', term: 2 });
    // The log it would tell of is cut off before anything leaves.
    replica.step(append([1, 2], 1, 2));
    const messages = replica.take();
    expect(ofType(messages, 'Vote')).toEqual([]);
    expect(ofType(messages, 'AppendOk')).toMatchObject([{ match: 2 }]);
  });

  test('the own vote counts only once durable, with a single voter too (rule 1)', () => {
    const replica = new Replica({ voters: [1] });
    replica.tickAt(1001);
    replica.drain();
    expect([replica.raft.role, replica.raft.term]).toEqual(['candidate', 1]);
    replica.persist();
    expect(replica.raft.role).toBe('leader');
  });

  test('a late write of an own vote does not count in a later campaign', () => {
    const replica = new Replica({ voters: [1] });
    for (const term of [1, 2]) {
      replica.tickAt(replica.nowMs + 1001);
      replica.drain();
      expect([replica.raft.role, replica.raft.term]).toEqual(['candidate', term]);
    }
    replica.persist();
    expect(replica.raft.role).toBe('candidate');
    replica.persist();
    expect(replica.raft.role).toBe('leader');
  });

  test('a late write of the own vote does not make a leader of one who follows another', () => {
    const replica = new Replica({ voters: [1, 2, 3] });
    grantPreVotes(replica);
    replica.step({ type: 'Heartbeat', from: 2, to: 1, term: 1, commit: 0, round: 0 });
    replica.take();
    expect([replica.raft.role, replica.raft.leader]).toEqual(['follower', 2]);
  });
});

describe('acknowledgements', () => {
  test('leave only after the entries and their term are durable, in one step (rule 3)', () => {
    const follower = new Replica({ id: 2 });
    follower.step(append([1, 1], 0, 1));
    follower.drain();
    expect(follower.collect()).toEqual([]);
    expect(follower.steps).toMatchObject([
      { hardState: { term: 1 }, entries: [{ index: 1 }, { index: 2 }] },
    ]);
    follower.persist();
    expect(follower.collect()).toMatchObject([{ type: 'AppendOk', match: 2 }]);
  });

  test('of entries that are on their way to disk wait for that write', () => {
    const follower = followerOf(1);
    follower.step(append([1, 1], 0, 1));
    follower.drain();
    follower.step(append([1, 1], 0, 1));
    follower.drain();
    expect([follower.steps.length, follower.collect()]).toEqual([1, []]);
    follower.persist();
    follower.drain();
    expect(ofType(follower.collect(), 'AppendOk').map(({ match }) => match)).toEqual([2, 2]);
  });

  test('of several appends in one drain are one', () => {
    const follower = followerOf(1);
    follower.step(append([1], 0, 1));
    follower.step(append([1, 1], 1, 1));
    follower.step(append([1, 1, 1], 2, 1));
    expect(follower.take()).toMatchObject([{ type: 'AppendOk', match: 3 }]);
  });

  test('made in a term that ended before the drain are void', () => {
    const follower = followerOf(1);
    follower.step(append([1, 1], 0, 1));
    follower.step(append([2], 0, 2, 3));
    const left = follower.take();
    expect(left).toMatchObject([{ type: 'AppendOk', to: 3, term: 2, match: 1 }]);
    expect(follower.terms).toEqual([2]);
  });

  test('a truncation and what replaces it are one step (rule 7)', () => {
    const follower = followerOf(3, { terms: [1, 1, 1, 1] });
    follower.step(append([1, 3, 3], 1, 3));
    follower.drain();
    expect(follower.steps).toMatchObject([
      {
        truncateFrom: 2,
        truncateTo: 4,
        entries: [
          { index: 2, term: 3 },
          { index: 3, term: 3 },
        ],
      },
    ]);
  });
});

describe('commitment and folding', () => {
  test('the leader’s own match moves only when its own write is durable (rule 4)', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.drain();
    ack(leader, 2);
    leader.drain();
    expect(leader.raft.commit).toBe(1);
    leader.persist();
    expect(leader.raft.commit).toBe(2);
  });

  test('a single voter commits only when its own write is durable (etcd#14370)', () => {
    const leader = leaderOf({ voters: [1] });
    leader.flush();
    leader.propose('a');
    leader.drain();
    leader.propose('b');
    leader.drain();
    expect(leader.raft.commit).toBe(1);
    leader.persist();
    expect(leader.raft.commit).toBe(2);
    leader.persist();
    expect(leader.raft.commit).toBe(3);
  });

  test('what the others have committed is folded only when it is durable here (rule 6)', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.drain();
    ack(leader, 2);
    ack(leader, 3);
    leader.drain();
    expect([leader.raft.commit, leader.applied.length]).toEqual([2, 1]);
    leader.flush();
    expect(leader.applied).toHaveLength(2);
  });

  test('a late completion never vouches for another entry at the same index (ABA)', () => {
    const follower = followerOf(1);
    follower.step(append([1, 1], 0, 1));
    follower.drain();
    follower.step(append([2, 2], 0, 2, 3));
    follower.drain();
    follower.step({ type: 'Heartbeat', from: 3, to: 2, term: 2, commit: 2, round: 0 });
    follower.drain();
    expect(follower.steps).toHaveLength(2);
    follower.persist();
    follower.drain();
    expect(follower.applied).toEqual([]);
    expect(ofType(follower.collect(), 'AppendOk').map(({ term }) => term)).toEqual([1]);
    follower.flush();
    expect(follower.applied.map(({ term }) => term)).toEqual([2, 2]);
  });

  test('nor does it where several writes are on their way and the truncation reaches below them', () => {
    const follower = followerOf(1);
    for (const terms of [
      [1, 1],
      [1, 1, 1, 1],
    ]) {
      follower.step(append(terms, terms.length - 2, 1));
      follower.drain();
    }
    follower.step(append([1, 2], 1, 2, 3));
    follower.drain();
    follower.step({ type: 'Heartbeat', from: 3, to: 2, term: 2, commit: 2, round: 0 });
    expect(follower.steps).toHaveLength(3);
    for (const folded of [1, 1, 2]) {
      follower.persist();
      follower.drain();
      expect(follower.applied).toHaveLength(folded);
    }
  });

  test('a late write of an earlier term does not acknowledge for the leader of a later one', () => {
    const leader = leaderOf({ voters: [1, 2, 3] });
    leader.flush();
    leader.propose('lost');
    leader.drain();
    leader.collect();
    // Deposed; the new leader replaces the entry at index 2 while its write is still in flight.
    const [first] = leader.diskEntries;
    leader.step({
      type: 'Append',
      from: 2,
      to: 1,
      term: 2,
      prevIndex: 1,
      prevTerm: first?.term ?? 0,
      entries: [],
      commit: 0,
    });
    leader.drain();
    leader.persist();
    leader.drain();
    expect(leader.raft.commit).toBe(0);
    expect(leader.raft.role).toBe('follower');
  });

  test('the commit index rides along with a write, and is never a reason for one (rule 5)', () => {
    const follower = followerOf(1);
    follower.receive(append([1, 1], 0, 1));
    follower.step({ type: 'Heartbeat', from: 1, to: 2, term: 1, commit: 2, round: 0 });
    follower.drain();
    expect([follower.steps.length, follower.hardState.commit]).toEqual([0, 0]);
    follower.receive(append([1, 1, 1], 2, 1));
    expect(follower.hardState.commit).toBe(2);
  });
});

describe('a restart', () => {
  test('honours the vote that was given before', () => {
    const replica = new Replica({ term: 1 });
    const ask = { to: 1, term: 2, lastIndex: 0, lastTerm: 0, campaign: 5 };
    replica.receive({ type: 'Vote', transfer: false, ...ask, from: 2 });
    replica.crash();
    replica.restart();
    expect(replica.receive({ type: 'Vote', transfer: false, ...ask, from: 3 })).toMatchObject([
      { granted: false },
    ]);
    expect(replica.receive({ type: 'Vote', transfer: false, ...ask, from: 2 })).toMatchObject([
      { granted: true },
    ]);
  });

  test.each<[number, number, number]>([
    [0, 0, 0],
    [2, 0, 2],
    [1, 2, 2],
    [9, 0, 4],
  ])('with commit hint %i and a checkpoint at %i begins at commit %i', (commit, checkpoint, at) => {
    const replica = new Replica({ terms: [1, 1, 2, 2], commit, checkpoint });
    replica.flush();
    expect([replica.raft.commit, replica.raft.applied]).toEqual([at, at]);
    expect(replica.applied.map(({ index }) => index)).toEqual(
      Array.from({ length: at - checkpoint }, (_, i) => checkpoint + 1 + i),
    );
  });

  test('still knows the terms of everything below the checkpoint', () => {
    const replica = new Replica({ terms: [1, 1, 2, 3], checkpoint: 3 });
    expect(replica.raft.entry(2)).toBeNull();
    expect(replica.raft.termsUpTo(9)).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 3, term: 2 },
      { firstIndex: 4, term: 3 },
    ]);
    expect(replica.raft.termsUpTo(2)).toEqual([{ firstIndex: 1, term: 1 }]);
    expect(replica.raft.chainAt(3)).toEqual(replica.diskEntries[2]?.chain);
  });

  test('with nothing to say gives no effects', () => {
    expect(new Replica({ terms: [1] }).raft.takeEffects()).toBeNull();
  });
});

describe('calls', () => {
  test('out of order completions, and ones of steps never handed out, are assertions', () => {
    const follower = followerOf(1);
    expect(() => follower.raft.onPersisted(1, 0)).toThrow('in order');
    expect(() => followerOf(1).raft.onPersisted(9, 0)).toThrow('handed out');
  });

  test('a call within a call is an assertion, and so is any call after a broken rule', () => {
    const within: Replica[] = [];
    const replica = new Replica({
      voters: [1],
      random: () => {
        within[0]?.raft.tick(0);
        return 0.5;
      },
    });
    within.push(replica);
    expect(() => replica.tickAt(1001)).toThrow('within another');
    expect(() => replica.raft.takeEffects()).toThrow('after a broken rule');
  });
});
