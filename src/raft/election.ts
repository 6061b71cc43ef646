// Campaigns and votes (thesis 3.4, 3.6.1, 9.6). A campaign first asks whether it could win (PreVote),
// which changes nothing anywhere; only then does it enter a term. A vote, for itself too, is a promise:
// it counts, and leaves, once it is durable.

import { assert } from '../assert.ts';
import {
  type CandidateState,
  type Core,
  type FollowerState,
  leaderOf,
  type PreCandidateState,
  send,
  sendWhenDurable,
} from './core.ts';
import { votersOf } from './membership.ts';
import { wakeFollower, wakeLeader } from './quiesce.ts';
import { type VoteResult, voteResult } from './quorum.ts';
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  noteHurriedCampaign,
  vote,
} from './roles.ts';
import type { PreVote, PreVoteReply, ReplicaId, Vote, VoteReply } from './types.ts';

/** False while the lease of a leader may rest on this replica's word (thesis 6.4.1). */
export function mayCampaign<P>(core: Core<P>): boolean {
  return isPromotable(core) && (!core.config.lease || !hearsLeader(core));
}

/**
 * Not before the shell has applied every membership known to be committed. One whose removal, or
 * demotion, is not known to be committed may campaign, without a vote of its own: the others may need
 * its log to win (thesis 4.2.2).
 */
function isPromotable<P>(core: Core<P>): boolean {
  const { memberships, self, applied, commit } = core;
  return memberships.mayHaveVoter(self) && !memberships.changesBetween(applied, commit);
}

export function startCampaign<P>(core: Core<P>): void {
  assert(isPromotable(core), 'only who may lead campaigns');
  if (core.deadLeader !== 0) noteHurriedCampaign(core);
  if (!core.config.preVote) {
    requestVotes(core, false);
    return;
  }
  becomePreCandidate(core);
  const { state, self: from } = core;
  assert(state.role === 'pre-candidate', 'a campaign begins as pre-candidate');
  const { index: lastIndex, term: lastTerm } = core.log.tail;
  const term = core.term + 1;
  const { campaign } = state;
  for (const to of votersOf(core.memberships.current)) {
    if (to === from) continue;
    send(core, { type: 'PreVote', from, to, term, lastIndex, lastTerm, campaign });
  }
  settlePreVote(core, state);
}

/** The leader has seen to it that this replica can win: it is not asked first (thesis 3.10). */
export function campaignIfTold<P>(core: Core<P>, state: FollowerState): void {
  if (state.isTold && isPromotable(core)) requestVotes(core, true);
}

function settlePreVote<P>(core: Core<P>, state: PreCandidateState): void {
  const result = countVotes(core, state);
  if (result === 'won') requestVotes(core, false);
  else if (result === 'lost') becomeFollower(core, core.term, 0);
}

function requestVotes<P>(core: Core<P>, transfer: boolean): void {
  becomeCandidate(core);
  const { state, self: from, term } = core;
  const { index: lastIndex, term: lastTerm } = core.log.tail;
  assert(state.role === 'candidate', 'votes are asked for by a candidate');
  const { campaign } = state;
  for (const to of votersOf(core.memberships.current)) {
    if (to === from) continue;
    // Durable are then the term, the own vote and the log advertised: a crash takes back none of it.
    const asked = { lastIndex, lastTerm, campaign, transfer };
    sendWhenDurable(core, { type: 'Vote', from, to, term, ...asked });
  }
}

function settleVote<P>(core: Core<P>, state: CandidateState): void {
  const result = countVotes(core, state);
  if (result === 'won') becomeLeader(core);
  else if (result === 'lost') becomeFollower(core, core.term, 0);
}

function countVotes<P>(core: Core<P>, state: PreCandidateState | CandidateState): VoteResult {
  const { granted, refused } = state;
  return voteResult(core.memberships.current, (id) => {
    if (granted.has(id)) return 'granted';
    // A dead leader's process answers nobody; that alone is no reason to give up.
    const isDead = id === core.deadLeader && refused.size > 0;
    return refused.has(id) || isDead ? 'refused' : 'open';
  });
}

/** The own vote has become durable. */
export function countSelfVote<P>(core: Core<P>): void {
  const { state } = core;
  if (state.role !== 'candidate' || state.granted.has(core.self)) return;
  if (core.outputs.persistedSeq < state.selfVoteSeq) return;
  state.granted.add(core.self);
  settleVote(core, state);
}

export function onPreVoteReply<P>(
  core: Core<P>,
  state: PreCandidateState,
  message: PreVoteReply,
): void {
  if (message.campaign !== state.campaign) return;
  tally(state, message.from, message.granted);
  settlePreVote(core, state);
}

export function onVoteReply<P>(core: Core<P>, state: CandidateState, message: VoteReply): void {
  if (message.campaign !== state.campaign) return;
  tally(state, message.from, message.granted);
  settleVote(core, state);
}

function tally(
  state: PreCandidateState | CandidateState,
  voter: ReplicaId,
  granted: boolean,
): void {
  if (granted) state.granted.add(voter);
  else if (!state.granted.has(voter)) state.refused.add(voter);
}

export function onPreVote<P>(core: Core<P>, message: PreVote): void {
  const { from: to, campaign, lastIndex, lastTerm } = message;
  const { state } = core;
  if (state.role === 'leader') wakeLeader(core, state);
  // A leader that campaigns leads no more.
  if (state.role === 'follower' && state.leader === to) wakeFollower(core, state, -Infinity);
  const granted =
    message.term > core.term &&
    !hearsLeader(core) &&
    core.log.isUpToDate({ index: lastIndex, term: lastTerm });
  // A refusal tells the own term, so that one left behind learns it; a grant is for the term asked.
  const term = granted ? message.term : core.term;
  send(core, { type: 'PreVoteReply', from: core.self, to, term, granted, campaign });
}

/** With a lease, also one that was forgotten since: its lease rests on this replica's answer. */
function hearsLeader<P>(core: Core<P>): boolean {
  if (core.state.role === 'leader') return true;
  if (core.state.role === 'follower' && core.state.quiesced) return true;
  if (leaderOf(core) === 0 && !core.config.lease) return false;
  return core.nowMs - core.leaderHeardMs < core.config.electionTimeoutMs;
}

/** A live leader is not voted out, whatever term is asked for, and no term is entered for it. */
export function ignoresVote<P>(core: Core<P>, message: Vote): boolean {
  const { checkQuorum, lease } = core.config;
  if (message.transfer || !checkQuorum) return false;
  return (message.term > core.term || lease) && hearsLeader(core);
}

/** The term of the message is the own one. */
export function onVote<P>(core: Core<P>, message: Vote): void {
  const { from: to, campaign, lastIndex, lastTerm } = message;
  const { self: from, term } = core;
  const isRepeated = core.votedFor === to;
  const isFree = core.votedFor === 0 && leaderOf(core) === 0;
  const granted =
    (isRepeated || isFree) && core.log.isUpToDate({ index: lastIndex, term: lastTerm });
  if (!granted) {
    send(core, { type: 'VoteReply', from, to, term, granted, campaign });
    return;
  }
  if (!isRepeated) vote(core, to);
  giveTimeToWin(core);
  sendWhenDurable(core, { type: 'VoteReply', from, to, term, granted, campaign });
}

/** Whoever was promised a vote is not disturbed by a campaign of this replica for a while. */
function giveTimeToWin<P>(core: Core<P>): void {
  if (core.state.role === 'pre-candidate') becomeFollower(core, core.term, 0);
  if (core.state.role !== 'follower') return;
  core.state.deadlineMs = core.nowMs + core.state.timeoutMs;
}
