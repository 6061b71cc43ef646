// The state of a replica at a start, from what storage has kept: a follower that knows no leader yet,
// honours the vote it gave, and takes the commit index on disk for the hint that it is (rule 5).

import { assert } from '../assert.ts';
import type { Core } from './core.ts';
import { Log } from './log.ts';
import { MembershipLog } from './membership-log.ts';
import { followerState, randomTimeoutMs } from './roles.ts';
import { EntryKind, type RaftOptions } from './types.ts';

/** Campaigns of one incarnation are numbered from a random multiple of this. */
const CAMPAIGNS_PER_START = 2 ** 20;
const STARTS_TOLD_APART = 2 ** 32;

export function createCore<P>(options: RaftOptions<P>): Core<P> {
  const { self, config, random, hardState, applied, nowMs } = options;
  const log = new Log(options.log);
  assert(config.checkQuorum || !config.lease, 'a lease needs checkQuorum');
  assert(hardState.term >= log.tail.term, 'the term is durable with, or before, its entries');
  assert(
    applied <= log.lastIndex && applied >= log.firstIndex - 1,
    'the log reaches the checkpoint',
  );
  const { term, votedFor } = hardState;
  const commit = Math.min(Math.max(hardState.commit, applied), log.lastIndex);
  const core: Core<P> = {
    self,
    config,
    random,
    chain: options.chain,
    emptyPayload: options.emptyPayload,
    membershipPayload: options.membershipPayload,
    readMembership: options.readMembership,
    log,
    memberships: membershipsOf(options),
    outputs: {
      send: [],
      gated: [],
      delayed: [],
      reads: [],
      loads: [],
      snapshots: [],
      restoring: null,
      nextSeq: 1,
      persistedSeq: 0,
      hardStateChanged: false,
      commitWritten: hardState.commit,
      committedIndex: applied,
      roleTold: { role: 'follower', term, leader: 0 },
    },
    term,
    votedFor,
    commit,
    applied,
    nowMs,
    state: {
      role: 'follower',
      leader: 0,
      deadlineMs: nowMs,
      timeoutMs: 0,
      forwarded: new Map(),
      quiesced: false,
      isTold: false,
    },
    // Before it stopped it may have heard a leader whose lease rests on that.
    leaderHeardMs: config.lease ? nowMs : -Infinity,
    lastLeader: 0,
    deadLeader: 0,
    campaign: Math.floor(random() * STARTS_TOLD_APART) * CAMPAIGNS_PER_START,
    hurriedMs: [],
  };
  const preferredMs = random() * config.preferredFirstTimeoutMs;
  core.state = followerState(core, 0, options.preferred ? preferredMs : randomTimeoutMs(core));
  return core;
}

function membershipsOf<P>({ log, applied, readMembership }: RaftOptions<P>): MembershipLog {
  const memberships = new MembershipLog(log.base.index, log.base.membership);
  for (const { kind, index, payload } of log.entries) {
    if (kind === EntryKind.CONFIG) memberships.append(index, readMembership(payload));
  }
  memberships.applied(applied);
  return memberships;
}
