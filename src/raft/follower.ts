// What a follower does: it takes the leader's entries, acknowledges them once durable, learns what is
// committed, and campaigns when the leader has been silent, or is known to be dead.

import { assert, unreachable } from '../assert.ts';
import {
  acknowledge,
  appendToLog,
  type Core,
  type FollowerState,
  send,
  sendWhenDurable,
  type TermMessage,
  truncateLog,
} from './core.ts';
import { campaignIfTold, mayCampaign, onVote, startCampaign } from './election.ts';
import { onQuiesce } from './quiesce.ts';
import { endReads, expireForwardedReads, onForwardedRead, onReadIndexReply } from './read-index.ts';
import { recogniseLeader, successionPart } from './roles.ts';
import { onInstallSnapshot } from './snapshot.ts';
import type { Append, Commit, Entry, Heartbeat, ReplicaId } from './types.ts';

export function stepFollower<P>(
  core: Core<P>,
  state: FollowerState,
  message: TermMessage<P>,
): void {
  switch (message.type) {
    case 'Append':
      onAppend(core, state, message);
      return;
    case 'Commit':
      onCommit(core, state, message);
      return;
    case 'InstallSnapshot':
      hear(core, state, message.from);
      onInstallSnapshot(core, message);
      return;
    case 'Heartbeat':
      onHeartbeat(core, state, message);
      return;
    case 'Vote':
      onVote(core, message);
      return;
    case 'ReadIndex':
      onForwardedRead(core, message);
      return;
    case 'ReadIndexReply':
      onReadIndexReply(core, state, message);
      return;
    case 'Quiesce':
      onQuiesce(core, state, message);
      return;
    case 'TimeoutNow':
      if (message.from !== state.leader) return;
      state.isTold = true;
      campaignIfTold(core, state);
      return;
    case 'PreVoteReply':
    case 'VoteReply':
    case 'AppendOk':
    case 'AppendReject':
    case 'HeartbeatOk':
    case 'QuiesceOk':
      // What was meant for this replica in another role.
      return;
    default:
      unreachable(message);
  }
}

export function tickFollower<P>(core: Core<P>, state: FollowerState): void {
  if (state.quiesced) return;
  expireForwardedReads(core, state);
  if (core.nowMs >= state.deadlineMs && mayCampaign(core)) startCampaign(core);
}

/** A dead process is not silence: no need to wait until its silence has become suspicious. */
export function onLeaderDown<P>(core: Core<P>, state: FollowerState, leader: ReplicaId): void {
  assert(state.leader === 0 || state.leader === leader, 'only the last leader can be given up');
  endReads(core);
  state.leader = 0;
  state.quiesced = false;
  state.deadlineMs = Math.min(
    state.deadlineMs,
    core.nowMs + successionPart(core, leader) * core.config.peerDownDelayMs,
  );
}

function hear<P>(core: Core<P>, state: FollowerState, leader: ReplicaId): void {
  assert(state.leader === 0 || state.leader === leader, 'one leader a term');
  if (state.leader === 0) {
    state.leader = leader;
    recogniseLeader(core, leader);
  }
  state.quiesced = false;
  state.isTold = false;
  core.leaderHeardMs = core.nowMs;
  state.deadlineMs = core.nowMs + state.timeoutMs;
}

function onHeartbeat<P>(core: Core<P>, state: FollowerState, message: Heartbeat): void {
  hear(core, state, message.from);
  assert(message.commit <= core.log.lastIndex, 'a heartbeat commits only what was acknowledged');
  core.commit = Math.max(core.commit, message.commit);
  const { self: from, term } = core;
  send(core, { type: 'HeartbeatOk', from, to: message.from, term, round: message.round });
}

function onAppend<P>(core: Core<P>, state: FollowerState, message: Append<P>): void {
  hear(core, state, message.from);
  const { prevIndex, entries } = message;
  if (prevIndex < core.log.boundary) {
    // It was sent before the log began here: what is committed is the leader's log in any case.
    acknowledge(core, message.from, core.commit);
    return;
  }
  if (!fits(core, message)) {
    reject(core, message);
    return;
  }
  let index = prevIndex;
  for (const entry of entries) {
    index += 1;
    assert(entry.index === index, 'entries of an append are contiguous');
    takeEntry(core, entry);
  }
  // Only up to what this append has shown to be the leader's: the rest of the log may conflict.
  core.commit = Math.max(core.commit, Math.min(message.commit, index));
  acknowledge(core, message.from, index);
}

/**
 * The leader waits for no answer. One that does not fit is rejected all the same: an append before it was lost,
 * and the leader would find out only by the next one, or by a heartbeat.
 */
function onCommit<P>(core: Core<P>, state: FollowerState, message: Commit): void {
  hear(core, state, message.from);
  const { prevIndex, commit } = message;
  // It was sent before the log began here: that much is committed in any case.
  if (prevIndex < core.log.boundary) return;
  if (!fits(core, message)) {
    reject(core, message);
    return;
  }
  core.commit = Math.max(core.commit, Math.min(commit, prevIndex));
}

/** Whether the log is the leader's up to there. */
function fits<P>({ log, commit }: Core<P>, { prevIndex, prevTerm }: Append<P> | Commit): boolean {
  const known = log.termAt(prevIndex);
  if (known === prevTerm) return true;
  assert(known === null || prevIndex > commit, 'what is committed never conflicts');
  return false;
}

function takeEntry<P>(core: Core<P>, entry: Entry<P>): void {
  const { log } = core;
  const known = log.termAt(entry.index);
  // Same index and term: the same entry (thesis 3.5). A late append must not cut off what follows it.
  if (known === entry.term) return;
  if (known !== null) {
    assert(entry.index > core.commit, 'a follower never truncates at or below its commit index');
    truncateLog(core, entry.index);
  }
  assert(entry.term <= core.term, 'no entry is of a term yet to come');
  assert(isLinked(core, entry), 'the chain of an entry links it to the entry before');
  appendToLog(core, entry);
}

function isLinked<P>(core: Core<P>, entry: Entry<P>): boolean {
  const expected = core.chain(core.log.tail.chain, entry);
  const { chain } = entry;
  if (chain.length !== expected.length) return false;
  for (let i = 0; i < chain.length; i += 1) if (chain[i] !== expected[i]) return false;
  return true;
}

function reject<P>(core: Core<P>, message: Append<P> | Commit): void {
  const { prevIndex, prevTerm, from: to } = message;
  const hint = core.log.newestUpTo(prevIndex, prevTerm);
  sendWhenDurable(core, {
    type: 'AppendReject',
    from: core.self,
    to,
    term: core.term,
    prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}
