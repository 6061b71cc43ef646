// What a leader does for a follower that needs what its log no longer has (thesis 5.3), and the snapshot
// mode of its progress (what etcd's raft is held to).

import { describe, expect, test } from 'vitest';
import type { ReplicaProgress, SnapshotRequest } from '../../src/raft/types.ts';
import { snapshotOf } from './in-role.ts';
import { ack, leaderOf, readyLeader } from './network.ts';
import { type Message, ofType, type Replica, type ReplicaOptions } from './replica.ts';

/** Ten entries, of which two are left in the log. */
const compactedLog = {
  terms: [1, 1, 1, 2, 2, 2, 2, 2, 3, 3],
  term: 3,
  commit: 10,
  checkpoint: 8,
  boundary: 8,
};

/** Leads in term 4 since entry 11; nobody has answered anything. */
function compactedLeader(options: ReplicaOptions = {}): Replica {
  const leader = leaderOf({ ...compactedLog, ...options });
  leader.take();
  return leader;
}

/** Follower 2 says that nothing above `hintIndex` of its log can agree. */
function reject(leader: Replica, hintIndex = 0, hintTerm = 0, from = 2): void {
  const prevIndex = progressOf(leader, from).next - 1;
  const { term } = leader.raft;
  leader.step({ type: 'AppendReject', from, to: 1, term, prevIndex, hintIndex, hintTerm });
}

function heartbeatOk(leader: Replica, from = 2): void {
  leader.step({ type: 'HeartbeatOk', from, to: 1, term: leader.raft.term, round: 0 });
}

/** A heartbeat period passes, and the follower answers. */
function beat(leader: Replica, ...answering: number[]): Message[] {
  leader.tickAt(leader.nowMs + 100);
  for (const from of answering) heartbeatOk(leader, from);
  return leader.take();
}

function progressOf(leader: Replica, id = 2): ReplicaProgress {
  const found = leader.raft.progress().find((one) => one.id === id);
  if (found === undefined) throw new Error(`no progress of ${id}`);
  return found;
}

/** As compactedLeader, with a snapshot asked for. */
function asked(options: ReplicaOptions = {}): { leader: Replica; request: SnapshotRequest } {
  const leader = compactedLeader(options);
  reject(leader);
  leader.take();
  return { leader, request: requestOf(leader) };
}

function requestOf(leader: Replica): SnapshotRequest {
  const request = leader.snapshots.at(-1);
  if (request === undefined) throw new Error('no snapshot was asked for');
  return request;
}

function sent(leader: Replica, request: SnapshotRequest, index = 10): Message[] {
  leader.raft.onSnapshotSent(request, snapshotOf(compactedLog.terms, index), leader.nowMs);
  return leader.take();
}

function toFollower(messages: readonly Message[], type: Message['type'], to = 2): Message[] {
  return ofType(messages, type).filter((message) => message.to === to);
}

describe('a snapshot is asked for', () => {
  test('where the logs agree at nothing above the boundary; that much is pending', () => {
    const leader = compactedLeader();
    reject(leader, 3, 1);
    expect(toFollower(leader.take(), 'Append')).toEqual([]);
    expect(leader.snapshots).toEqual([{ to: 2, index: 8 }]);
    const pending = { mode: 'snapshot', match: 0, next: 9, pendingSnapshot: 8, paused: true };
    expect(progressOf(leader)).toMatchObject(pending);
  });

  test('not where they may agree at the boundary itself', () => {
    const leader = compactedLeader();
    reject(leader, 8, 2);
    expect(toFollower(leader.take(), 'Append')).toMatchObject([{ prevIndex: 8, prevTerm: 2 }]);
    expect(leader.snapshots).toEqual([]);
  });

  test('also where nothing at all is left in the log', () => {
    const { terms, term } = compactedLog;
    const leader = leaderOf({ terms, term, checkpoint: 10, boundary: 10 });
    expect(ofType(leader.take(), 'Append')).toMatchObject([{ prevIndex: 10 }, { prevIndex: 10 }]);
    reject(leader, 9, 3);
    leader.take();
    expect(leader.snapshots).toEqual([{ to: 2, index: 10 }]);
  });

  test('where the log is compacted while a follower is behind', () => {
    const leader = readyLeader({ config: { inflightAppendsMax: 1 } });
    for (const payload of ['a', 'b', 'c']) {
      leader.propose(payload);
      leader.take();
      ack(leader, 3);
      leader.take();
    }
    leader.checkpoint += leader.applied.splice(0).length;
    leader.compact(4);
    // What is on its way may still arrive.
    leader.take();
    expect(progressOf(leader)).toMatchObject({ mode: 'replicate', match: 1, next: 3 });
    expect(toFollower(beat(leader, 2), 'Append')).toEqual([]);
    expect(leader.snapshots).toEqual([{ to: 2, index: 4 }]);
  });

  test('for a learner as for a voter', () => {
    const membership = {
      ...{ incoming: [1, 3], outgoing: [], learners: [2], learnersNext: [] },
      ...{ highestId: 3, autoLeave: false },
    };
    const { leader, request } = asked({ membership });
    expect(sent(leader, request)).toMatchObject([{ type: 'InstallSnapshot', to: 2 }]);
    ack(leader, 2);
    leader.take();
    expect(progressOf(leader)).toMatchObject({ learner: true, mode: 'replicate', match: 11 });
    expect(leader.raft.commit).toBe(10);
  });

  test('not for one that has not answered since this replica leads', () => {
    const leader = compactedLeader();
    leader.raft.peerDown(2, leader.nowMs);
    leader.take();
    expect(leader.snapshots).toEqual([]);
    expect(progressOf(leader)).toMatchObject({ mode: 'probe', next: 1, paused: false });
    heartbeatOk(leader);
    leader.take();
    expect(leader.snapshots).toHaveLength(1);
  });

  test('not for one whose process is known to be dead, until it answers again', () => {
    const { leader } = asked();
    leader.raft.peerDown(2, leader.nowMs);
    leader.take();
    expect(leader.snapshots).toHaveLength(1);
    beat(leader);
    expect(leader.snapshots).toHaveLength(1);
    beat(leader, 2);
    expect(leader.snapshots).toHaveLength(2);
  });

  test('not again for one that has been silent for an election timeout', () => {
    const { leader, request } = asked({ config: { checkQuorum: false } });
    leader.tickAt(leader.nowMs + 450);
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    beat(leader);
    expect(leader.snapshots).toHaveLength(1);
    heartbeatOk(leader);
    leader.take();
    expect(leader.snapshots).toHaveLength(2);
  });
});

describe('while a snapshot is pending', () => {
  test('the follower gets heartbeats, and no append, whatever is proposed, answered or refused', () => {
    const { leader } = asked();
    for (let i = 0; i < 10; i += 1) {
      leader.propose(`p${i}`);
      if (i % 3 === 0) reject(leader, i);
      const messages = beat(leader, 2, 3);
      expect(toFollower(messages, 'Append')).toEqual([]);
      expect(toFollower(messages, 'Heartbeat')).toMatchObject([{ commit: 0 }]);
    }
    expect(leader.snapshots).toHaveLength(1);
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', next: 9, inflight: 0 });
  });

  test('nothing of it counts as stored: not its request, nor its leaving', () => {
    const { leader, request } = asked();
    sent(leader, request);
    expect(progressOf(leader)).toMatchObject({ match: 0 });
    expect(leader.raft.follower(2)?.match).toBe(0);
    expect(leader.raft.commit).toBe(10);
  });

  test('the log goes on being compacted, and nothing else is asked for', () => {
    const { leader } = asked();
    leader.checkpoint = 10;
    leader.applied.splice(0);
    leader.compact(10);
    beat(leader, 2);
    expect(leader.snapshots).toHaveLength(1);
  });

  test('who answers heartbeats counts for checkQuorum, who is silent does not', () => {
    const { leader } = asked();
    for (let i = 0; i < 20; i += 1) beat(leader, 2);
    expect(leader.raft.role).toBe('leader');
    for (let i = 0; i < 6; i += 1) beat(leader);
    expect(leader.raft.role).toBe('follower');
  });

  test('who answers heartbeats, and never that it installed, does not count', () => {
    const { leader, request } = asked();
    sent(leader, request);
    for (let i = 0; i < 56; i += 1) beat(leader, 2);
    expect(leader.raft.role).toBe('follower');
  });

  test('one whose transfers fail again and again counts: its disk owes no answer', () => {
    const { leader } = asked();
    for (let i = 0; i < 20; i += 1) {
      leader.raft.onSnapshotFailed(requestOf(leader), leader.nowMs);
      beat(leader, 2);
    }
    expect(leader.snapshots).toHaveLength(21);
    expect(leader.raft.role).toBe('leader');
  });

  test('leadership given to the follower waits, and stays where that takes too long', () => {
    const { leader } = asked();
    expect(leader.raft.transferLeadership(2, leader.nowMs)).toEqual({ ok: true });
    expect(ofType(leader.take(), 'TimeoutNow')).toEqual([]);
    expect(leader.raft.transferring).toBe(false);
    expect(leader.propose('a')).toMatchObject({ ok: true });
    for (let i = 0; i < 5; i += 1) beat(leader, 2, 3);
    expect(leader.raft).toMatchObject({ role: 'leader', transferee: 0 });
  });

  test('leadership given to the follower follows once it has caught up from the snapshot', () => {
    const { leader, request } = asked();
    leader.raft.transferLeadership(2, leader.nowMs);
    sent(leader, request);
    ack(leader, 2, 10);
    expect(ofType(leader.take(), 'TimeoutNow')).toEqual([]);
    ack(leader, 2, 11);
    expect(ofType(leader.take(), 'TimeoutNow')).toMatchObject([{ to: 2 }]);
  });

  test('the group does not fall silent', () => {
    const { leader } = asked({ config: { quiesceAfterMs: 0 } });
    ack(leader, 3);
    leader.take();
    expect(ofType(beat(leader, 2, 3), 'Quiesce')).toEqual([]);
  });
});

describe('a snapshot that is there', () => {
  test('is told of in the term of the leader; its acknowledgement ends the mode', () => {
    const { leader, request } = asked();
    leader.propose('a');
    const [install] = sent(leader, request).filter(({ type }) => type === 'InstallSnapshot');
    expect(install).toEqual({
      ...{ type: 'InstallSnapshot', from: 1, to: 2, term: 4 },
      snapshot: snapshotOf(compactedLog.terms, 10),
    });
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', pendingSnapshot: 10, next: 11 });
    ack(leader, 2, 10);
    const appends = toFollower(leader.take(), 'Append');
    expect(appends).toMatchObject([{ prevIndex: 10, entries: [{ index: 11 }, { index: 12 }] }]);
    expect(progressOf(leader)).toMatchObject({ mode: 'replicate', match: 10, next: 13 });
  });

  test('and not acknowledged within a heartbeat period, is followed by a probe after it', () => {
    const { leader, request } = asked();
    sent(leader, request);
    expect(toFollower(beat(leader, 2), 'Append')).toMatchObject([{ prevIndex: 10 }]);
    expect(progressOf(leader)).toMatchObject({ mode: 'probe', match: 0, next: 11, paused: true });
    // It was lost.
    reject(leader);
    leader.take();
    expect(leader.snapshots).toEqual([request, { to: 2, index: 8 }]);
  });

  test('is not mistaken for refused by an answer to an earlier append', () => {
    const { leader, request } = asked();
    sent(leader, request);
    leader.step({
      ...{ type: 'AppendReject', from: 2, to: 1, term: 4 },
      ...{ prevIndex: 10, hintIndex: 0, hintTerm: 0 },
    });
    leader.take();
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', next: 11 });
    expect(leader.snapshots).toHaveLength(1);
  });

  test('may be older than what the follower has acknowledged since', () => {
    const { leader, request } = asked();
    leader.checkpoint = 10;
    leader.applied.splice(0);
    leader.compact(10);
    ack(leader, 2, 9);
    sent(leader, request, 8);
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', match: 9, next: 10 });
    beat(leader, 2);
    expect(leader.snapshots).toHaveLength(2);
  });

  test('may be older than what was compacted meanwhile: then another is asked for', () => {
    const { leader, request } = asked();
    leader.checkpoint = 10;
    leader.applied.splice(0);
    leader.compact(10);
    sent(leader, request, 9);
    ack(leader, 2, 9);
    leader.take();
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', match: 9 });
    beat(leader, 2);
    expect(leader.snapshots).toEqual([request, { to: 2, index: 10 }]);
  });
});

describe('a snapshot that is not the own log’s, applied', () => {
  test.each([
    ['older than asked for', snapshotOf(compactedLog.terms, 7)],
    ['newer than what is applied', snapshotOf([...compactedLog.terms, 4])],
    ['of another term', snapshotOf([1, 1, 1, 2, 2, 2, 2, 2, 2])],
  ])('is never sent: one that is %s', (_, snapshot) => {
    const { leader, request } = asked();
    expect(() => leader.raft.onSnapshotSent(request, snapshot, leader.nowMs)).toThrow(
      'a snapshot is',
    );
  });
});

describe('a snapshot that failed', () => {
  test('is asked for again after a heartbeat period; until then nothing is sent', () => {
    const { leader, request } = asked();
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    leader.take();
    expect(progressOf(leader)).toMatchObject({ mode: 'probe', next: 1, pendingSnapshot: 0 });
    leader.propose('a');
    heartbeatOk(leader);
    expect(toFollower(leader.take(), 'Append')).toEqual([]);
    expect(leader.snapshots).toHaveLength(1);
    expect(toFollower(beat(leader, 2), 'Append')).toEqual([]);
    expect(leader.snapshots).toHaveLength(2);
  });

  test('is not needed any more where the follower has come to the log otherwise', () => {
    const { leader, request } = asked();
    ack(leader, 2, 9);
    expect(progressOf(leader)).toMatchObject({ mode: 'replicate', match: 9 });
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    expect(progressOf(leader)).toMatchObject({ mode: 'replicate', match: 9 });
  });
});

describe('an acknowledgement', () => {
  test.each([
    [7, 'snapshot'],
    [8, 'replicate'],
    [9, 'replicate'],
    [11, 'replicate'],
  ])(
    'of %i, where the log begins after 8 and snapshot 10 is pending, leads to: %s',
    (match, mode) => {
      const { leader, request } = asked();
      sent(leader, request);
      ack(leader, 2, match);
      expect(progressOf(leader)).toMatchObject({ mode, match });
    },
  );
});

describe('a late report', () => {
  test('of a follower whose process died meanwhile does nothing', () => {
    const { leader, request } = asked();
    leader.raft.peerDown(2, leader.nowMs);
    leader.take();
    expect(progressOf(leader)).toMatchObject({ mode: 'probe', next: 1 });
    expect(sent(leader, request)).toEqual([]);
    expect(progressOf(leader)).toMatchObject({ mode: 'probe', next: 1 });
  });

  test('on an earlier request for the same follower does nothing to the newer one', () => {
    const { leader, request } = asked();
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    beat(leader, 2);
    expect(leader.snapshots).toHaveLength(2);
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    expect(sent(leader, request)).toEqual([]);
    expect(progressOf(leader)).toMatchObject({ mode: 'snapshot', pendingSnapshot: 8 });
    const again = sent(leader, requestOf(leader));
    expect(again).toMatchObject([{ type: 'InstallSnapshot' }]);
  });

  test('to one that leads no more, or of one that is no member, does nothing', () => {
    const { leader, request } = asked();
    leader.step({ type: 'Heartbeat', from: 3, to: 1, term: 5, commit: 0, round: 1 });
    expect(ofType(sent(leader, request), 'InstallSnapshot')).toEqual([]);
    leader.raft.onSnapshotFailed(request, leader.nowMs);
    const stranger = compactedLeader();
    expect(sent(stranger, { to: 9, index: 8 })).toEqual([]);
  });
});
