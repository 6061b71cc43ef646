// Linearizable reads (thesis 6.4): the leader notes its commit index, and a majority that answers a
// heartbeat sent afterwards proves that it still led then. All reads between two drains share a round.
// Every read ends with exactly one answer: an index, or null where it has to be asked again.

import { assert } from '../assert.ts';
import { type Core, type FollowerState, type LeaderState, type PendingRead, send } from './core.ts';
import { wakeFollower, wakeLeader } from './quiesce.ts';
import { quorumValue } from './quorum.ts';
import type { HeartbeatOk, ReadIndex, ReadIndexReply } from './types.ts';

/** Of the least election timeout: clocks may run apart by the rest. */
const LEASE_PART = 0.9;

export function readIndex<P>(core: Core<P>, context: number): void {
  const { state } = core;
  if (state.role === 'leader') {
    takeIn(core, state, { context, from: core.self });
  } else if (state.role === 'follower' && state.leader !== 0) {
    assert(!state.forwarded.has(context), 'a read context is used once');
    wakeFollower(core, state, core.nowMs);
    state.forwarded.set(context, core.nowMs + core.config.electionTimeoutMs);
    const { self: from, term } = core;
    send(core, { type: 'ReadIndex', from, to: state.leader, term, context });
  } else {
    core.outputs.reads.push({ context, index: null });
  }
}

export function onForwardedRead<P>(core: Core<P>, message: ReadIndex): void {
  const read = { context: message.context, from: message.from };
  if (core.state.role === 'leader') takeIn(core, core.state, read);
  else answer(core, read, null);
}

export function onReadIndexReply<P>(
  core: Core<P>,
  follower: FollowerState,
  message: ReadIndexReply,
): void {
  // One that is not waited for any more was answered already.
  if (!follower.forwarded.delete(message.context)) return;
  core.outputs.reads.push({ context: message.context, index: message.index });
}

/** Ends forwarded reads whose question or answer must have been lost. */
export function expireForwardedReads<P>(core: Core<P>, follower: FollowerState): void {
  for (const [context, deadlineMs] of follower.forwarded) {
    if (deadlineMs > core.nowMs) return;
    follower.forwarded.delete(context);
    core.outputs.reads.push({ context, index: null });
  }
}

/** The first entry of the own term is applied: what waited for it is taken in now. */
export function releaseEarlyReads<P>(leader: LeaderState<P>): void {
  if (leader.reads.early.length === 0) return;
  for (const read of leader.reads.early) leader.reads.fresh.push(read);
  leader.reads.early = [];
}

/** Begins the round that the heartbeats about to be sent carry, for the reads taken in before. */
export function beginRound<P>(core: Core<P>, leader: LeaderState<P>): number {
  const { reads } = leader;
  reads.round += 1;
  if (core.config.lease) reads.begun.push({ round: reads.round, atMs: core.nowMs });
  if (reads.fresh.length > 0) {
    // One taken in earlier in this turn gets the newer commit index: later is always allowed.
    reads.batches.push({ round: reads.round, index: core.commit, reads: reads.fresh });
    reads.fresh = [];
  }
  confirmRounds(core, leader);
  return reads.round;
}

export function onRoundAnswered<P>(
  core: Core<P>,
  leader: LeaderState<P>,
  message: HeartbeatOk,
): void {
  const follower = leader.byId.get(message.from);
  assert(message.round <= leader.reads.round, 'no round is answered before it began');
  if (follower === undefined || message.round <= follower.round) return;
  follower.round = message.round;
  confirmRounds(core, leader);
}

export function confirmRounds<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { scratch, reads, byId } = leader;
  if (reads.batches.length === 0 && reads.begun.length === 0) return;
  const confirmed = quorumValue(core.memberships.current, scratch, (voter) =>
    voter === core.self ? reads.round : (byId.get(voter)?.round ?? 0),
  );
  extendLease(core, leader, confirmed);
  let done = 0;
  for (const batch of reads.batches) {
    if (batch.round > confirmed) break;
    for (const read of batch.reads) answer(core, read, batch.index);
    done += 1;
  }
  reads.batches.splice(0, done);
}

/** From when the round began: whoever answered it was not asked for a vote before it got it. */
function extendLease<P>(core: Core<P>, { reads }: LeaderState<P>, confirmed: number): void {
  let begun = reads.begun[0];
  while (begun !== undefined && begun.round <= confirmed) {
    reads.leaseUntilMs = begun.atMs + core.config.electionTimeoutMs * LEASE_PART;
    reads.begun.shift();
    begun = reads.begun[0];
  }
}

export function leaseUntilMs<P>({ reads, timeoutNowSent }: LeaderState<P>): number {
  return timeoutNowSent ? -Infinity : reads.leaseUntilMs;
}

/** The role or the term ends, and with it all that was asked in it. */
export function endReads<P>(core: Core<P>): void {
  const { state } = core;
  if (state.role === 'follower') {
    for (const context of state.forwarded.keys()) core.outputs.reads.push({ context, index: null });
    state.forwarded.clear();
  } else if (state.role === 'leader') {
    const { early, fresh, batches } = state.reads;
    for (const batch of batches) for (const read of batch.reads) answer(core, read, null);
    for (const read of fresh) answer(core, read, null);
    for (const read of early) answer(core, read, null);
    state.reads.early = [];
    state.reads.fresh = [];
    state.reads.batches = [];
  }
}

function takeIn<P>(core: Core<P>, leader: LeaderState<P>, read: PendingRead): void {
  // Before that, the commit index may lie below what an earlier leader has already answered for.
  const ready = core.applied >= leader.firstOwnIndex;
  wakeLeader(core, leader);
  if (!ready) leader.reads.early.push(read);
  else if (core.nowMs < leaseUntilMs(leader)) answer(core, read, core.commit);
  else leader.reads.fresh.push(read);
}

function answer<P>(core: Core<P>, read: PendingRead, index: number | null): void {
  const { context } = read;
  if (read.from === core.self) core.outputs.reads.push({ context, index });
  else {
    const { self: from, term } = core;
    send(core, { type: 'ReadIndexReply', from, to: read.from, term, context, index });
  }
}
