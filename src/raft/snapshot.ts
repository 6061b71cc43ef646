// Snapshots as the core sees them (thesis 5.3, 5.4): a leader whose log has lost what a follower needs
// asks the shell to bring the state there, and says what it is called by; the follower puts that in the
// place of its log. The state itself never passes through here, and the log is left to others to compact.

import { assert } from '../assert.ts';
import { acknowledge, type Core, restoreLog, send } from './core.ts';
import type { Progress } from './progress.ts';
import type { InstallSnapshot, Snapshot, SnapshotRequest } from './types.ts';

/** Nothing at or below `index` is read any more, also not for a follower. */
export function compacted<P>(core: Core<P>, index: number): void {
  assert(index <= Math.max(core.applied, core.log.boundary), 'only what is applied is compacted');
  core.log.compact(index);
}

/** What `follower` needs next is at or below the boundary. */
export function askForSnapshot<P>(core: Core<P>, follower: Progress<P>): void {
  if (!follower.wantsSnapshot(core.nowMs)) return;
  const request: SnapshotRequest = { to: follower.id, index: core.log.boundary };
  follower.needsSnapshot(request);
  core.outputs.snapshots.push(request);
}

export function onSnapshotSent<P>(
  core: Core<P>,
  request: SnapshotRequest,
  snapshot: Snapshot,
): void {
  const follower = awaiting(core, request);
  if (follower === null) return;
  const { index } = snapshot;
  assert(index >= request.index && index <= core.applied, 'a snapshot is new enough, and applied');
  const own = core.log.termAt(index);
  assert(own === null || own === snapshot.term, 'a snapshot is one of the own log');
  const { self: from, term } = core;
  send(core, { type: 'InstallSnapshot', from, to: request.to, term, snapshot });
  follower.snapshotSent(index, core.nowMs);
}

export function onSnapshotFailed<P>(core: Core<P>, request: SnapshotRequest): void {
  awaiting(core, request)?.snapshotFailed(core.nowMs);
}

/** null where it was asked for in an earlier time as leader, or the follower has been helped otherwise. */
function awaiting<P>({ state }: Core<P>, request: SnapshotRequest): Progress<P> | null {
  const follower = state.role === 'leader' ? state.byId.get(request.to) : undefined;
  return follower?.awaits(request) === true ? follower : null;
}

/**
 * At a follower. A snapshot that brings nothing new is answered with what is committed: that much of the
 * log is the leader's for certain. Where the log has the snapshot's newest entry, it has all before it too,
 * and what follows may be acknowledged already: only the commit index moves.
 *
 * Other cores refuse one whose membership does not name the receiver. Here it is taken: a membership
 * decides from its append on, so that a new member may be sent a state older than its own addition.
 */
export function onInstallSnapshot<P>(core: Core<P>, message: InstallSnapshot): void {
  const { snapshot, from } = message;
  const { index, term } = snapshot;
  assert(term <= core.term, 'no snapshot is of a term yet to come');
  if (index > core.commit) {
    if (core.log.termAt(index) === term) core.commit = index;
    else restoreLog(core, snapshot);
  }
  acknowledge(core, from, core.commit);
}
