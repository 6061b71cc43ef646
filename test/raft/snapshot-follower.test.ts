// What a follower does with a snapshot (thesis 5.3, rule 13): when it is refused, what of the log it leaves,
// and what may leave, be folded and be decided only once it is durable and taken over.

import { describe, expect, test } from 'vitest';
import { foundingMembership, type Membership } from '../../src/raft/membership.ts';
import type { Snapshot } from '../../src/raft/types.ts';
import {
  appendOf,
  candidate,
  emptyAppendAt,
  installOf,
  preCandidate,
  snapshotOf,
} from './in-role.ts';
import { followerOf, leaderOf } from './network.ts';
import {
  configPayload,
  entriesOf,
  type Message,
  ofType,
  Replica,
  type ReplicaOptions,
  testChain,
} from './replica.ts';

const term = 9;
/** The leader's log. */
const terms = [1, 1, 2, 2, 2, 5, 5, 5];
/** Of replica 2, as the group began. */
const three = foundingMembership([1, 2, 3]);

function followerWith(own: readonly number[], options: ReplicaOptions = {}): Replica {
  return followerOf(term, { terms: own, ...options });
}

/** Steps without a drain, drains without persisting. */
function stepped(follower: Replica, ...messages: Message[]): Replica {
  for (const message of messages) follower.step(message);
  follower.drain();
  return follower;
}

function matchesOf(messages: readonly Message[]): number[] {
  return ofType(messages, 'AppendOk').map(({ match }) => match);
}

function withMembership(membership: Membership, index = terms.length): Snapshot {
  return snapshotOf(terms, index, membership);
}

describe('a snapshot is refused', () => {
  test.each([
    [4, 4],
    [4, 3],
    [6, 1],
  ])(
    'with commit %i and snapshot %i: what is committed is acknowledged, nothing is lost (rule 13)',
    (commit, index) => {
      const follower = followerWith([...terms, 9], { commit });
      expect(matchesOf(follower.receive(installOf(snapshotOf(terms, index))))).toEqual([commit]);
      expect(follower.raft).toMatchObject({ commit, lastIndex: 9, membership: three });
      expect([follower.boundary.index, follower.restored]).toEqual([0, 0]);
    },
  );

  test('when it comes a second time', () => {
    const follower = followerWith([]);
    follower.receive(installOf(snapshotOf(terms)));
    follower.receive(appendOf([...terms, 9], 8, 9));
    expect(matchesOf(follower.receive(installOf(snapshotOf(terms))))).toEqual([9]);
    expect(follower.raft).toMatchObject({ commit: 9, lastIndex: 9 });
    expect(follower.restored).toBe(1);
  });

  test('when it is older than one that came before', () => {
    const follower = followerWith([]);
    follower.receive(installOf(snapshotOf(terms, 6)));
    expect(matchesOf(follower.receive(installOf(snapshotOf(terms, 5))))).toEqual([6]);
    expect(follower.boundary.index).toBe(6);
  });

  test('when it is of an earlier term: its sender learns the newer one', () => {
    const follower = followerWith([]);
    const replies = follower.receive(installOf(snapshotOf(terms), 8));
    expect(replies).toMatchObject([{ type: 'AppendReject', to: 1, term }]);
    expect(follower.raft).toMatchObject({ commit: 0, lastIndex: 0 });
  });
});

describe('a snapshot whose newest entry is in the log', () => {
  test('only moves the commit index: what follows stays (camunda 6092)', () => {
    const follower = followerWith([...terms, 9, 9], { commit: 2 });
    expect(matchesOf(follower.receive(installOf(snapshotOf(terms))))).toEqual([8]);
    expect(follower.raft).toMatchObject({ commit: 8, lastIndex: 10, applied: 8 });
    expect(follower.applied.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(follower.terms).toEqual([...terms, 9, 9]);
    expect(follower.restored).toBe(0);
  });

  test('is acknowledged once that entry is durable', () => {
    const follower = followerWith([]);
    stepped(follower, appendOf(terms, 0), installOf(snapshotOf(terms)));
    expect(matchesOf(follower.collect())).toEqual([]);
    follower.persist();
    expect(matchesOf(follower.collect())).toEqual([8]);
  });
});

describe('a snapshot whose newest entry is not in the log', () => {
  test.each<[string, number[]]>([
    ['empty', []],
    ['shorter', [1, 1, 2]],
    ['divergent at the snapshot', [1, 1, 3, 3, 3, 3, 3, 3]],
    ['divergent and longer', [1, 1, 3, 3, 3, 3, 3, 3, 3, 4]],
    ['of later terms', [1, 1, 2, 2, 2, 6, 6, 7, 8]],
  ])('takes the place of a log that is %s, all of it (hashicorp 697)', (_, own) => {
    const follower = followerWith(own, { commit: Math.min(2, own.length) });
    expect(matchesOf(follower.receive(installOf(snapshotOf(terms))))).toEqual([8]);
    expect(follower.raft).toMatchObject({ commit: 8, applied: 8, lastIndex: 8, term });
    expect(follower.raft.termsUpTo(8)).toEqual([{ firstIndex: 8, term: 5 }]);
    expect(follower.boundary).toEqual(snapshotOf(terms));
    expect(follower.diskEntries).toHaveLength(8);
  });

  test('leaves a log that goes on after it', () => {
    const follower = followerWith([1, 1, 3, 3, 3, 3, 3, 3, 3, 4]);
    follower.receive(installOf(snapshotOf(terms)));
    expect(matchesOf(follower.receive(appendOf([...terms, 9], 8, 9)))).toEqual([9]);
    expect(follower.applied).toEqual(entriesOf([...terms, 9]).slice(8));
  });

  test('leaves nothing to append to below it: whoever tries learns what is there', () => {
    const follower = followerWith([]);
    follower.receive(installOf(snapshotOf(terms)));
    for (const prevIndex of [0, 5, 7]) {
      expect(matchesOf(follower.receive(appendOf(terms, prevIndex)))).toEqual([8]);
    }
    expect(follower.receive(emptyAppendAt(9, 9))).toMatchObject([
      { type: 'AppendReject', hintIndex: 8, hintTerm: 5 },
    ]);
    expect(follower.raft.lastIndex).toBe(8);
  });

  test('leaves term and vote as they are', () => {
    const follower = new Replica({ id: 2, term, votedFor: 3 });
    follower.receive(installOf(snapshotOf(terms)));
    expect(follower.hardState).toEqual({ term, votedFor: 3, commit: 8 });
  });

  test('is of the leader: its term is entered, and it is heard', () => {
    const follower = new Replica({ id: 2, nowMs: 0 });
    follower.tickAt(400);
    follower.receive(installOf(snapshotOf(terms)));
    expect(follower.raft).toMatchObject({ term, leader: 1 });
    follower.tickAt(899);
    expect(follower.raft.role).toBe('follower');
  });

  test('is a sign of life also in a term that is known', () => {
    const follower = new Replica({ id: 2, term, votedFor: 1 });
    follower.tickAt(400);
    follower.receive(installOf(snapshotOf(terms)));
    expect(follower.raft.leader).toBe(1);
    const ask = { from: 3, to: 2, term: term + 1, lastIndex: 9, lastTerm: 9, campaign: 1 };
    follower.tickAt(899);
    const answers = follower.receive({ type: 'PreVote', ...ask });
    expect(answers).toMatchObject([{ type: 'PreVoteReply', granted: false }]);
  });

  test('is taken by a candidate, which gives way to its leader', () => {
    for (const make of [preCandidate, candidate]) {
      const replica = make({ id: 2, term: term - 1 });
      replica.take();
      replica.step(installOf(snapshotOf(terms)));
      replica.take();
      expect(replica.raft).toMatchObject({ role: 'follower', leader: 1, term, commit: 8 });
    }
  });

  test('is taken by a leader of an earlier term, and never by one of its own', () => {
    const earlier = leaderOf({ id: 2, term: 3 });
    earlier.take();
    earlier.receive(installOf(snapshotOf(terms)));
    expect(earlier.raft).toMatchObject({ role: 'follower', leader: 1, commit: 8, lastIndex: 8 });
    const own = leaderOf({ id: 2, term: term - 1 });
    expect(() => own.step(installOf(snapshotOf(terms)))).toThrow('one leader a term');
  });
});

describe('a snapshot is durable', () => {
  test('with one step that takes the place of the log, and only then acknowledged', () => {
    const follower = followerWith([1, 1, 3, 3]);
    stepped(follower, installOf(snapshotOf(terms)));
    expect(follower.steps).toMatchObject([
      { snapshot: { index: 8 }, truncateFrom: null, entries: [], hardState: { commit: 8 } },
    ]);
    expect(matchesOf(follower.collect())).toEqual([]);
    follower.persist();
    expect(matchesOf(follower.collect())).toEqual([8]);
  });

  test('in the order of all steps: entries that follow it are of its step, or of a later one', () => {
    const follower = followerWith([]);
    const longer = [...terms, 9, 9];
    stepped(follower, installOf(snapshotOf(terms)), appendOf(longer.slice(0, 9), 8));
    stepped(follower, appendOf(longer, 9));
    expect(follower.steps).toMatchObject([
      { snapshot: { index: 8 }, entries: [{ index: 9 }] },
      { snapshot: null, entries: [{ index: 10 }] },
    ]);
    follower.persist();
    expect(matchesOf(follower.collect())).toEqual([9]);
    follower.flush();
    expect(matchesOf(follower.collect())).toEqual([10]);
    expect(follower.diskEntries).toHaveLength(10);
  });

  test('not by the completion of a step that was handed out before (ABA)', () => {
    const follower = followerWith([]);
    stepped(follower, appendOf([1, 1, 3, 3, 3, 3, 3, 3, 3], 0));
    stepped(follower, installOf(snapshotOf(terms)), appendOf([...terms, 9], 8, 9));
    expect(follower.steps).toHaveLength(2);
    follower.persist();
    follower.drain();
    expect([follower.restoring, follower.restored, follower.applied]).toEqual([null, 0, []]);
    follower.persist();
    follower.drain();
    expect([follower.restored, follower.applied.map(({ index }) => index)]).toEqual([1, [9]]);
  });

  test('in place of what was to be cut off, and written, in the same step', () => {
    const follower = followerWith([1, 1, 3, 3]);
    stepped(follower, appendOf(terms.slice(0, 4), 2), installOf(snapshotOf(terms)));
    expect(follower.steps).toMatchObject([
      { snapshot: { index: 8 }, truncateFrom: null, entries: [] },
    ]);
    follower.flush();
    expect(follower.diskEntries).toHaveLength(8);
  });

  test('or not at all: a crash before leaves the log as it was', () => {
    const follower = followerWith([1, 1, 3, 3], { commit: 2 });
    stepped(follower, installOf(snapshotOf(terms)));
    follower.crash();
    follower.restart();
    expect(follower.raft).toMatchObject({ commit: 2, lastIndex: 4 });
    expect(follower.terms).toEqual([1, 1, 3, 3]);
  });

  test('and what a restart begins from', () => {
    const follower = followerWith([1, 1, 3, 3], { commit: 2 });
    const four = foundingMembership([1, 2, 3, 4]);
    stepped(follower, installOf(withMembership(four)));
    follower.crash(1);
    follower.restart();
    expect(follower.raft).toMatchObject({ commit: 8, applied: 8, lastIndex: 8, membership: four });
    expect(matchesOf(follower.receive(appendOf([...terms, 9], 8, 9)))).toEqual([9]);
    expect(follower.applied.map(({ index }) => index)).toEqual([9]);
  });

  test('in place of one that is still on its way to disk', () => {
    const follower = followerWith([]);
    stepped(follower, installOf(snapshotOf(terms, 5)));
    stepped(follower, installOf(snapshotOf(terms)));
    follower.persist();
    follower.drain();
    expect([follower.restoring, follower.restored]).toEqual([null, 0]);
    follower.flush();
    expect([follower.restored, follower.raft.applied]).toEqual([1, 8]);
  });
});

describe('what is folded', () => {
  test('is never an entry at or below the snapshot, nor one above it before its rows are there', () => {
    const follower = followerWith([1, 1, 2, 2], { commit: 1 });
    const applied = follower.applied.length;
    stepped(follower, installOf(snapshotOf(terms)), appendOf([...terms, 9], 8, 9));
    expect(follower.applied).toHaveLength(applied);
    expect(follower.restoring).toBe(null);
    follower.applies = false;
    follower.persist();
    follower.drain();
    expect(follower.restoring).toEqual(snapshotOf(terms));
    expect(follower.unapplied.map(({ index }) => index)).toEqual([9]);
    expect(follower.raft.applied).toBe(1);
    follower.apply();
    expect(follower.raft.applied).toBe(9);
  });

  test('goes on where entries were committed and not folded when the snapshot came', () => {
    const follower = followerWith([1, 1, 2, 2], { commit: 0 });
    follower.applies = false;
    follower.receive(emptyAppendAt(3, 2, 3));
    expect(follower.unapplied).toHaveLength(3);
    follower.receive(installOf(snapshotOf(terms)));
    follower.receive(appendOf([...terms, 9], 8, 9));
    follower.apply();
    expect([follower.raft.applied, follower.applied.map(({ index }) => index)]).toEqual([9, [9]]);
  });
});

describe('the membership of a snapshot', () => {
  const learner2: Membership = {
    ...{ incoming: [1, 3], outgoing: [], learners: [2], learnersNext: [] },
    ...{ highestId: 3, autoLeave: false },
  };
  const joint: Membership = {
    ...{ incoming: [1, 3, 4], outgoing: [1, 2, 3], learners: [], learnersNext: [2] },
    ...{ highestId: 4, autoLeave: true },
  };

  test.each([
    ['voters and a learner', learner2],
    ['a joint one', joint],
    ['one that does not name the receiver, added later', foundingMembership([1, 3])],
  ])('decides from then on: %s', (_, membership) => {
    const follower = followerWith([1, 1], { commit: 2 });
    follower.receive(installOf(withMembership(membership)));
    expect(follower.raft.membership).toEqual(membership);
    follower.crash();
    follower.restart();
    expect(follower.raft.membership).toEqual(membership);
  });

  test('decides in place of one that was in the log and uncommitted', () => {
    const follower = followerWith([1]);
    const content = configPayload(foundingMembership([1, 2, 3, 4, 5]));
    const unlinked = { index: 2, term, kind: 3, timeMs: 0, ...content } as const;
    const chain = testChain(follower.raft.chainAt(1) ?? Uint8Array.of(), unlinked);
    const entries = [{ ...unlinked, chain }];
    const after = { prevIndex: 1, prevTerm: 1, entries, commit: 0 };
    follower.receive({ type: 'Append', from: 1, to: 2, term, ...after });
    expect(follower.raft.membership.incoming).toHaveLength(5);
    follower.receive(installOf(snapshotOf(terms)));
    expect(follower.raft.membership).toEqual(three);
  });

  test('makes a learner of a voter: it campaigns no more', () => {
    const follower = followerWith([]);
    follower.receive(installOf(withMembership(learner2)));
    follower.tickAt(5000);
    expect(follower.raft.role).toBe('follower');
  });

  test('makes a voter of a learner: it may campaign', () => {
    const follower = followerWith([], { membership: learner2 });
    follower.tickAt(5000);
    expect(follower.raft.role).toBe('follower');
    follower.receive(installOf(snapshotOf(terms)));
    follower.tickAt(10_000);
    expect(follower.raft.role).toBe('pre-candidate');
  });

  test('makes nobody campaign before the snapshot is durable and its rows are taken over', () => {
    const follower = followerWith([], { membership: joint });
    follower.applies = false;
    stepped(follower, installOf(withMembership(joint)));
    follower.tickAt(5000);
    expect(follower.raft.role).toBe('follower');
    follower.flush();
    follower.tickAt(10_000);
    expect(follower.raft.role).toBe('follower');
    follower.apply();
    follower.tickAt(15_000);
    expect(follower.raft.role).toBe('pre-candidate');
  });
});

test('votes are given by what the snapshot says of the log', () => {
  const follower = followerWith([]);
  follower.receive(installOf(snapshotOf(terms)));
  follower.tickAt(2000);
  const ask = (lastIndex: number, lastTerm: number, id: number): Message => {
    const asked = { lastIndex, lastTerm, campaign: id, transfer: false };
    return { type: 'Vote', from: 3, to: 2, term: term + id, ...asked };
  };
  const grants = [ask(7, 5, 1), ask(9, 4, 2), ask(8, 5, 3)].map(
    (message) => ofType(follower.receive(message), 'VoteReply')[0]?.granted,
  );
  expect(grants).toEqual([false, false, true]);
});
