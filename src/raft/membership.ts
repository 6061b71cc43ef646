// Who belongs to a group, as a value, and the changes it allows (thesis 4.3). A change of several
// replicas goes through a joint membership, in which a majority of the old and of the new voters must
// agree; a change of one goes directly, as the majorities before and after it always share a voter.

import { assert } from '../assert.ts';

export type ReplicaId = number;

/** Lists ascend. */
export interface Membership {
  /** The voters; while joint, the new ones. */
  readonly incoming: readonly ReplicaId[];
  /** While joint, the old voters; otherwise none. */
  readonly outgoing: readonly ReplicaId[];
  /** They get everything and decide nothing. */
  readonly learners: readonly ReplicaId[];
  /** Demoted: voters of `outgoing` that are learners once the joint membership is left. */
  readonly learnersNext: readonly ReplicaId[];
  /** The highest id ever given. An id is never given twice, so nobody inherits another's promises. */
  readonly highestId: ReplicaId;
  /** While joint: the leader leaves it by itself once it is committed. */
  readonly autoLeave: boolean;
}

export interface MemberChange {
  /** Those added are new; a learner is promoted, a voter demoted, and either removed. */
  readonly type: 'add-voter' | 'add-learner' | 'promote' | 'demote' | 'remove';
  readonly id: ReplicaId;
}

export type MembershipChange =
  | {
      readonly type: 'change';
      readonly changes: readonly MemberChange[];
      /** auto: joint only where several change; implicit, explicit: always, and how it is left. */
      readonly transition: 'auto' | 'implicit' | 'explicit';
    }
  | { readonly type: 'leave-joint' };

export type MembershipRefusal =
  | 'no-change'
  /** A joint membership has to be left before anything else changes. */
  | 'joint'
  | 'not-joint'
  /** Ids rise: this one, or one above it, was given before. */
  | 'id-used'
  | 'not-a-member'
  | 'not-a-learner'
  | 'not-a-voter'
  | 'no-voters';

export type Changed =
  | { readonly ok: true; readonly membership: Membership }
  | { readonly ok: false; readonly reason: MembershipRefusal };

export function foundingMembership(ids: Iterable<ReplicaId>): Membership {
  const incoming = ascending(ids);
  const none = { outgoing: [], learners: [], learnersNext: [] };
  return { incoming, ...none, highestId: incoming.at(-1) ?? 0, autoLeave: false };
}

export function isJoint({ outgoing }: Membership): boolean {
  return outgoing.length > 0;
}

/** Whoever has a vote, in either half of a joint membership. */
export function votersOf({ incoming, outgoing }: Membership): readonly ReplicaId[] {
  return outgoing.length === 0 ? incoming : ascending([...incoming, ...outgoing]);
}

export function isVoter({ incoming, outgoing }: Membership, id: ReplicaId): boolean {
  return incoming.includes(id) || outgoing.includes(id);
}

/** Whoever gets the log. */
export function membersOf(membership: Membership): readonly ReplicaId[] {
  return [...votersOf(membership), ...membership.learners];
}

export function changeMembership(from: Membership, change: MembershipChange): Changed {
  if (change.type === 'leave-joint') return leaveJoint(from);
  const { changes, transition } = change;
  const [only] = changes;
  if (only === undefined) return refused('no-change');
  if (changes.length === 1 && transition === 'auto') return changeOne(from, only);
  return enterJoint(from, changes, transition !== 'explicit');
}

/** At most one voter comes or goes. */
export function changeOne(from: Membership, change: MemberChange): Changed {
  return isJoint(from) ? refused('joint') : applyAll(from, [change]);
}

export function enterJoint(
  from: Membership,
  changes: readonly MemberChange[],
  autoLeave: boolean,
): Changed {
  if (isJoint(from)) return refused('joint');
  return applyAll({ ...from, outgoing: from.incoming, autoLeave }, changes);
}

export function leaveJoint(from: Membership): Changed {
  if (!isJoint(from)) return refused('not-joint');
  const learners = ascending([...from.learners, ...from.learnersNext]);
  return changed({ ...from, outgoing: [], learners, learnersNext: [], autoLeave: false });
}

function applyAll(from: Membership, changes: readonly MemberChange[]): Changed {
  let membership = from;
  for (const change of changes) {
    const reason = refusalOf(membership, change);
    if (reason !== null) return refused(reason);
    membership = applied(membership, change);
  }
  return membership.incoming.length === 0 ? refused('no-voters') : changed(membership);
}

function refusalOf(membership: Membership, { type, id }: MemberChange): MembershipRefusal | null {
  const { incoming, learners, learnersNext, highestId } = membership;
  if (type === 'add-voter' || type === 'add-learner') return id > highestId ? null : 'id-used';
  const isMember = incoming.includes(id) || learners.includes(id) || learnersNext.includes(id);
  if (!isMember) return 'not-a-member';
  if (type === 'promote' && incoming.includes(id)) return 'not-a-learner';
  if (type === 'demote' && !incoming.includes(id)) return 'not-a-voter';
  return null;
}

/** Whatever it was before, `id` becomes what the change makes of it. */
function applied(from: Membership, { type, id }: MemberChange): Membership {
  const others = (ids: readonly ReplicaId[]) => ids.filter((one) => one !== id);
  const isVoterAfter = type === 'add-voter' || type === 'promote';
  const isLearnerAfter = type === 'add-learner' || type === 'demote';
  // An old voter keeps its vote until the joint membership is left, and nobody is voter and learner.
  const isLater = isLearnerAfter && from.outgoing.includes(id);
  return {
    ...from,
    incoming: ascending([...others(from.incoming), ...(isVoterAfter ? [id] : [])]),
    learners: ascending([...others(from.learners), ...(isLearnerAfter && !isLater ? [id] : [])]),
    learnersNext: ascending([...others(from.learnersNext), ...(isLater ? [id] : [])]),
    highestId: Math.max(from.highestId, id),
  };
}

function changed(membership: Membership): Changed {
  assertMembership(membership);
  return { ok: true, membership };
}

function refused(reason: MembershipRefusal): Changed {
  return { ok: false, reason };
}

export function assertMembership(membership: Membership): void {
  const { incoming, outgoing, learners, learnersNext, highestId, autoLeave } = membership;
  assert(incoming.length > 0, 'a group has voters');
  for (const ids of [incoming, outgoing, learners, learnersNext]) {
    assert(
      ids.every((id, at) => id > (ids[at - 1] ?? 0)),
      'each member stands once in its list',
    );
    assert((ids.at(-1) ?? 0) <= highestId, 'no member is above the highest id given');
  }
  assert(!learners.some((id) => isVoter(membership, id)), 'no voter is a learner');
  assert(
    learnersNext.every((id) => outgoing.includes(id) && !incoming.includes(id)),
    'only old voters become learners later',
  );
  assert(isJoint(membership) || !autoLeave, 'only a joint membership is left');
}

function ascending(ids: Iterable<ReplicaId>): readonly ReplicaId[] {
  return [...new Set(ids)].sort((a, b) => a - b);
}
