// What a message does by its term, in each role, and which changes of role there are
// (paper 5.1, 5.2; the tables that etcd's raft is held to).

import { describe, expect, test } from 'vitest';
import type { Core } from '../../src/raft/core.ts';
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
} from '../../src/raft/roles.ts';
import { createCore } from '../../src/raft/start.ts';
import type { Role } from '../../src/raft/types.ts';
import {
  appendOf,
  granted,
  heartbeat,
  inRole,
  ofEveryType,
  preVoteRequest,
  roles,
  voteRequest,
} from './in-role.ts';
import { type Message, ofType, Replica } from './replica.ts';

function standing({ raft, hardState }: Replica): unknown {
  const { role, term, leader, commit, lastIndex } = raft;
  return { role, term, leader, commit, lastIndex, votedFor: hardState.votedFor };
}

describe.each(roles)('a %s', (role) => {
  test.each(ofEveryType(9).map((message) => [message.type, message] as const))(
    'that gets %s of a higher term adopts the term, durably, and follows',
    (type, message) => {
      const replica = inRole[role]({ terms: [1] });
      replica.receive(message);
      const leader = ['Append', 'Commit', 'InstallSnapshot', 'Heartbeat'].includes(type) ? 2 : 0;
      expect([replica.raft.role, replica.raft.term, replica.raft.leader]).toEqual([
        'follower',
        9,
        leader,
      ]);
      expect(replica.hardState).toMatchObject({ term: 9, votedFor: 0 });
    },
  );

  test.each(
    [...ofEveryType(3), voteRequest(3, 9, 3), preVoteRequest(3, 9, 3)].map(
      (message) => [message.type, message] as const,
    ),
  )('that gets %s of an earlier term changes nothing', (type, message) => {
    const replica = inRole[role]({ terms: [1, 1], term: 4 });
    replica.take();
    const before = standing(replica);
    const replies = replica.receive(message);
    expect(standing(replica)).toEqual(before);
    const asks = ['Append', 'Commit', 'InstallSnapshot', 'Heartbeat', 'Vote', 'PreVote'];
    // Who asks learns the newer term; answers of the past are not answered.
    expect(replies.map(({ term }) => term)).toEqual(asks.includes(type) ? [replica.raft.term] : []);
  });

  test('grants a vote of a higher term to an up-to-date log, and follows, without checkQuorum', () => {
    const replica = inRole[role]({ terms: [1], config: { checkQuorum: false } });
    replica.take();
    const reply = replica.receive(voteRequest(9, 7, 7));
    expect(granted(reply)).toEqual([true]);
    expect([replica.raft.role, replica.raft.term]).toEqual(['follower', 9]);
    expect(replica.hardState).toMatchObject({ term: 9, votedFor: 2 });
  });

  test('is asked for a pre-vote of a higher term: neither role, term nor vote change', () => {
    const replica = inRole[role]({ terms: [1] });
    replica.take();
    const before = standing(replica);
    expect(granted(replica.receive(preVoteRequest(9, 7, 7)))).toEqual([role !== 'leader']);
    expect(standing(replica)).toEqual(before);
  });
});

describe('a vote in the own term', () => {
  test.each<[Role, number, number, number, boolean]>([
    ['follower', 0, 0, 0, false],
    ['follower', 0, 9, 1, false],
    ['follower', 0, 1, 2, false],
    ['follower', 0, 2, 2, true],
    ['follower', 0, 3, 2, true],
    ['follower', 0, 1, 3, true],
    ['follower', 2, 2, 2, true],
    ['follower', 2, 1, 2, false],
    ['follower', 3, 9, 3, false],
    ['pre-candidate', 0, 2, 2, true],
    ['pre-candidate', 0, 1, 2, false],
    ['pre-candidate', 3, 9, 3, false],
    ['candidate', 0, 9, 3, false],
    ['leader', 0, 9, 3, false],
  ])(
    'by a %s of log terms [2, 2] that voted for %i, asked by 2 with a log to (%i, %i): %s',
    (role, votedFor, lastIndex, lastTerm, expected) => {
      const replica = inRole[role]({ terms: [2, 2], term: 3, votedFor });
      replica.take();
      const ask = voteRequest(replica.raft.term, lastIndex, lastTerm);
      expect(granted(replica.receive(ask))).toEqual([expected]);
    },
  );

  test('is not given once a leader of the term is known', () => {
    const replica = new Replica({ term: 3 });
    replica.receive(heartbeat(3, 3));
    expect(granted(replica.receive(voteRequest(3, 9, 3)))).toEqual([false]);
  });
});

describe('a campaigner falls back', () => {
  test.each<['pre-candidate' | 'candidate', string, number, Message['type']]>([
    ['pre-candidate', 'of the own term', 0, 'Append'],
    ['pre-candidate', 'of the own term', 0, 'Heartbeat'],
    ['pre-candidate', 'of a later term', 1, 'Append'],
    ['candidate', 'of the own term', 0, 'Append'],
    ['candidate', 'of the own term', 0, 'Heartbeat'],
    ['candidate', 'of a later term', 1, 'Append'],
    ['candidate', 'of a later term', 1, 'Heartbeat'],
  ])('a %s follows who leads %s (+%i), by %s (5.2)', (role, _, ahead, type) => {
    const replica = inRole[role]({ id: 2, term: 4 });
    replica.take();
    const term = replica.raft.term + ahead;
    const message = type === 'Append' ? appendOf([1, 4], 0, 2, term) : heartbeat(term, 1, 2);
    const [reply] = replica.receive(message);
    expect(reply?.type).toBe(type === 'Append' ? 'AppendOk' : 'HeartbeatOk');
    expect([replica.raft.role, replica.raft.term, replica.raft.leader]).toEqual([
      'follower',
      term,
      1,
    ]);
    // And waits for that leader from now on.
    replica.tickAt(replica.nowMs + 499);
    expect(ofType(replica.take(), 'PreVote')).toEqual([]);
  });
});

describe('changes of role', () => {
  const changes: Record<Role, (core: Core<string>) => void> = {
    follower: (core) => becomeFollower(core, core.term + 1, 0),
    'pre-candidate': becomePreCandidate,
    candidate: becomeCandidate,
    leader: becomeLeader,
  };
  const paths: Record<Role, readonly Role[]> = {
    follower: [],
    'pre-candidate': ['pre-candidate'],
    candidate: ['pre-candidate', 'candidate'],
    leader: ['pre-candidate', 'candidate', 'leader'],
  };
  const allowed: Record<Role, readonly Role[]> = {
    // To candidate at once: by TimeoutNow, or without PreVote.
    follower: ['follower', 'pre-candidate', 'candidate'],
    'pre-candidate': ['follower', 'pre-candidate', 'candidate'],
    candidate: ['follower', 'pre-candidate', 'candidate', 'leader'],
    leader: ['follower'],
  };

  test.each(roles.flatMap((from) => roles.map((to) => [from, to] as const)))(
    'from %s to %s: only those of the paper are no assertion',
    (from, to) => {
      const core = createCore(new Replica().options());
      for (const role of paths[from]) changes[role](core);
      expect(core.state.role).toBe(from);
      if (allowed[from].includes(to)) {
        changes[to](core);
        expect(core.state.role).toBe(to);
      } else {
        expect(() => changes[to](core)).toThrow(/campaign|candidate/);
      }
    },
  );

  test('a leader does not campaign, however long it is silent around it', () => {
    const leader = inRole.leader({ voters: [1] });
    leader.flush();
    leader.tickAt(leader.nowMs + 60_000);
    expect(leader.take()).toEqual([]);
    expect([leader.raft.role, leader.raft.term]).toEqual(['leader', 1]);
  });

  test.each(['follower', 'pre-candidate', 'candidate'] as const)(
    'a %s sends neither heartbeats nor appends, and takes no proposal',
    (role) => {
      const replica = inRole[role]({ terms: [1] });
      replica.take();
      replica.tickAt(replica.nowMs + 100);
      const left = replica.take();
      expect([...ofType(left, 'Heartbeat'), ...ofType(left, 'Append')]).toEqual([]);
      expect(replica.propose('a')).toEqual({ ok: false, reason: 'not-leader' });
      expect(replica.raft.lastIndex).toBe(1);
    },
  );
});
