// How a leader changes the membership (thesis 4). A membership decides from the moment its entry is
// appended. The next may follow only once it is committed; and before the first one, a leader commits an
// entry of its own term, so that no membership an earlier leader appended can still come to decide.

import { assert } from '../assert.ts';
import type { Core, LeaderState } from './core.ts';
import {
  changeMembership,
  isJoint,
  leaveJoint,
  type Membership,
  type MembershipChange,
} from './membership.ts';
import { confirmRounds } from './read-index.ts';
import { advanceLeaderCommit, appendOwn, trackMembers } from './replication.ts';
import { becomeFollower } from './roles.ts';
import { endTransferToStranger, handOver, isTransferring } from './transfer.ts';
import { EntryKind, type ProposeConfigResult } from './types.ts';

export function proposeConfigAsLeader<P>(
  core: Core<P>,
  leader: LeaderState<P>,
  change: MembershipChange,
): ProposeConfigResult {
  if (isTransferring(leader)) return { ok: false, reason: 'transferring' };
  if (core.commit < leader.firstOwnIndex) return { ok: false, reason: 'own-term-uncommitted' };
  if (core.memberships.index > core.commit) return { ok: false, reason: 'config-uncommitted' };
  const changed = changeMembership(core.memberships.current, change);
  if (!changed.ok) return changed;
  const index = appendMembership(core, leader, changed.membership);
  const { term } = core;
  advanceCommit(core, leader);
  return { ok: true, index, term };
}

/** Commits what has a quorum, and leaves a joint membership that is committed. */
export function advanceCommit<P>(core: Core<P>, leader: LeaderState<P>): void {
  const { memberships } = core;
  while (advanceLeaderCommit(core, leader)) {
    const { current, index } = memberships;
    if (index <= core.commit && isJoint(current) && current.autoLeave) appendLeave(core, leader);
  }
}

/**
 * A leader that was removed led, without counting itself, only until those who stay can go on (thesis 4.2.2).
 * It has taken no proposal since, and everybody who proposed before that has the answer once all is folded.
 */
export function leaveWhenDone<P>(core: Core<P>, leader: LeaderState<P>): void {
  if (!leader.leaving || core.applied < core.log.lastIndex) return;
  handOver(core, leader);
  becomeFollower(core, core.term, 0);
}

function appendLeave<P>(core: Core<P>, leader: LeaderState<P>): void {
  const left = leaveJoint(core.memberships.current);
  assert(left.ok, 'a joint membership can be left');
  appendMembership(core, leader, left.membership);
}

function appendMembership<P>(
  core: Core<P>,
  leader: LeaderState<P>,
  membership: Membership,
): number {
  assert(core.memberships.index <= core.commit, 'at most one membership is uncommitted');
  const { timeMs } = core.log.tail;
  const content = core.membershipPayload(membership);
  const index = appendOwn(core, leader, { kind: EntryKind.CONFIG, timeMs, ...content });
  trackMembers(core, leader);
  endTransferToStranger(core, leader);
  // Of fewer voters a quorum may have answered already; the caller looks at the commit index.
  confirmRounds(core, leader);
  return index;
}
