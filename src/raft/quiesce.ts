// Quiescence: a group with nothing to do falls silent, so that what it costs does not grow with the
// number of idle groups. The leader proposes it when all replicas hold the whole log, committed, and
// sleeps once every follower has agreed. Asleep, a follower trusts its leader for as long as the shell
// knows that the leader's process lives and is in touch; wake() ends that, as does any work.

import { type Core, type FollowerState, type LeaderState, send } from './core.ts';
import type { Quiesce, QuiesceOk } from './types.ts';

/** Asks all followers, where everything is at rest for long enough. */
export function proposeQuiescence<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { self: from, term, log, config } = core;
  if (core.nowMs - leader.activeMs < config.quiesceAfterMs || !isAtRest(core, leader)) return;
  const { index, term: lastTerm } = log.tail;
  leader.agreed.clear();
  for (const { id: to } of leader.followers) {
    send(core, { type: 'Quiesce', from, to, term, index, lastTerm });
  }
}

function isAtRest<P>({ commit, applied, log }: Core<P>, leader: LeaderState<P>): boolean {
  const { followers, reads, transfer } = leader;
  if (commit < log.lastIndex || applied < log.lastIndex || transfer !== null) return false;
  if (reads.early.length + reads.fresh.length + reads.batches.length > 0) return false;
  return followers.every(({ match }) => match === log.lastIndex);
}

export function onQuiesce<P>(core: Core<P>, state: FollowerState, message: Quiesce): void {
  const { tail } = core.log;
  const { self: from, term, commit } = core;
  // A read whose answer may be lost has to be given up in time.
  if (state.leader !== message.from || state.forwarded.size > 0) return;
  if (tail.index !== message.index || tail.term !== message.lastTerm || commit < tail.index) return;
  state.quiesced = true;
  send(core, { type: 'QuiesceOk', from, to: message.from, term, index: message.index });
}

export function onQuiesceOk<P>(core: Core<P>, leader: LeaderState<P>, message: QuiesceOk): void {
  // Something was appended since: the follower wakes as it gets it.
  if (message.index !== core.log.lastIndex || leader.followers.length === 0) return;
  leader.agreed.add(message.from);
  const agreed = leader.followers.every(({ id }) => leader.agreed.has(id));
  if (agreed && isAtRest(core, leader)) leader.quiesced = true;
}

/** There is work, or somebody may be missing: the group is in touch again at once. */
export function wakeLeader<P>(core: Core<P>, leader: LeaderState<P>): void {
  leader.activeMs = core.nowMs;
  if (!leader.quiesced) return;
  leader.quiesced = false;
  leader.heartbeatDueMs = core.nowMs;
  // Nobody was asked for a sign of life meanwhile.
  for (const follower of leader.followers) follower.woken(core.nowMs);
}

/** The leader was last known to live at `heardMs`. */
export function wakeFollower<P>(core: Core<P>, state: FollowerState, heardMs: number): void {
  if (!state.quiesced) return;
  state.quiesced = false;
  core.leaderHeardMs = Math.max(core.leaderHeardMs, heardMs);
  // Where this process itself was paused, signs of life may lie unread.
  const soonestMs = core.nowMs + core.config.heartbeatMs * 2;
  state.deadlineMs = Math.max(core.leaderHeardMs + state.timeoutMs, soonestMs);
}
