// What verbs print. Of raft-state, raft-log and status the form is that of etcd's interaction tests, so
// that their scripts can be compared; messages and steps are our own, named as in the core.

import type { Membership } from '../../../src/raft/membership.ts';
import {
  type Entry,
  EntryKind,
  type PersistStep,
  type ReplicaProgress,
  type Role,
  type Snapshot,
} from '../../../src/raft/types.ts';
import { type Message, membershipOf } from '../replica.ts';
import type { Ready } from './node.ts';

const stateNames: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  'pre-candidate': 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
};

const modeNames: Readonly<Record<ReplicaProgress['mode'], string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

/** A campaign's number only tells it from others; lists and snapshots are told in forms of their own. */
const apart = ['type', 'from', 'to', 'term', 'campaign', 'entries', 'snapshot'];

export function stateName(role: Role): string {
  return stateNames[role];
}

export function describeProgress(progress: ReplicaProgress, isHeard: boolean): string {
  const { id, learner, match, next, mode, paused, inflight, pendingSnapshot } = progress;
  const isFull = paused && mode === 'replicate';
  return [
    `${id}: ${modeNames[mode]} match=${match} next=${next}`,
    learner ? ' learner' : '',
    paused ? ' paused' : '',
    pendingSnapshot > 0 ? ` pendingSnap=${pendingSnapshot}` : '',
    isHeard ? '' : ' inactive',
    inflight > 0 ? ` inflight=${inflight}` : '',
    inflight > 0 && isFull ? '[full]' : '',
  ].join('');
}

export function logLine(entry: Entry<string>): string {
  const type = entry.kind === EntryKind.CONFIG ? 'EntryConfig' : 'EntryNormal';
  return `${entry.term}/${entry.index} ${type} ${describePayload(entry)}`;
}

/** A membership is shorter than what says it. */
function describePayload({ kind, payload }: Entry<string>): string {
  return kind === EntryKind.CONFIG
    ? describeMembership(membershipOf(payload))
    : JSON.stringify(payload);
}

function describeMembership(membership: Membership): string {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = membership;
  const parts = [`voters ${incoming.join(' ')}`];
  if (outgoing.length > 0) parts.push(`until left ${outgoing.join(' ')}`);
  if (learners.length > 0) parts.push(`learners ${learners.join(' ')}`);
  if (learnersNext.length > 0) parts.push(`learners then ${learnersNext.join(' ')}`);
  if (autoLeave) parts.push('left by itself');
  return `(${parts.join(', ')})`;
}

export function describeSnapshot({ term, index, membership }: Snapshot): string {
  return `snapshot ${term}/${index} ${describeMembership(membership)}`;
}

/** Every field by its name, so that a new kind of message needs nothing here. */
export function describeMessage(message: Message): string {
  const parts = [`${message.from}->${message.to} ${message.type} term ${message.term}`];
  for (const [name, value] of Object.entries(message)) {
    if (apart.includes(name)) continue;
    parts.push(`${name} ${value ?? 'none'}`);
  }
  if (message.type === 'Append' && message.entries.length > 0) {
    parts.push(`entries ${describeEntries(message.entries)}`);
  }
  if (message.type === 'InstallSnapshot') parts.push(describeSnapshot(message.snapshot));
  return parts.join(', ');
}

export function describeStep(step: PersistStep<string>): string {
  const { hardState, snapshot, truncateFrom, truncateTo, entries } = step;
  const parts: string[] = [];
  if (hardState !== null) {
    const { term, votedFor, commit } = hardState;
    parts.push(`term ${term}, vote ${votedFor || 'none'}, commit ${commit}`);
  }
  if (snapshot !== null) parts.push(describeSnapshot(snapshot));
  if (truncateFrom !== null) parts.push(`remove ${truncateFrom} to ${truncateTo}`);
  if (entries.length > 0) parts.push(`entries ${describeEntries(entries)}`);
  return `write #${step.appendSeq}: ${parts.join('; ')}`;
}

export function describeReady(ready: Ready): string[] {
  const lines: string[] = [];
  if (ready.role !== null) {
    const { role, term, leader } = ready.role;
    lines.push(`${role}, term ${term}, leader ${leader || 'none'}`);
  }
  for (const step of ready.steps) {
    lines.push(describeStep(step));
    for (const message of step.after) lines.push(`  then ${describeMessage(message)}`);
  }
  if (ready.restored !== null) lines.push(`take over ${describeSnapshot(ready.restored)}`);
  for (const { to, index } of ready.snapshots) lines.push(`${to} needs a snapshot of ${index}`);
  if (ready.committed.length > 0) lines.push(`committed ${describeEntries(ready.committed)}`);
  for (const message of ready.messages) lines.push(`send ${describeMessage(message)}`);
  return lines;
}

export function describeEntries(entries: readonly Entry<string>[]): string {
  const each = entries.map((entry) => `${entry.term}/${entry.index} ${describePayload(entry)}`);
  return `[${each.join(', ')}]`;
}
