// What a majority of voters has reached; while a membership is joint, a majority of the old and of the
// new ones. Plain arithmetic: what counts for a voter is the caller's affair.

import { assert } from '../assert.ts';
import { isJoint, type Membership, type ReplicaId } from './membership.ts';

export type Ballot = 'granted' | 'refused' | 'open';
export type VoteResult = 'won' | 'lost' | 'pending';

export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The highest value that a majority of `values` (one a voter) has reached. Sorts `values` in place: the
 * arrays are tiny and reused, so nothing is allocated.
 */
export function majorityValue(values: number[]): number {
  for (let i = 1; i < values.length; i += 1) {
    const value = values[i] ?? 0;
    let j = i - 1;
    for (; j >= 0 && (values[j] ?? 0) > value; j -= 1) values[j + 1] = values[j] ?? 0;
    values[j + 1] = value;
  }
  const reached = values[values.length - majority(values.length)];
  assert(reached !== undefined, 'a quorum is asked of at least one voter');
  return reached;
}

/** The highest value that a quorum has reached. `scratch` is overwritten. */
export function quorumValue(
  membership: Membership,
  scratch: number[],
  reachedOf: (voter: ReplicaId) => number,
): number {
  const reachedBy = (voters: readonly ReplicaId[]) => {
    scratch.length = 0;
    for (const voter of voters) scratch.push(reachedOf(voter));
    return majorityValue(scratch);
  };
  const reached = reachedBy(membership.incoming);
  return isJoint(membership) ? Math.min(reached, reachedBy(membership.outgoing)) : reached;
}

/** Whether the voters for whom `holds` is true are a quorum. */
export function isQuorum(membership: Membership, holds: (voter: ReplicaId) => boolean): boolean {
  return voteResult(membership, (voter) => (holds(voter) ? 'granted' : 'refused')) === 'won';
}

export function voteResult(
  membership: Membership,
  ballotOf: (voter: ReplicaId) => Ballot,
): VoteResult {
  const incoming = majorityVote(membership.incoming, ballotOf);
  if (!isJoint(membership)) return incoming;
  const outgoing = majorityVote(membership.outgoing, ballotOf);
  if (incoming === outgoing) return incoming;
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}

function majorityVote(
  voters: readonly ReplicaId[],
  ballotOf: (voter: ReplicaId) => Ballot,
): VoteResult {
  let granted = 0;
  let open = 0;
  for (const voter of voters) {
    const ballot = ballotOf(voter);
    if (ballot === 'granted') granted += 1;
    else if (ballot === 'open') open += 1;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return 'won';
  return granted + open < needed ? 'lost' : 'pending';
}
