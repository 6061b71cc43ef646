// What a pre-candidate and a candidate do: count the answers of their campaign, and give way to a leader.

import { unreachable } from '../assert.ts';
import type { CandidateState, Core, PreCandidateState, TermMessage } from './core.ts';
import { mayCampaign, onPreVoteReply, onVote, onVoteReply, startCampaign } from './election.ts';
import { stepFollower } from './follower.ts';
import { onForwardedRead } from './read-index.ts';
import { becomeFollower } from './roles.ts';
import type { Append, Commit, Heartbeat, InstallSnapshot } from './types.ts';

export function stepCandidate<P>(
  core: Core<P>,
  state: PreCandidateState | CandidateState,
  message: TermMessage<P>,
): void {
  switch (message.type) {
    case 'Append':
    case 'Commit':
    case 'InstallSnapshot':
    case 'Heartbeat':
      yieldTo(core, message);
      return;
    case 'Vote':
      onVote(core, message);
      return;
    case 'PreVoteReply':
      if (state.role === 'pre-candidate') onPreVoteReply(core, state, message);
      return;
    case 'VoteReply':
      if (state.role === 'candidate') onVoteReply(core, state, message);
      return;
    case 'ReadIndex':
      onForwardedRead(core, message);
      return;
    case 'Quiesce':
    case 'QuiesceOk':
    case 'TimeoutNow':
    case 'ReadIndexReply':
    case 'AppendOk':
    case 'AppendReject':
    case 'HeartbeatOk':
      // What was meant for this replica in another role.
      return;
    default:
      unreachable(message);
  }
}

export function tickCandidate<P>(core: Core<P>, state: PreCandidateState | CandidateState): void {
  if (core.nowMs >= state.deadlineMs && mayCampaign(core)) startCampaign(core);
}

/** Another has won the term (thesis 3.4). */
function yieldTo<P>(
  core: Core<P>,
  message: Append<P> | Commit | InstallSnapshot | Heartbeat,
): void {
  becomeFollower(core, core.term, message.from);
  if (core.state.role === 'follower') stepFollower(core, core.state, message);
}
