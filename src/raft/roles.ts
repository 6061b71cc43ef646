// The only places where term, vote and role change (thesis 3.3, 3.4). What a role was waiting for ends
// with it.

import { assert } from '../assert.ts';
import type { Core, FollowerState, LeaderState } from './core.ts';
import { votersOf } from './membership.ts';
import { endReads } from './read-index.ts';
import { appendOwn, trackMembers } from './replication.ts';
import { EntryKind, type ReplicaId } from './types.ts';

/** A campaign against a dead leader is repeated after 50-150 ms, at most 5 times a second. */
const HURRIED_RETRY_MIN_MS = 50;
const HURRIED_RETRY_SPREAD_MS = 100;
const HURRIED_CAMPAIGNS_MAX = 5;
const HURRIED_PERIOD_MS = 1000;

export function randomTimeoutMs<P>(core: Core<P>): number {
  const { electionTimeoutMs, electionSpreadMs } = core.config;
  return electionTimeoutMs + core.random() * electionSpreadMs;
}

/** A follower in the term of the core, waiting for `firstTimeoutMs` before it campaigns. */
export function followerState<P>(
  core: Core<P>,
  leader: ReplicaId,
  firstTimeoutMs: number,
): FollowerState {
  return {
    role: 'follower',
    leader,
    deadlineMs: core.nowMs + firstTimeoutMs,
    timeoutMs: randomTimeoutMs(core),
    forwarded: new Map(),
    quiesced: false,
    isTold: false,
  };
}

export function becomeFollower<P>(core: Core<P>, term: number, leader: ReplicaId): void {
  endReads(core);
  if (term !== core.term) enterTerm(core, term);
  else if (core.state.role === 'candidate') dropVoteRequests(core);
  const hurried = leader === 0 && core.deadLeader !== 0;
  const firstTimeoutMs = hurried ? hurriedRetryDelayMs(core) : randomTimeoutMs(core);
  core.state = followerState(core, leader, firstTimeoutMs);
  if (leader !== 0) recogniseLeader(core, leader);
}

export function recogniseLeader<P>(core: Core<P>, leader: ReplicaId): void {
  core.lastLeader = leader;
  core.deadLeader = 0;
}

export function becomePreCandidate<P>(core: Core<P>): void {
  assert(core.state.role !== 'leader', 'a leader does not campaign');
  endReads(core);
  core.campaign += 1;
  core.state = {
    role: 'pre-candidate',
    campaign: core.campaign,
    granted: new Set([core.self]),
    refused: new Set(),
    deadlineMs: core.nowMs + randomTimeoutMs(core),
  };
}

/** Enters the next term and votes for itself; the vote counts once the next step is durable. */
export function becomeCandidate<P>(core: Core<P>): void {
  assert(core.state.role !== 'leader', 'a leader does not campaign');
  endReads(core);
  enterTerm(core, core.term + 1);
  vote(core, core.self);
  core.campaign += 1;
  core.state = {
    role: 'candidate',
    campaign: core.campaign,
    granted: new Set(),
    refused: new Set(),
    deadlineMs: core.nowMs + randomTimeoutMs(core),
    selfVoteSeq: core.outputs.nextSeq,
  };
}

export function becomeLeader<P>(core: Core<P>): void {
  assert(core.state.role === 'candidate', 'only a candidate becomes leader');
  const { log, config } = core;
  const leader: LeaderState<P> = {
    role: 'leader',
    firstOwnIndex: log.lastIndex + 1,
    followers: [],
    byId: new Map(),
    heartbeatDueMs: core.nowMs + config.heartbeatMs,
    uncommittedBytes: log.payloadBytesBetween(core.commit + 1, log.lastIndex),
    reads: { early: [], fresh: [], batches: [], round: 0, begun: [], leaseUntilMs: -Infinity },
    transfer: null,
    ownDisk: { durableIndex: -1, sinceMs: core.nowMs, ticks: 0 },
    leaving: false,
    activeMs: core.nowMs,
    agreed: new Set(),
    quiesced: false,
    timeoutNowSent: false,
    scratch: [],
  };
  trackMembers(core, leader);
  core.state = leader;
  recogniseLeader(core, core.self);
  const payload = core.emptyPayload();
  const { timeMs } = log.tail;
  appendOwn(core, leader, { kind: EntryKind.EMPTY, timeMs, payload, payloadBytes: 0 });
}

function enterTerm<P>(core: Core<P>, term: number): void {
  assert(term > core.term, 'the term never falls');
  core.term = term;
  core.votedFor = 0;
  core.outputs.hardStateChanged = true;
  // Promises of the earlier term that have not left are void: what they vouch for may change before
  // the drain. Those handed out with a step rest on that step alone and may still leave.
  core.outputs.gated = [];
}

/** Those that have not left: the log they tell of may change before the drain, and nobody is to answer. */
function dropVoteRequests<P>({ outputs }: Core<P>): void {
  outputs.gated = outputs.gated.filter(({ type }) => type !== 'Vote');
}

export function vote<P>(core: Core<P>, candidate: ReplicaId): void {
  assert(core.votedFor === 0, 'a vote is given once a term');
  core.votedFor = candidate;
  core.outputs.hardStateChanged = true;
}

/**
 * In [0, 1): each survivor of a leader has a part of its own, in the order of the ids that follow the
 * leader's, as two who campaign at once would take each other's vote.
 */
export function successionPart<P>(core: Core<P>, leader: ReplicaId): number {
  const { self, random, memberships } = core;
  const survivors = votersOf(memberships.current).filter((id) => id !== leader);
  const isBefore = (id: ReplicaId) => (id > leader === self > leader ? id < self : id > leader);
  const rank = survivors.filter(isBefore).length;
  return (rank + random() / 2) / Math.max(1, survivors.length);
}

function hurriedRetryDelayMs<P>(core: Core<P>): number {
  const { hurriedMs, nowMs, deadLeader } = core;
  const part = successionPart(core, deadLeader);
  const wanted = nowMs + HURRIED_RETRY_MIN_MS + part * HURRIED_RETRY_SPREAD_MS;
  const earliest = (hurriedMs.at(-HURRIED_CAMPAIGNS_MAX) ?? -Infinity) + HURRIED_PERIOD_MS;
  return Math.max(wanted, earliest) - nowMs;
}

/** Notes a campaign against a dead leader, for the limit on their number. */
export function noteHurriedCampaign<P>(core: Core<P>): void {
  core.hurriedMs.push(core.nowMs);
  if (core.hurriedMs.length > HURRIED_CAMPAIGNS_MAX) core.hurriedMs.shift();
}
