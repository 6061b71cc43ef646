// A lone replica in each role, and what others may send it, with the least that has to be said.

import { assert } from '../../src/assert.ts';
import { foundingMembership } from '../../src/raft/membership.ts';
import type { Role, Snapshot } from '../../src/raft/types.ts';
import { leaderOf } from './network.ts';
import { entriesOf, type Message, ofType, Replica, type ReplicaOptions } from './replica.ts';

export function preCandidate(options: ReplicaOptions = {}): Replica {
  const replica = new Replica(options);
  replica.tickAt(replica.nowMs + 1001);
  return replica;
}

/** All others grant the pre-vote; the vote requests are not collected yet. */
export function candidate(options: ReplicaOptions = {}): Replica {
  const replica = preCandidate(options);
  for (const { from: to, to: from, term, campaign } of ofType(replica.take(), 'PreVote')) {
    replica.step({ type: 'PreVoteReply', from, to, term, campaign, granted: true });
  }
  return replica;
}

export const inRole: Record<Role, (options?: ReplicaOptions) => Replica> = {
  follower: (options) => new Replica(options),
  'pre-candidate': preCandidate,
  candidate,
  leader: leaderOf,
};
export const roles = ['follower', 'pre-candidate', 'candidate', 'leader'] as const;

export function heartbeat(term: number, from = 2, to = 1, commit = 0): Message {
  return { type: 'Heartbeat', from, to, term, commit, round: 0 };
}

export function voteRequest(term: number, lastIndex: number, lastTerm: number, from = 2): Message {
  return { type: 'Vote', from, to: 1, term, lastIndex, lastTerm, campaign: 77, transfer: false };
}

export function preVoteRequest(
  term: number,
  lastIndex: number,
  lastTerm: number,
  from = 2,
): Message {
  return { type: 'PreVote', from, to: 1, term, lastIndex, lastTerm, campaign: 77 };
}

/** An append from leader 1 to follower 2 of what lies above `prevIndex` in a log of these terms. */
export function appendOf(
  terms: readonly number[],
  prevIndex: number,
  commit = 0,
  term = 9,
): Message {
  const prevTerm = terms[prevIndex - 1] ?? 0;
  const entries = entriesOf(terms).slice(prevIndex);
  return { type: 'Append', from: 1, to: 2, term, prevIndex, prevTerm, entries, commit };
}

/** The same without entries, after any place. */
export function emptyAppendAt(prevIndex: number, prevTerm: number, commit = 0, term = 9): Message {
  return { type: 'Append', from: 1, to: 2, term, prevIndex, prevTerm, entries: [], commit };
}

/** One of every type but the asks for votes, from replica 2 to replica 1. */
export function ofEveryType(term: number): Message[] {
  const to1 = { from: 2, to: 1, term };
  const campaign = 77;
  return [
    { type: 'Append', ...to1, prevIndex: 0, prevTerm: 0, entries: [], commit: 0 },
    { type: 'Commit', ...to1, prevIndex: 0, prevTerm: 0, commit: 0 },
    { type: 'InstallSnapshot', ...to1, snapshot: snapshotOf([1]) },
    { type: 'Heartbeat', ...to1, commit: 0, round: 0 },
    { type: 'AppendOk', ...to1, match: 0 },
    { type: 'AppendReject', ...to1, prevIndex: 0, hintIndex: 0, hintTerm: 0 },
    { type: 'HeartbeatOk', ...to1, round: 0 },
    { type: 'PreVoteReply', ...to1, granted: false, campaign },
    { type: 'VoteReply', ...to1, granted: false, campaign },
    { type: 'TimeoutNow', ...to1 },
    { type: 'ReadIndex', ...to1, context: 1 },
    { type: 'ReadIndexReply', ...to1, context: 1, index: 0 },
  ];
}

export function granted(replies: readonly Message[]): boolean[] {
  const votes = [...ofType(replies, 'VoteReply'), ...ofType(replies, 'PreVoteReply')];
  return votes.map((reply) => reply.granted);
}

/** What the state after entry `index` of a log of these terms is called by. */
export function snapshotOf(
  terms: readonly number[],
  index = terms.length,
  membership = foundingMembership([1, 2, 3]),
): Snapshot {
  const entry = entriesOf(terms)[index - 1];
  assert(entry !== undefined, 'a snapshot is of an entry');
  const { term, chain, timeMs } = entry;
  return { index, term, chain, timeMs, membership };
}

/** From leader 1 to follower 2. */
export function installOf(snapshot: Snapshot, term = 9): Message {
  return { type: 'InstallSnapshot', from: 1, to: 2, term, snapshot };
}
