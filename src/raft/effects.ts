// The drain: turns what the inputs since the last one have changed into what the shell has to do, with
// one durable step at most. What rests on that step leaves with it, what rests on an earlier one is delayed.

import { assert } from '../assert.ts';
import { type Core, leaderOf, type Outputs } from './core.ts';
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
  const { outputs, state, log } = core;
  const { send, gated, reads, loads, snapshots, hardStateChanged, restoring } = outputs;
  if (send.length + gated.length + reads.length + loads.length + snapshots.length > 0) return true;
  if (hardStateChanged || log.hasUnwritten || restoring !== null) return true;
  if (Math.min(core.commit, log.durableIndex) > outputs.committedIndex) return true;
  if (isRoleNews(core)) return true;
  return state.role === 'leader' && (state.reads.fresh.length > 0 || hasToSend(core, state));
}

export function takeEffects<P>(core: Core<P>): Effects<P> | null {
  const { outputs, state } = core;
  if (state.role === 'leader') {
    if (state.reads.fresh.length > 0) broadcastHeartbeat(core, state);
    sendAppends(core, state);
  }
  const persist = takePersistStep(core);
  const restored = takeRestored(core);
  const committed = takeCommitted(core);
  const role = takeRoleChange(core);
  const { send, reads, loads, snapshots } = outputs;
  const isAsking = reads.length + loads.length + snapshots.length > 0;
  const isWorking = persist !== null || restored !== null || committed.length > 0;
  if (send.length === 0 && !isAsking && !isWorking && role === null) return null;
  if (send.length > 0) outputs.send = [];
  if (reads.length > 0) outputs.reads = [];
  if (loads.length > 0) outputs.loads = [];
  if (snapshots.length > 0) outputs.snapshots = [];
  return { send, persist, restored, committed, reads, role, loads, snapshots };
}

function takePersistStep<P>(core: Core<P>): PersistStep<P> | null {
  const { log, outputs } = core;
  if (!outputs.hardStateChanged && !log.hasUnwritten) {
    releaseOrDelay(outputs);
    return null;
  }
  const appendSeq = outputs.nextSeq;
  outputs.nextSeq += 1;
  const hardState = takeHardState(core);
  const { snapshot, entries, truncateFrom, truncateTo } = log.takeUnwritten();
  const after = takeGated(outputs);
  return { appendSeq, hardState, snapshot, truncateFrom, truncateTo, entries, after };
}

/** The commit index rides along, but is never a reason to write (rule 5). */
function takeHardState<P>(core: Core<P>): HardState | null {
  const { outputs, term, votedFor, commit } = core;
  if (!outputs.hardStateChanged && outputs.commitWritten === commit) return null;
  outputs.hardStateChanged = false;
  outputs.commitWritten = commit;
  return { term, votedFor, commit };
}

function takeGated<P>(outputs: Outputs<P>): readonly RaftMessage<P>[] {
  if (outputs.gated.length === 0) return NONE;
  const { gated } = outputs;
  outputs.gated = [];
  return gated;
}

/** No step is handed out: promises rest on those in flight, if any are. */
function releaseOrDelay<P>(outputs: Outputs<P>): void {
  if (outputs.gated.length === 0) return;
  const newestSeq = outputs.nextSeq - 1;
  for (const message of outputs.gated) {
    if (outputs.persistedSeq === newestSeq) outputs.send.push(message);
    else outputs.delayed.push({ appendSeq: newestSeq, message });
  }
  outputs.gated = [];
}

/** Everything up to step `appendSeq` is durable. */
export function markPersisted<P>(core: Core<P>, appendSeq: number): void {
  const { outputs } = core;
  assert(appendSeq > outputs.persistedSeq, 'steps complete in order, each once');
  assert(appendSeq < outputs.nextSeq, 'only what was handed out completes');
  outputs.persistedSeq = appendSeq;
  core.log.persisted(appendSeq);
  let released = 0;
  for (const delayed of outputs.delayed) {
    if (delayed.appendSeq > appendSeq) break;
    outputs.send.push(delayed.message);
    released += 1;
  }
  if (released > 0) outputs.delayed.splice(0, released);
}

/** Durable here: only now do the rows that were before it have to go. */
function takeRestored<P>({ log, outputs }: Core<P>): Snapshot | null {
  const { restoring } = outputs;
  if (restoring === null || log.durableIndex < restoring.index) return null;
  outputs.restoring = null;
  return restoring;
}

/** Committed and durable here: the fold never sees what a crash could take back (rule 6). */
function takeCommitted<P>(core: Core<P>): readonly Entry<P>[] {
  const { log, outputs } = core;
  const upTo = Math.min(core.commit, log.durableIndex);
  if (upTo <= outputs.committedIndex) return NONE;
  const entries = log.slice(outputs.committedIndex + 1, upTo);
  outputs.committedIndex = upTo;
  return entries;
}

function takeRoleChange<P>(core: Core<P>): RoleChange | null {
  if (!isRoleNews(core)) return null;
  const { outputs, term, state } = core;
  outputs.roleTold = { role: state.role, term, leader: leaderOf(core) };
  return outputs.roleTold;
}

function isRoleNews<P>(core: Core<P>): boolean {
  const { role, term, leader } = core.outputs.roleTold;
  return role !== core.state.role || term !== core.term || leader !== leaderOf(core);
}
