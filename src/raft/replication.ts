// How a leader's log reaches its followers and becomes committed (thesis 3.5, 3.6.2). Appends are built
// at the drain, so that all that was proposed since the last one travels together.

import { assert } from '../assert.ts';
import { appendToLog, type Core, type LeaderState, send } from './core.ts';
import { type Batch, entryBytes } from './log.ts';
import { isVoter, membersOf } from './membership.ts';
import { Progress } from './progress.ts';
import { wakeLeader } from './quiesce.ts';
import { isQuorum, quorumValue } from './quorum.ts';
import { beginRound } from './read-index.ts';
import { askForSnapshot } from './snapshot.ts';
import type { Draft, Entry, LoadRequest, ReplicaId, ReplicaProgress } from './types.ts';

/** Appends to the own log as of the own term. */
export function appendOwn<P>(core: Core<P>, leader: LeaderState<P>, draft: Draft<P>): number {
  const { tail } = core.log;
  const { kind, timeMs, payload, payloadBytes } = draft;
  const { term } = core;
  // Without a spread of what both have, which would cost more than all else here.
  const index = tail.index + 1;
  const chain = core.chain(tail.chain, { index, term, kind, timeMs, payload, payloadBytes });
  appendToLog(core, { index, term, kind, timeMs, payload, payloadBytes, chain });
  leader.uncommittedBytes += payloadBytes;
  wakeLeader(core, leader);
  return index;
}

/** Follows all members and nobody else; what is known of those who stay is kept. */
export function trackMembers<P>(core: Core<P>, leader: LeaderState<P>): void {
  const next = core.log.lastIndex + 1;
  leader.followers = membersOf(core.memberships.current)
    .filter((id) => id !== core.self)
    .map((id) => leader.byId.get(id) ?? new Progress<P>(id, next, core.config, core.nowMs));
  leader.byId = new Map(leader.followers.map((follower) => [follower.id, follower]));
  leader.leaving = !isVoter(core.memberships.current, core.self);
}

/**
 * Commits what a quorum has on disk, of the own term only: earlier ones go with it (3.6.2). Returns
 * whether that is news. A leader that is no voter (any more) does not count itself.
 */
export function advanceLeaderCommit<P>(core: Core<P>, leader: LeaderState<P>): boolean {
  const durable = (voter: ReplicaId) => durableAt(core, leader, voter);
  const index = quorumValue(core.memberships.current, leader.scratch, durable);
  if (index <= core.commit || core.log.termAt(index) !== core.term) return false;
  // Counts again, in another way than the one that found the index.
  const hasIt = (voter: ReplicaId) => durableAt(core, leader, voter) >= index;
  assert(isQuorum(core.memberships.current, hasIt), 'only what a quorum has on disk is committed');
  leader.uncommittedBytes -= core.log.payloadBytesBetween(core.commit + 1, index);
  assert(leader.uncommittedBytes >= 0, 'what is committed was counted as uncommitted');
  core.commit = index;
  return true;
}

function durableAt<P>(core: Core<P>, leader: LeaderState<P>, voter: ReplicaId): number {
  if (voter === core.self) return core.log.durableIndex;
  return leader.byId.get(voter)?.match ?? 0;
}

/**
 * When a heartbeat is due. An append that left for a follower which answers them says all that a heartbeat would, and
 * is answered as well: under load there are none, which would be most of the messages of many partitions. Rounds
 * that reads or a lease rest on are heartbeats in any case.
 */
export function nextHeartbeatMs<P>({ config }: Core<P>, leader: LeaderState<P>): number {
  const { followers, reads, heartbeatDueMs } = leader;
  if (config.lease || reads.batches.length > 0) return heartbeatDueMs;
  let silentSinceMs = Number.POSITIVE_INFINITY;
  for (const follower of followers) {
    silentSinceMs = Math.min(silentSinceMs, follower.silentSinceMs);
  }
  return Math.max(heartbeatDueMs, silentSinceMs + config.heartbeatMs);
}

export function broadcastHeartbeat<P>(core: Core<P>, leader: LeaderState<P>): void {
  leader.heartbeatDueMs = core.nowMs + core.config.heartbeatMs;
  const round = beginRound(core, leader);
  const { self: from, term } = core;
  for (const { id: to, match } of leader.followers) {
    const commit = Math.min(core.commit, match);
    send(core, { type: 'Heartbeat', from, to, term, commit, round });
  }
}

/** False: sendAppends would do nothing. */
export function hasToSend<P>({ log, commit, nowMs }: Core<P>, leader: LeaderState<P>): boolean {
  for (const follower of leader.followers) {
    if (follower.next <= log.boundary) {
      if (follower.wantsSnapshot(nowMs)) return true;
      continue;
    }
    if (follower.next <= log.lastIndex && !follower.paused) return true;
    if (follower.wantsEmptyAppend(commit) || follower.wantsCommit(commit)) return true;
  }
  return false;
}

/** Sends each follower what it lacks and may get now. */
export function sendAppends<P>(core: Core<P>, leader: LeaderState<P>): void {
  let shared: Batch<P> | null = null;
  const { boundary } = core.log;
  for (const follower of leader.followers) {
    if (follower.next <= boundary) {
      askForSnapshot(core, follower);
      continue;
    }
    const before = core.outputs.send.length;
    while (follower.next <= core.log.lastIndex && !follower.paused) {
      const batch: Batch<P> | null = batchFor(core, follower, shared);
      if (batch === null) break;
      if (batch.fromIndex >= core.log.firstIndex) shared = batch;
      sendAppend(core, follower, batch);
    }
    if (core.outputs.send.length > before) continue;
    if (follower.wantsEmptyAppend(core.commit)) sendAppend(core, follower, emptyBatch(follower));
    else if (follower.wantsCommit(core.commit)) sendCommit(core, follower);
  }
}

/** null where the entries have to be loaded first. Followers at the same place share one batch. */
function batchFor<P>(
  core: Core<P>,
  follower: Progress<P>,
  shared: Batch<P> | null,
): Batch<P> | null {
  const from = follower.next;
  if (from >= core.log.firstIndex) {
    if (shared !== null && shared.fromIndex === from) return shared;
    return core.log.batch(from, core.config.appendBytesMax);
  }
  // Where the logs agree is found without entries, before any are loaded.
  if (follower.probing) return emptyBatch(follower);
  return takeLoaded(follower) ?? askForLoad(core, follower);
}

function emptyBatch<P>(follower: Progress<P>): Batch<P> {
  return { fromIndex: follower.next, entries: [], bytes: 0 };
}

function sendAppend<P>(core: Core<P>, follower: Progress<P>, batch: Batch<P>): void {
  const prevIndex = follower.next - 1;
  const prevTerm = termBefore(core, follower);
  const { self: from, term, commit } = core;
  const { entries } = batch;
  const to = follower.id;
  send(core, { type: 'Append', from, to, term, prevIndex, prevTerm, entries, commit });
  follower.sent(entries.length, batch.bytes, commit, core.nowMs);
}

function sendCommit<P>(core: Core<P>, follower: Progress<P>): void {
  const prevIndex = follower.next - 1;
  const prevTerm = termBefore(core, follower);
  const { self: from, term, commit } = core;
  send(core, { type: 'Commit', from, to: follower.id, term, prevIndex, prevTerm, commit });
  follower.told(commit);
}

function termBefore<P>({ log }: Core<P>, { next }: Progress<P>): number {
  const term = log.termAt(next - 1);
  assert(term !== null, 'a leader knows the term of what an append follows');
  return term;
}

function takeLoaded<P>(follower: Progress<P>): Batch<P> | null {
  if (follower.load.phase !== 'loaded') return null;
  const { entries } = follower.load;
  follower.load = { phase: 'none' };
  const fromIndex = entries[0]?.index;
  // The follower may have moved on, or back, while they were loaded.
  if (fromIndex !== follower.next) return null;
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return { fromIndex, entries, bytes };
}

function askForLoad<P>(core: Core<P>, follower: Progress<P>): null {
  const { load } = follower;
  if (load.phase === 'asked') return null;
  if (load.phase === 'failed' && core.nowMs < load.retryMs) return null;
  const request: LoadRequest = {
    to: follower.id,
    fromIndex: follower.next,
    toIndex: core.log.firstIndex - 1,
    bytesMax: core.config.appendBytesMax,
  };
  follower.load = { phase: 'asked', request };
  core.outputs.loads.push(request);
  return null;
}

export function onEntriesLoaded<P>(
  core: Core<P>,
  request: LoadRequest,
  entries: readonly Entry<P>[],
): void {
  if (core.state.role !== 'leader') return;
  const follower = core.state.byId.get(request.to);
  // One that was asked for in an earlier time as leader is not waited for any more.
  if (follower?.load.phase !== 'asked') return;
  if (follower.load.request.fromIndex !== request.fromIndex) return;
  // What was compacted meanwhile is of no use, and may be incomplete.
  if (entries.length === 0 || request.fromIndex <= core.log.boundary) {
    follower.load = { phase: 'failed', retryMs: core.nowMs + core.config.heartbeatMs };
    return;
  }
  let index = request.fromIndex;
  for (const entry of entries) {
    assert(entry.index === index, 'loaded entries are contiguous from the one asked for');
    assert(entry.term === core.log.termAt(index), 'loaded entries are those of the own log');
    index += 1;
  }
  follower.load = { phase: 'loaded', entries };
}

/** The own log is its own follower, with the disk in the network's place (rule 4). */
export function progressOfAll<P>(core: Core<P>, leader: LeaderState<P>): ReplicaProgress[] {
  const membership = core.memberships.current;
  const match = core.log.durableIndex;
  const nothing = { paused: false, inflight: 0, pendingSnapshot: 0 };
  const own = { match, next: match + 1, mode: 'replicate', ...nothing } as const;
  return [...membersOf(membership)]
    .sort((one, other) => one - other)
    .map((id) => {
      const learner = !isVoter(membership, id);
      return { id, learner, ...(leader.byId.get(id)?.view() ?? own) };
    });
}
