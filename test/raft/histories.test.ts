// Random histories of faults: lost, doubled and reordered messages, cut links, crashes that lose what
// was not persisted, slow disks, late loads, logs that are compacted and snapshots that take their place,
// and voters and learners that come and go. Safety is checked after every step; then all faults end, and
// the replicas must agree on everything within a few seconds.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert } from '../../src/assert.ts';
import { isVoter, type MemberChange, membersOf } from '../../src/raft/membership.ts';
import { EntryKind, type RaftConfig } from '../../src/raft/types.ts';
import { SafetyChecker } from './checker.ts';
import { Network } from './network.ts';
import { membershipOf, type Replica, seeded } from './replica.ts';

/** Small limits, so that short histories reach them. */
const TIGHT = {
  appendBytesMax: 300,
  inflightAppendsMax: 3,
  inflightBytesMax: 800,
  memoryBytesMax: 400,
  uncommittedBytesMax: 400,
};

const KINDS = [
  ...Array<'deliver'>(90).fill('deliver'),
  ...Array<'persist'>(36).fill('persist'),
  ...Array<'propose'>(12).fill('propose'),
  ...Array<'time'>(5).fill('time'),
  ...Array<'read'>(6).fill('read'),
  ...Array<'drain'>(4).fill('drain'),
  ...Array<'load'>(6).fill('load'),
  ...Array<'calm'>(2).fill('calm'),
  ...Array<'drop'>(2).fill('drop'),
  ...Array<'double'>(3).fill('double'),
  ...Array<'crash'>(1).fill('crash'),
  ...Array<'restart'>(3).fill('restart'),
  ...Array<'cut'>(1).fill('cut'),
  ...Array<'heal'>(2).fill('heal'),
  ...Array<'hurry'>(3).fill('hurry'),
  ...Array<'checkpoint'>(2).fill('checkpoint'),
  ...Array<'compact'>(2).fill('compact'),
  ...Array<'snapshot'>(6).fill('snapshot'),
  ...Array<'transfer'>(2).fill('transfer'),
  ...Array<'wake'>(2).fill('wake'),
] as const;
type Kind = (typeof KINDS)[number] | 'config' | 'offer';

const CHANGES: readonly MemberChange['type'][] = [
  'add-voter',
  'add-learner',
  'promote',
  'promote',
  'demote',
  'remove',
];
/** Replicas that wait to be added. */
const SPARES = 4;

interface Move {
  readonly kind: Kind;
  /** Chooses the replica, or the message. */
  readonly pick: number;
  /** Chooses details. */
  readonly detail: number;
}

function move(kinds: readonly Kind[]): fc.Arbitrary<Move> {
  return fc.record({
    kind: fc.constantFrom(...kinds),
    pick: fc.nat(9999),
    detail: fc.nat(9999),
  });
}

interface HistoryOptions {
  readonly size: number;
  readonly seed: number;
  readonly spares?: number;
  readonly config?: Partial<RaftConfig>;
}

class History {
  readonly network: Network;
  readonly checker: SafetyChecker;
  readonly #openReads = new Map<number, Set<number>>();
  #contexts = 0;
  #proposals = 0;

  constructor({ size, seed, spares = 0, config = {} }: HistoryOptions) {
    this.network = new Network({ size, spares, seed, config: { ...TIGHT, ...config } });
    this.checker = new SafetyChecker(this.network);
  }

  make({ kind, pick, detail }: Move): void {
    const { network } = this;
    const { replicas, messages } = network;
    const replica = replicas[pick % replicas.length];
    assert(replica !== undefined, 'there are replicas');
    if (kind === 'deliver' || kind === 'drop' || kind === 'double') {
      // Mostly the older ones, but any order may happen.
      const at = Math.min(pick % 7, pick % Math.max(1, messages.length));
      const message = messages[at];
      if (message === undefined) return;
      if (kind !== 'double') messages.splice(at, 1);
      if (kind === 'drop') return;
      network.deliver(message);
      const receiver = network.at(message.to);
      if (receiver.up) this.#settle(receiver, detail);
    } else if (kind === 'cut') {
      if (detail % 2 === 0) network.isolate(replica.id);
      else network.cut(replica.id, 1 + (detail % replicas.length));
    } else if (kind === 'calm') {
      network.settle();
      for (const one of replicas) if (one.up) this.checker.check(one);
    } else if (kind === 'heal') {
      network.heal();
    } else if (kind === 'restart') {
      if (!replica.up) replica.restart(network.nowMs);
    } else if (replica.up) {
      this.#act(kind, replica, detail);
      if (replica.up) this.#settle(replica, detail);
    }
  }

  #act(kind: Kind, replica: Replica, detail: number): void {
    const { network } = this;
    switch (kind) {
      case 'persist':
        replica.persist();
        return;
      case 'propose':
        this.#proposals += 1;
        this.#propose(detail % 3 === 0 ? replica : (network.leader ?? replica), detail);
        return;
      case 'config':
        this.#reconfigure(detail % 5 === 0 ? replica : (network.leader ?? replica), detail);
        return;
      case 'time':
        network.nowMs += detail % (detail % 9 === 0 ? 1000 : 60);
        replica.tickAt(network.nowMs);
        return;
      case 'read':
        this.#read(replica);
        return;
      case 'load':
        if (detail % 4 > 0) network.answerLoads(replica);
        else this.#failLoads(replica);
        return;
      case 'hurry':
        for (const other of network.replicas) {
          if (!other.up) replica.raft.peerDown(other.id, network.nowMs);
        }
        return;
      case 'checkpoint':
        replica.checkpoint += replica.applied.splice(
          0,
          replica.applied.length >> (detail % 2),
        ).length;
        return;
      case 'compact':
        // A snapshot that is durable has to be taken over first.
        if (replica.raft.applied >= replica.checkpoint) {
          replica.compact(replica.checkpoint - (detail % 3 === 0 ? detail % 7 : 0));
        }
        return;
      case 'offer':
        this.#offer(network.leader, replica);
        return;
      case 'snapshot':
        if (detail % 4 > 0) network.answerSnapshots(replica);
        else this.#failSnapshots(replica);
        return;
      case 'wake':
        replica.raft.wake(1 + (detail % network.replicas.length), 0, network.nowMs);
        return;
      case 'transfer':
        replica.raft.transferLeadership(1 + (detail % network.replicas.length), network.nowMs);
        return;
      case 'crash':
        replica.crash(detail % 3);
        this.checker.restarted(replica, this.#openReads.get(replica.id) ?? []);
        this.#openReads.delete(replica.id);
        return;
      default:
        return;
    }
  }

  /** Also to one who only believes to lead: what it appends is to be cut off later. */
  #propose(replica: Replica, detail: number): void {
    replica.propose(`p${this.#proposals}`, detail % 100);
    this.#settle(replica, detail);
  }

  /** One to three changes of members, or of replicas that were never added. */
  #reconfigure(replica: Replica, detail: number): void {
    const random = seeded(detail);
    const pickOf = <T>(list: readonly T[]): T | undefined =>
      list[Math.floor(random() * list.length)];
    const { membership } = replica.raft;
    let { highestId } = membership;
    const changes: MemberChange[] = [];
    for (let count = Math.ceil(random() * 3); count > 0; count -= 1) {
      const type = pickOf(CHANGES) ?? 'remove';
      const isNew = type === 'add-voter' || type === 'add-learner';
      if (isNew && highestId === this.network.replicas.length) continue;
      if (isNew) highestId += 1;
      const id = isNew ? highestId : (pickOf(membersOf(membership)) ?? 1);
      changes.push({ type, id });
    }
    const transition = pickOf(['auto', 'implicit', 'explicit'] as const) ?? 'auto';
    const leaves = random() < 0.2;
    replica.proposeConfig(
      leaves ? { type: 'leave-joint' } : { type: 'change', changes, transition },
    );
    this.#settle(replica, detail);
  }

  #read(replica: Replica): void {
    this.#contexts += 1;
    const open = this.#openReads.get(replica.id) ?? new Set();
    this.#openReads.set(replica.id, open.add(this.#contexts));
    this.checker.asked(this.#contexts);
    replica.raft.readIndex(this.#contexts, this.network.nowMs);
  }

  #failLoads(replica: Replica): void {
    for (const request of replica.loads.splice(0)) {
      replica.raft.onEntriesLoaded(request, [], this.network.nowMs);
    }
  }

  /** A snapshot that nobody has asked for, to one that may have all of it. */
  #offer(leader: Replica | undefined, to: Replica): void {
    if (leader === undefined || leader === to || leader.checkpoint === 0) return;
    const { network } = this;
    const snapshot = network.alterSnapshot(leader.snapshotAt(leader.checkpoint));
    const { term } = leader.raft;
    network.messages.push({ type: 'InstallSnapshot', from: leader.id, to: to.id, term, snapshot });
  }

  #failSnapshots(replica: Replica): void {
    for (const request of replica.snapshots.splice(0)) {
      replica.raft.onSnapshotFailed(request, this.network.nowMs);
    }
  }

  /** Mostly drains at once; otherwise several inputs share a drain. */
  #settle(replica: Replica, detail: number): void {
    replica.nowMs = this.network.nowMs;
    if (detail % 4 > 0) replica.drain();
    this.network.collect(replica);
    this.checker.check(replica);
  }

  /** All faults end: everything proposed from now on is folded everywhere, and every read answered. */
  converge(): void {
    const { network, checker } = this;
    network.heal();
    for (const replica of network.replicas) if (!replica.up) replica.restart(network.nowMs);
    for (const { raft } of network.replicas) {
      for (const { id } of network.replicas) raft.wake(id, 0, network.nowMs);
    }
    network.runUntil(() => network.leader?.raft.ready === true, 30_000);
    network.runUntil(() => this.#isProposed(), 5000);
    network.runUntil(() => this.#isAgreed(), 5000);
    network.run(1000);
    for (const replica of network.replicas) checker.check(replica);
    expect(network.leader?.raft.membership.autoLeave).toBe(false);
    expect(checker.readsOpen).toBe(0);
    expect(network.replicas.filter(({ raft }) => raft.role === 'leader')).toHaveLength(1);
  }

  #isProposed(): boolean {
    const { leader } = this.network;
    return leader?.propose('the end').ok === true;
  }

  #isAgreed(): boolean {
    const { leader } = this.network;
    if (leader === undefined) return false;
    const last = leader.raft.lastIndex;
    return membersOf(leader.raft.membership)
      .map((id) => this.network.at(id).raft)
      .every((raft) => raft.applied === last && raft.lastIndex === last);
  }
}

function runHistory(options: HistoryOptions, moves: readonly Move[]): History {
  const history = new History(options);
  for (const one of moves) history.make(one);
  history.converge();
  return history;
}

describe('any history of faults keeps what Raft promises (thesis 3.6), and ends in agreement', () => {
  const moves = fc.array(move(KINDS), { minLength: 500, maxLength: 4000, size: 'max' });

  test('with three replicas', () => {
    fc.assert(
      fc.property(fc.nat(), moves, (seed, list) => {
        runHistory({ size: 3, seed }, list);
      }),
      { numRuns: 250, endOnFailure: true },
    );
  }, 20_000);

  test('with five replicas', () => {
    fc.assert(
      fc.property(fc.nat(), moves, (seed, list) => {
        runHistory({ size: 5, seed }, list);
      }),
      { numRuns: 80, endOnFailure: true },
    );
  }, 20_000);

  test('with three replicas that read by a lease', () => {
    fc.assert(
      fc.property(fc.nat(), moves, (seed, list) => {
        runHistory({ size: 3, seed, config: { lease: true } }, list);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  }, 20_000);

  test('with three replicas that fall silent whenever they can', () => {
    fc.assert(
      fc.property(fc.nat(), moves, (seed, list) => {
        runHistory({ size: 3, seed, config: { quiesceAfterMs: 0 } }, list);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  }, 20_000);

  const withChanges = fc.array(move([...KINDS, ...Array<'config'>(15).fill('config')]), {
    minLength: 500,
    maxLength: 4000,
    size: 'max',
  });

  test.each<[number, Partial<RaftConfig>]>([
    [1, {}],
    [3, {}],
    [3, { lease: true }],
    [3, { quiesceAfterMs: 0 }],
  ])(
    'with %i founding voters, and members that come and go (%j)',
    (size, config) => {
      fc.assert(
        fc.property(fc.nat(), withChanges, (seed, list) => {
          runHistory({ size, seed, config, spares: SPARES }, list);
        }),
        { numRuns: 120, endOnFailure: true },
      );
    },
    20_000,
  );

  const withSnapshots = fc.array(
    move([
      ...KINDS,
      ...Array<'deliver'>(160).fill('deliver'),
      ...Array<'persist'>(60).fill('persist'),
      ...Array<'propose'>(20).fill('propose'),
      ...Array<'checkpoint'>(10).fill('checkpoint'),
      ...Array<'compact'>(12).fill('compact'),
      ...Array<'snapshot'>(12).fill('snapshot'),
      ...Array<'time'>(8).fill('time'),
      ...Array<'heal'>(2).fill('heal'),
      ...Array<'config'>(5).fill('config'),
      ...Array<'offer'>(12).fill('offer'),
    ]),
    { minLength: 500, maxLength: 4000, size: 'max' },
  );

  test.each<[Partial<RaftConfig>]>([[{}], [{ lease: true }], [{ quiesceAfterMs: 0 }]])(
    'with logs that are compacted early and often, and members that come and go (%j)',
    (config) => {
      fc.assert(
        fc.property(fc.nat(), withSnapshots, (seed, list) => {
          runHistory({ size: 3, seed, config, spares: SPARES }, list);
        }),
        { numRuns: 250, endOnFailure: true },
      );
    },
    20_000,
  );

  test('and snapshots are installed while the faults go on', () => {
    let restored = 0;
    fc.sample(withSnapshots, { numRuns: 20, seed: 7 }).forEach((list, seed) => {
      const history = new History({ size: 3, seed, spares: SPARES });
      for (const one of list) history.make(one);
      for (const replica of history.network.replicas) restored += replica.restored;
    });
    expect(restored).toBeGreaterThan(10);
  });

  test('and one that is not of what was committed is always found', () => {
    const findings: string[] = [];
    let missed = 0;
    fc.sample(withSnapshots, { numRuns: 20, seed: 7 }).forEach((list, seed) => {
      const history = new History({ size: 3, seed, spares: SPARES });
      const chain = Uint8Array.of(1, 2, 3, 4);
      history.network.alterSnapshot = (snapshot) => ({ ...snapshot, chain });
      try {
        for (const one of list) history.make(one);
        missed += history.network.replicas.filter(({ restored }) => restored > 0).length;
      } catch (error) {
        findings.push(String(error));
      }
    });
    expect(missed).toBe(0);
    expect(findings.length).toBeGreaterThan(5);
    expect(findings.join()).toContain('a snapshot is of what was committed');
  });

  test('and there are members that come and go, and leaders that are removed', () => {
    let changes = 0;
    let removedLeaders = 0;
    fc.sample(withChanges, { numRuns: 20, seed: 7 }).forEach((list, seed) => {
      // What is compacted could not be counted afterwards.
      const kept = list.filter(({ kind }) => kind !== 'compact');
      const { network } = runHistory({ size: 3, seed, spares: SPARES }, kept);
      for (const { kind, term, payload } of network.leader?.diskEntries ?? []) {
        if (kind !== EntryKind.CONFIG) continue;
        changes += 1;
        const by = network.replicas.find(({ roles }) =>
          roles.some((told) => told.role === 'leader' && told.term === term),
        );
        if (by !== undefined && !isVoter(membershipOf(payload), by.id)) removedLeaders += 1;
      }
    });
    expect(changes).toBeGreaterThan(60);
    expect(removedLeaders).toBeGreaterThan(0);
  });

  test('and the histories are not empty ones: leaders change, entries commit, reads are served', () => {
    let terms = 0;
    let committed = 0;
    let served = 0;
    const list = fc.sample(moves, { numRuns: 20, seed: 7 });
    list.forEach((one, seed) => {
      const { network, checker } = runHistory({ size: 3, seed }, one);
      terms += network.at(1).raft.term;
      committed += network.at(1).raft.commit;
      served += checker.readsServed;
    });
    expect(terms).toBeGreaterThan(40);
    expect(committed).toBeGreaterThan(200);
    expect(served).toBeGreaterThan(20);
  });
});
