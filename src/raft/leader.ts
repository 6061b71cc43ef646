// What a leader does: it appends what is proposed, follows how far its followers have come, and tells
// them that it lives.

import { assert, unreachable } from '../assert.ts';
import type { Core, LeaderState, TermMessage } from './core.ts';
import { onVote } from './election.ts';
import type { Progress } from './progress.ts';
import { onQuiesceOk, proposeQuiescence } from './quiesce.ts';
import { majorityValue } from './quorum.ts';
import { onForwardedRead, onRoundAnswered } from './read-index.ts';
import { advanceLeaderCommit, appendOwn, broadcastHeartbeat } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { continueTransfer, expireTransfer, isTransferring } from './transfer.ts';
import type {
  AppendOk,
  AppendReject,
  Draft,
  HeartbeatOk,
  ProposeResult,
  ReplicaId,
} from './types.ts';

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
  if (core.nowMs < state.heartbeatDueMs) return;
  broadcastHeartbeat(core, state);
  proposeQuiescence(core, state);
}

/** What this replica appended has become durable here. */
export function onOwnWrite<P>(core: Core<P>, state: LeaderState<P>): void {
  advanceLeaderCommit(core, state);
  continueTransfer(core, state);
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
  const progress = progressOf(state, message.from);
  progress.heardMs = core.nowMs;
  if (progress.acknowledged(message.match)) advanceLeaderCommit(core, state);
  continueTransfer(core, state);
}

function onAppendReject<P>(core: Core<P>, state: LeaderState<P>, message: AppendReject): void {
  const { hintIndex, hintTerm, prevIndex } = message;
  const agreement = core.log.newestUpTo(hintIndex, hintTerm);
  const progress = progressOf(state, message.from);
  progress.heardMs = core.nowMs;
  progress.rejected(prevIndex, agreement.index);
}

function onHeartbeatOk<P>(core: Core<P>, state: LeaderState<P>, message: HeartbeatOk): void {
  progressOf(state, message.from).alive(core.log.lastIndex, core.nowMs);
  onRoundAnswered(core, state, message);
}

/** A majority, this replica among it, within the last electionTimeoutMs (thesis 6.2). */
function isHeardByQuorum<P>(core: Core<P>, { scratch, followers }: LeaderState<P>): boolean {
  scratch.length = 0;
  scratch.push(core.nowMs);
  for (const { heardMs } of followers) scratch.push(heardMs);
  return core.nowMs - majorityValue(scratch) < core.config.electionTimeoutMs;
}

function progressOf<P>(state: LeaderState<P>, id: ReplicaId): Progress<P> {
  const progress = state.byId.get(id);
  assert(progress !== undefined, 'a leader knows all who answer it');
  return progress;
}
