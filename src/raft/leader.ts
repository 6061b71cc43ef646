// What a leader does: it appends what is proposed, follows how far its followers have come, and tells
// them that it lives.

import { assert, unreachable } from '../assert.ts';
import type { Core, LeaderState, TermMessage } from './core.ts';
import { onVote } from './election.ts';
import { onQuiesceOk, proposeQuiescence } from './quiesce.ts';
import { quorumValue } from './quorum.ts';
import { onForwardedRead, onRoundAnswered } from './read-index.ts';
import { advanceCommit } from './reconfigure.ts';
import { appendOwn, broadcastHeartbeat, nextHeartbeatMs } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { continueTransfer, expireTransfer, isTransferring, leaveStalledDisk } from './transfer.ts';
import type { AppendOk, AppendReject, Draft, HeartbeatOk, ProposeResult } from './types.ts';

export function stepLeader<P>(core: Core<P>, state: LeaderState<P>, message: TermMessage<P>): void {
  switch (message.type) {
    case 'AppendOk':
      onAppendOk(core, state, message);
      return;
    case 'AppendReject':
      onAppendReject(core, state, message);
      return;
    case 'HeartbeatOk':
      onHeartbeatOk(core, state, message);
      return;
    case 'Vote':
      onVote(core, message);
      return;
    case 'ReadIndex':
      onForwardedRead(core, message);
      return;
    case 'Append':
    case 'Commit':
    case 'InstallSnapshot':
    case 'Heartbeat':
      assert(false, 'one leader a term');
      return;
    case 'QuiesceOk':
      onQuiesceOk(core, state, message);
      return;
    case 'PreVoteReply':
    case 'VoteReply':
    case 'Quiesce':
    case 'TimeoutNow':
    case 'ReadIndexReply':
      // What was meant for this replica in another role.
      return;
    default:
      unreachable(message);
  }
}

export function tickLeader<P>(core: Core<P>, state: LeaderState<P>): void {
  if (state.quiesced) return;
  if (core.config.checkQuorum && !isHeardByQuorum(core, state)) {
    becomeFollower(core, core.term, 0);
    return;
  }
  expireTransfer(core, state);
  leaveStalledDisk(core, state);
  if (core.nowMs < nextHeartbeatMs(core, state)) return;
  broadcastHeartbeat(core, state);
  proposeQuiescence(core, state);
}

/** What this replica appended has become durable here. */
export function onOwnWrite<P>(core: Core<P>, state: LeaderState<P>): void {
  advanceCommit(core, state);
  if (core.state === state) continueTransfer(core, state);
}

export function proposeAsLeader<P>(
  core: Core<P>,
  state: LeaderState<P>,
  draft: Draft<P>,
): ProposeResult {
  if (isTransferring(state)) return { ok: false, reason: 'transferring' };
  const bytes = state.uncommittedBytes + draft.payloadBytes;
  const isTooMuch = bytes > core.config.uncommittedBytesMax;
  // One alone may be of any size, and what costs nothing is always taken.
  if (isTooMuch && draft.payloadBytes > 0 && state.uncommittedBytes > 0) {
    return { ok: false, reason: 'too-much-uncommitted' };
  }
  return { ok: true, index: appendOwn(core, state, draft), term: core.term };
}

function onAppendOk<P>(core: Core<P>, state: LeaderState<P>, message: AppendOk): void {
  assert(message.match <= core.log.lastIndex, 'a follower acknowledges only what it was sent');
  // A late answer of one that was removed finds no progress, here and below.
  const progress = state.byId.get(message.from);
  if (progress === undefined) return;
  progress.answered(core.nowMs);
  if (progress.acknowledged(message.match, core.log.boundary)) advanceCommit(core, state);
  if (core.state === state) continueTransfer(core, state);
}

function onAppendReject<P>(core: Core<P>, state: LeaderState<P>, message: AppendReject): void {
  const { hintIndex, hintTerm, prevIndex } = message;
  const agreement = core.log.newestUpTo(hintIndex, hintTerm);
  const progress = state.byId.get(message.from);
  if (progress === undefined) return;
  progress.answered(core.nowMs);
  progress.rejected(prevIndex, agreement.index);
}

function onHeartbeatOk<P>(core: Core<P>, state: LeaderState<P>, message: HeartbeatOk): void {
  state.byId.get(message.from)?.alive(core.log.lastIndex, core.nowMs);
  onRoundAnswered(core, state, message);
}

/** A quorum of voters within the last electionTimeoutMs (thesis 6.2). */
function isHeardByQuorum<P>(core: Core<P>, { scratch, byId }: LeaderState<P>): boolean {
  const heardMs = quorumValue(core.memberships.current, scratch, (voter) =>
    voter === core.self ? core.nowMs : (byId.get(voter)?.heardMs ?? 0),
  );
  return core.nowMs - heardMs < core.config.electionTimeoutMs;
}
