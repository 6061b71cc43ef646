// What consensus itself costs: three replicas of the pure core in one process, for each partition, with a
// disk that is durable at once and a network that hands messages over. What is left is the core's own
// work and what it allocates, for the three replicas together. Runs from dist/ as a node does: tsx makes
// functions name themselves, at a cost that no node has.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createPayload, type EntryPayload, payloadBytes } from '../../src/entry.ts';
import { hashBytes } from '../../src/hash.ts';
import { membershipPayload, readMembership } from '../../src/node/membership-payload.ts';
import { defaultRaftConfig } from '../../src/raft/config.ts';
import { foundingMembership } from '../../src/raft/membership.ts';
import {
  type Draft,
  type Effects,
  EntryKind,
  type Raft,
  type RaftMessage,
  type RaftOptions,
} from '../../src/raft/types.ts';
import { checkBuild, dist } from '../harness/node-process.ts';

type Chain = RaftOptions<EntryPayload>['chain'];

interface CoreCase {
  readonly chain: 'none' | 'sha256';
  readonly partitions: number;
  /** Proposals in each partition between two drains. */
  readonly batch: number;
}

export interface CoreFigures extends CoreCase {
  readonly perSecond: number;
  /** CPU time of all threads, for the three replicas together: the collector's work is in it. */
  readonly nsPerEntry: number;
}

checkBuild();
const { createRaft }: typeof import('../../src/raft/raft.ts') = await built('raft/raft.js');
const { entryChain }: typeof import('../../src/entry.ts') = await built('entry.js');

const voters = [1, 2, 3];
const membership = foundingMembership(voters);
const tickMs = 10;
const warmUpMs = 500;
const repeats = 3;
const noChain = new Uint8Array(hashBytes);
const chains: Readonly<Record<CoreCase['chain'], Chain>> = {
  none: () => noChain,
  sha256: entryChain,
};

/** The same small object for every entry: making it is not the core's work. */
const payload = createPayload(Buffer.alloc(32), [Buffer.alloc(256)], 256);

function built(file: string) {
  return import(pathToFileURL(path.join(dist, file)).href);
}

export function benchCore(seconds: number, onCase: (figures: CoreFigures) => void): CoreFigures[] {
  const all: CoreFigures[] = [];
  for (const chain of ['none', 'sha256'] as const) {
    for (const partitions of [1, 16]) {
      for (const batch of [1, 16, 64]) {
        const figures = runCase({ chain, partitions, batch }, seconds);
        onCase(figures);
        all.push(figures);
      }
    }
  }
  return all;
}

/** The median of several runs by CPU time: others may be using this machine. */
function runCase(one: CoreCase, seconds: number): CoreFigures {
  const groups = Array.from({ length: one.partitions }, () => new Group(chains[one.chain]));
  proposeFor(groups, one.batch, warmUpMs);
  const runs = Array.from({ length: repeats }, () => {
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    const entries = proposeFor(groups, one.batch, (seconds * 1000) / repeats);
    const elapsedMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(cpu);
    return {
      perSecond: Math.round((entries * 1000) / elapsedMs),
      nsPerEntry: Math.round(((user + system) * 1000) / entries),
    };
  });
  runs.sort((a, b) => a.nsPerEntry - b.nsPerEntry);
  const median = runs[Math.floor(repeats / 2)] ?? { perSecond: 0, nsPerEntry: 0 };
  return { ...one, ...median };
}

/** How many entries every replica has applied in that time. */
function proposeFor(groups: readonly Group[], batch: number, durationMs: number): number {
  const endMs = performance.now() + durationMs;
  let entries = 0;
  for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
    for (const group of groups) group.propose(batch, nowMs);
    while (groups.reduce((wasBusy, group) => group.drain(nowMs) || wasBusy, false)) {
      // What one replica sent makes another busy.
    }
    entries += groups.length * batch;
  }
  for (const group of groups) group.assertApplied();
  return entries;
}

/** One partition's three replicas; the first leads. */
class Group {
  private readonly replicas: readonly Raft<EntryPayload>[];
  private readonly leader: Raft<EntryPayload>;
  private tickedMs = 0;

  constructor(chain: Chain) {
    const nowMs = performance.now();
    this.replicas = voters.map((self) => createReplica(self, chain, nowMs));
    const [leader] = this.replicas;
    if (leader === undefined) throw new Error('a group has replicas');
    this.leader = leader;
    leader.tick(nowMs);
    while (this.drain(nowMs)) {
      // The election.
    }
    if (!leader.ready) throw new Error('the first replica does not lead');
  }

  propose(count: number, nowMs: number): void {
    if (nowMs - this.tickedMs >= tickMs) {
      this.tickedMs = nowMs;
      for (const replica of this.replicas) replica.tick(nowMs);
    }
    const timeMs = this.leader.lastTimeMs;
    for (let i = 0; i < count; i++) {
      const draft: Draft<EntryPayload> = {
        kind: EntryKind.COMMANDS,
        timeMs,
        payload,
        payloadBytes: payloadBytes(payload),
      };
      if (!this.leader.propose(draft, nowMs).ok) throw new Error('the leader refused');
    }
  }

  /** Each replica once; whether any had something to do. */
  drain(nowMs: number): boolean {
    let busy = false;
    for (const replica of this.replicas) {
      const effects = replica.takeEffects();
      if (effects === null) continue;
      busy = true;
      this.carryOut(replica, effects, nowMs);
    }
    return busy;
  }

  assertApplied(): void {
    const { lastIndex } = this.leader;
    const isDone = this.replicas.every(({ applied }) => applied === lastIndex);
    if (!isDone) throw new Error('not every replica has applied what was proposed');
  }

  private carryOut(
    replica: Raft<EntryPayload>,
    { send, persist, committed }: Effects<EntryPayload>,
    nowMs: number,
  ): void {
    this.deliver(send, nowMs);
    if (persist !== null) {
      replica.onPersisted(persist.appendSeq, nowMs);
      this.deliver(persist.after, nowMs);
    }
    const last = committed.at(-1);
    if (last !== undefined) replica.onApplied(last.index);
  }

  private deliver(messages: readonly RaftMessage<EntryPayload>[], nowMs: number): void {
    for (const message of messages) this.replicas[message.to - 1]?.step(message, nowMs);
  }
}

function createReplica(self: number, chain: Chain, nowMs: number): Raft<EntryPayload> {
  return createRaft({
    self,
    preferred: self === 1,
    hardState: { term: 0, votedFor: 0, commit: 0 },
    log: {
      base: { index: 0, term: 0, chain: noChain, timeMs: 0, membership },
      boundary: 0,
      terms: [],
      entries: [],
    },
    applied: 0,
    nowMs,
    // The preferred one campaigns at its first tick, the others much later.
    random: () => 0,
    chain,
    emptyPayload: () => payload,
    membershipPayload,
    readMembership,
    config: defaultRaftConfig,
  });
}
