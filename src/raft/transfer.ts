// Leadership transfer (thesis 3.10): the transferee first gets what the leader's log held at the start,
// while proposals go on; then they wait until it has the whole log, and it is told to campaign at once.
// Either it wins, or the time is over and this replica leads on.

import { assert } from '../assert.ts';
import { type Core, type LeaderState, send } from './core.ts';
import { isVoter } from './membership.ts';
import { wakeLeader } from './quiesce.ts';
import type { ReplicaId, TransferResult } from './types.ts';

export function startTransfer<P>(
  core: Core<P>,
  leader: LeaderState<P>,
  to: ReplicaId,
): TransferResult {
  if (to === core.self) {
    leader.transfer = null;
    return { ok: true };
  }
  if (!isVoter(core.memberships.current, to)) return { ok: false, reason: 'not-a-voter' };
  if (leader.transfer?.to === to) return { ok: true };
  // One told to campaign may be about to win: two at once would only split the votes.
  if (isTold(core, leader)) return { ok: false, reason: 'transferring' };
  wakeLeader(core, leader);
  const deadlineMs = core.nowMs + core.config.electionTimeoutMs;
  leader.transfer = { to, catchUpIndex: core.log.lastIndex, deadlineMs };
  continueTransfer(core, leader);
  return { ok: true };
}

/** Whether proposals have to wait. */
export function isTransferring<P>({ transfer, leaving, byId }: LeaderState<P>): boolean {
  if (transfer === null) return leaving;
  return leaving || (byId.get(transfer.to)?.match ?? 0) >= transfer.catchUpIndex;
}

export function continueTransfer<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { transfer } = leader;
  if (transfer === null || !isTold(core, leader)) return;
  leader.timeoutNowSent = true;
  const { self: from, term } = core;
  send(core, { type: 'TimeoutNow', from, to: transfer.to, term });
}

/** Ticks that have to see it: of a process that was paused, the own write may have ended meanwhile. */
const STALLED_TICKS_MIN = 4;

/**
 * Others commit what the own disk has not written for an election timeout: the partition goes to who has most of
 * it, as clients hear of nothing from here before it is written here. At every tick.
 */
export function leaveStalledDisk<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { commit, log, nowMs, config, memberships } = core;
  const { ownDisk } = leader;
  const durableIndex = commit > log.durableIndex ? log.durableIndex : -1;
  if (durableIndex < 0 || durableIndex !== ownDisk.durableIndex) {
    ownDisk.durableIndex = durableIndex;
    ownDisk.sinceMs = nowMs;
    ownDisk.ticks = 0;
    return;
  }
  ownDisk.ticks += 1;
  if (nowMs - ownDisk.sinceMs < config.electionTimeoutMs) return;
  if (ownDisk.ticks < STALLED_TICKS_MIN || leader.transfer !== null) return;
  const [to] = leader.followers
    .filter(({ id, heardMs }) => {
      return isVoter(memberships.current, id) && nowMs - heardMs < config.electionTimeoutMs;
    })
    .sort((a, b) => b.match - a.match);
  if (to !== undefined) startTransfer(core, leader, to.id);
}

/** A leader that is no voter any more tells whoever has most of its log to campaign at once. */
export function handOver<P>(core: Core<P>, { byId }: LeaderState<P>): void {
  const matchOf = (id: ReplicaId) => byId.get(id)?.match ?? 0;
  const [to] = [...core.memberships.current.incoming].sort((a, b) => matchOf(b) - matchOf(a));
  assert(to !== undefined, 'a group has voters');
  send(core, { type: 'TimeoutNow', from: core.self, to, term: core.term });
}

/** Whoever was removed, or demoted, is not to lead. */
export function endTransferToStranger<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { transfer } = leader;
  if (transfer !== null && !isVoter(core.memberships.current, transfer.to)) leader.transfer = null;
}

export function expireTransfer<P>(core: Core<P>, leader: LeaderState<P>): void {
  if (leader.transfer !== null && core.nowMs >= leader.transfer.deadlineMs) leader.transfer = null;
}

/** All is committed, so that nobody who proposed is left in doubt, and the transferee has it on disk. */
function isTold<P>(core: Core<P>, { transfer, byId }: LeaderState<P>): boolean {
  const { commit, log } = core;
  if (transfer === null || commit < log.lastIndex) return false;
  return byId.get(transfer.to)?.match === log.lastIndex;
}
