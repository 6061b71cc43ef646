// When a leader's heartbeats leave: where appends and their answers do not say as much already. heartbeatMs is
// 100 here, and time goes on in steps of 10.
import { describe, expect, test } from 'vitest';
import type { RaftConfig } from '../../src/raft/types.ts';
import { Network, readyLeader } from './network.ts';
import { type Message, ofType } from './replica.ts';

const stepMs = 10;

/** What arrives, and when, in a group that replica 1 leads, and never sleeps. */
class Watched extends Network {
  readonly seen: { readonly message: Message; readonly atMs: number }[] = [];
  /** Lost besides. */
  loses: (message: Message) => boolean = () => false;

  constructor(config: Partial<RaftConfig> = {}) {
    super({ config: { quiesceAfterMs: Number.POSITIVE_INFINITY, ...config } });
    this.campaign(1);
    this.drops = (message) => {
      if (this.loses(message)) return true;
      this.seen.push({ message, atMs: this.nowMs });
      return false;
    };
  }

  /** Appends every so many ms, for as long. */
  load(everyMs: number, forMs: number): void {
    for (let ms = 0; ms < forMs; ms += everyMs) {
      this.propose(1, `at ${this.nowMs}`);
      this.run(everyMs, stepMs);
    }
  }

  countOf(type: Message['type'], to?: number): number {
    return this.seen.filter(({ message }) => {
      return message.type === type && (to === undefined || message.to === to);
    }).length;
  }

  /** The longest time in which replica `to` heard nothing of the leader. */
  longestSilenceMs(to: number): number {
    const heard = this.seen.filter(({ message }) => message.from === 1 && message.to === to);
    const times = [...heard.map(({ atMs }) => atMs), this.nowMs];
    return Math.max(...times.map((atMs, i) => atMs - (times[i - 1] ?? atMs)));
  }
}

describe('heartbeats', () => {
  test('there are none while appends leave for all and are answered', () => {
    const network = new Watched();
    network.load(50, 2000);
    expect(network.countOf('Append')).toBeGreaterThanOrEqual(80);
    expect(network.countOf('Heartbeat')).toBe(0);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term: 1 });
  });

  test('begin again once there are no appends', () => {
    const network = new Watched();
    network.load(50, 500);
    network.run(1000, stepMs);
    expect(network.countOf('Heartbeat', 2)).toBeGreaterThanOrEqual(9);
  });

  test.each([30, 70, 90, 100, 110, 150, 250])(
    'with an append each %i ms nobody waits for longer than a period and a tick',
    (everyMs) => {
      const network = new Watched();
      network.load(everyMs, 3000);
      for (const to of [2, 3]) expect(network.longestSilenceMs(to)).toBeLessThanOrEqual(110);
    },
  );

  test('go to all while one does not answer appends', () => {
    const network = new Watched();
    network.loses = ({ type, from }) => type === 'AppendOk' && from === 3;
    network.load(50, 2000);
    for (const to of [2, 3]) expect(network.countOf('Heartbeat', to)).toBeGreaterThanOrEqual(15);
  });

  test('go to all while one gets no appends', () => {
    const network = new Watched();
    network.loses = ({ type, to }) => type === 'Append' && to === 3;
    network.load(50, 2000);
    for (const to of [2, 3]) expect(network.countOf('Heartbeat', to)).toBeGreaterThanOrEqual(15);
    expect(network.longestSilenceMs(3)).toBeLessThanOrEqual(110);
  });

  test('are not put off by an answer that comes late', () => {
    const leader = readyLeader();
    const { nowMs: startMs, id: to } = leader;
    const { term } = leader.raft;
    leader.propose('a');
    const appends = ofType(leader.take(), 'Append');
    leader.tickAt(startMs + 90);
    for (const { to: from, entries } of appends) {
      leader.step({ type: 'AppendOk', from, to, term, match: entries.at(-1)?.index ?? 0 });
    }
    leader.take();
    leader.tickAt(startMs + 110);
    expect(ofType(leader.take(), 'Heartbeat')).toHaveLength(2);
  });

  test('confirm a read under load whose first round was lost', () => {
    const network = new Watched();
    network.load(50, 200);
    network.loses = ({ type }) => type === 'Heartbeat';
    network.at(1).raft.readIndex(7, network.nowMs);
    network.settle();
    network.loses = () => false;
    network.load(50, 200);
    expect(network.at(1).reads).toMatchObject([{ context: 7 }]);
    expect(network.at(1).reads[0]?.index).not.toBeNull();
  });

  test('keep up a lease under load', () => {
    const network = new Watched({ lease: true });
    network.load(50, 2000);
    expect(network.at(1).raft.leaseUntilMs).toBeGreaterThan(network.nowMs + 300);
  });

  test('under load a leader that no majority answers steps down all the same', () => {
    const network = new Watched();
    network.load(50, 500);
    network.loses = ({ to }) => to === 1;
    network.load(50, 400);
    expect(network.at(1).raft.role).toBe('leader');
    network.run(200, stepMs);
    expect(network.at(1).raft.role).toBe('follower');
  });
});
