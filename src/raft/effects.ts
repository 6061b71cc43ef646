// The drain: turns what the inputs since the last one have changed into what the shell has to do, with
// one durable step at most. What rests on that step leaves with it, what rests on an earlier one is held.

import { assert } from '../assert.ts';
import { type Core, leaderOf, type Outbox } from './core.ts';
import { broadcastHeartbeat, hasToSend, sendAppends } from './replication.ts';
import type {
  Effects,
  Entry,
  HardState,
  PersistStep,
  RaftMessage,
  RoleChange,
  Snapshot,
} from './types.ts';

const NONE: readonly never[] = Object.freeze([]);

/** False: takeEffects would return null. */
export function hasEffects<P>(core: Core<P>): boolean {
  const { outbox, state, log } = core;
  const { send, gated, reads, loads, snapshots, hardStateChanged, restoring } = outbox;
  if (send.length + gated.length + reads.length + loads.length + snapshots.length > 0) return true;
  if (hardStateChanged || log.hasUnwritten || restoring !== null) return true;
  if (Math.min(core.commit, log.durableIndex) > outbox.committedIndex) return true;
  if (isRoleNews(core)) return true;
  return state.role === 'leader' && (state.reads.fresh.length > 0 || hasToSend(core, state));
}

export function takeEffects<P>(core: Core<P>): Effects<P> | null {
  const { outbox, state } = core;
  if (state.role === 'leader') {
    if (state.reads.fresh.length > 0) broadcastHeartbeat(core, state);
    sendAppends(core, state);
  }
  const persist = takePersistStep(core);
  const restored = takeRestored(core);
  const committed = takeCommitted(core);
  const role = takeRoleChange(core);
  const { send, reads, loads, snapshots } = outbox;
  const isAsking = reads.length + loads.length + snapshots.length > 0;
  const isWorking = persist !== null || restored !== null || committed.length > 0;
  if (send.length === 0 && !isAsking && !isWorking && role === null) return null;
  if (send.length > 0) outbox.send = [];
  if (reads.length > 0) outbox.reads = [];
  if (loads.length > 0) outbox.loads = [];
  if (snapshots.length > 0) outbox.snapshots = [];
  return { send, persist, restored, committed, reads, role, loads, snapshots };
}

function takePersistStep<P>(core: Core<P>): PersistStep<P> | null {
  const { log, outbox } = core;
  if (!outbox.hardStateChanged && !log.hasUnwritten) {
    releaseOrHold(outbox);
    return null;
  }
  const appendSeq = outbox.nextSeq;
  outbox.nextSeq += 1;
  const hardState = takeHardState(core);
  const { snapshot, entries, truncateFrom, truncateTo } = log.takeUnwritten();
  const after = takeGated(outbox);
  return { appendSeq, hardState, snapshot, truncateFrom, truncateTo, entries, after };
}

/** The commit index rides along, but is never a reason to write (rule 5). */
function takeHardState<P>(core: Core<P>): HardState | null {
  const { outbox, term, votedFor, commit } = core;
  if (!outbox.hardStateChanged && outbox.commitWritten === commit) return null;
  outbox.hardStateChanged = false;
  outbox.commitWritten = commit;
  return { term, votedFor, commit };
}

function takeGated<P>(outbox: Outbox<P>): readonly RaftMessage<P>[] {
  if (outbox.gated.length === 0) return NONE;
  const { gated } = outbox;
  outbox.gated = [];
  return gated;
}

/** No step is handed out: promises rest on those in flight, if any are. */
function releaseOrHold<P>(outbox: Outbox<P>): void {
  if (outbox.gated.length === 0) return;
  const newestSeq = outbox.nextSeq - 1;
  for (const message of outbox.gated) {
    if (outbox.persistedSeq === newestSeq) outbox.send.push(message);
    else outbox.held.push({ appendSeq: newestSeq, message });
  }
  outbox.gated = [];
}

/** Everything up to step `appendSeq` is durable. */
export function markPersisted<P>(core: Core<P>, appendSeq: number): void {
  const { outbox } = core;
  assert(appendSeq > outbox.persistedSeq, 'steps complete in order, each once');
  assert(appendSeq < outbox.nextSeq, 'only what was handed out completes');
  outbox.persistedSeq = appendSeq;
  core.log.persisted(appendSeq);
  let released = 0;
  for (const held of outbox.held) {
    if (held.appendSeq > appendSeq) break;
    outbox.send.push(held.message);
    released += 1;
  }
  if (released > 0) outbox.held.splice(0, released);
}

/** Durable here: only now do the rows that were before it have to go. */
function takeRestored<P>({ log, outbox }: Core<P>): Snapshot | null {
  const { restoring } = outbox;
  if (restoring === null || log.durableIndex < restoring.index) return null;
  outbox.restoring = null;
  return restoring;
}

/** Committed and durable here: the fold never sees what a crash could take back (rule 6). */
function takeCommitted<P>(core: Core<P>): readonly Entry<P>[] {
  const { log, outbox } = core;
  const upTo = Math.min(core.commit, log.durableIndex);
  if (upTo <= outbox.committedIndex) return NONE;
  const entries = log.slice(outbox.committedIndex + 1, upTo);
  outbox.committedIndex = upTo;
  return entries;
}

function takeRoleChange<P>(core: Core<P>): RoleChange | null {
  if (!isRoleNews(core)) return null;
  const { outbox, term, state } = core;
  outbox.roleTold = { role: state.role, term, leader: leaderOf(core) };
  return outbox.roleTold;
}

function isRoleNews<P>(core: Core<P>): boolean {
  const { role, term, leader } = core.outbox.roleTold;
  return role !== core.state.role || term !== core.term || leader !== leaderOf(core);
}
