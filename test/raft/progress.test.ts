// What a leader knows of one follower, and what it therefore sends (Progress, and what etcd's raft is
// held to in its flow control).

import { describe, expect, test } from 'vitest';
import { defaultRaftConfig } from '../../src/raft/config.ts';
import { Progress } from '../../src/raft/progress.ts';
import { ack, leaderOf, Network, readyLeader } from './network.ts';
import { type MessageOf, ofType, type Replica } from './replica.ts';

function appendsTo(replica: Replica, to: number): MessageOf<'Append'>[] {
  return ofType(replica.take(), 'Append').filter((message) => message.to === to);
}

function heartbeatOk(leader: Replica, from: number): void {
  leader.step({ type: 'HeartbeatOk', from, to: 1, term: leader.raft.term, round: 0 });
}

function replicating(match: number): Progress<string> {
  const progress = new Progress<string>(2, 10, defaultRaftConfig, 0);
  progress.acknowledged(match, 0);
  return progress;
}

describe('the progress of a follower', () => {
  test('while probing: what is sent does not move next, and pauses until it is answered', () => {
    const progress = new Progress<string>(2, 10, defaultRaftConfig, 0);
    progress.sent(5, 100, 0, 0);
    expect([progress.next, progress.paused]).toEqual([10, true]);
    expect(progress.acknowledged(14, 0)).toBe(true);
    expect([progress.match, progress.next, progress.paused, progress.probing]).toEqual([
      14,
      15,
      false,
      false,
    ]);
  });

  test('while replicating: next runs ahead with what is sent', () => {
    const progress = replicating(9);
    progress.sent(5, 100, 0, 0);
    progress.sent(2, 100, 0, 0);
    expect([progress.match, progress.next, progress.paused]).toEqual([9, 17, false]);
  });

  test('match never falls, and next stays above it', () => {
    const progress = replicating(9);
    progress.sent(5, 100, 0, 0);
    for (const [match, news] of [
      [12, true],
      [12, false],
      [3, false],
      [14, true],
    ] as const) {
      expect(progress.acknowledged(match, 0)).toBe(news);
    }
    expect([progress.match, progress.next]).toEqual([14, 15]);
  });

  test('is probed again after a loss, from what it is known to hold', () => {
    const progress = replicating(9);
    progress.sent(5, 100, 0, 0);
    progress.lost();
    expect([progress.probing, progress.match, progress.next, progress.paused]).toEqual([
      true,
      9,
      10,
      false,
    ]);
  });

  test.each<[number, number, boolean, number]>([
    [14, 12, true, 13],
    [14, 3, true, 10],
    [14, 14, true, 14],
    [9, 8, false, 17],
    [5, 0, false, 17],
  ])(
    'a refusal after %i with agreement at %i leads back to probing: %s, next %i',
    (prevIndex, agreement, probing, next) => {
      const progress = replicating(9);
      progress.sent(7, 100, 0, 0);
      progress.rejected(prevIndex, agreement);
      expect([progress.probing, progress.next]).toEqual([probing, next]);
    },
  );
});

describe('the window of appends', () => {
  const config = { inflightAppendsMax: 4 };

  function filled(): Replica {
    const leader = readyLeader({ config });
    for (let i = 0; i < 6; i += 1) {
      leader.propose(`p${i}`);
      leader.take();
    }
    return leader;
  }

  test('moves forward by what is acknowledged, in any steps; an old answer moves it nowhere', () => {
    const leader = filled();
    // Indexes 2 to 5 are on their way, 6 and 7 wait.
    ack(leader, 2, 1);
    expect(appendsTo(leader, 2)).toEqual([]);
    ack(leader, 2, 3);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 5, entries: { length: 2 } }]);
    for (let i = 6; i < 10; i += 1) leader.propose(`p${i}`);
    ack(leader, 2, 2);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 7, entries: { length: 4 } }]);
  });

  test('that is full lets one empty append through for each heartbeat answered, no entries', () => {
    const leader = filled();
    for (let beat = 0; beat < 3; beat += 1) {
      leader.tickAt(leader.nowMs + 100);
      leader.take();
      heartbeatOk(leader, 2);
      heartbeatOk(leader, 2);
      expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 5, entries: [] }]);
    }
  });

  test('of one follower is its own: another’s answer frees nothing', () => {
    const leader = leaderOf();
    leader.take();
    leader.propose('a');
    ack(leader, 3, 1);
    const appends = ofType(leader.take(), 'Append');
    expect(appends).toMatchObject([{ to: 3, prevIndex: 1, entries: [{ payload: 'a' }] }]);
  });
});

describe('a leader without followers', () => {
  test('takes no more than uncommittedBytesMax: its log does not grow without bound', () => {
    const network = new Network({ config: { uncommittedBytesMax: 1000 } });
    network.campaign(1);
    network.isolate(1);
    let taken = 0;
    for (let i = 0; i < 100; i += 1) {
      if (network.at(1).propose(`p${i}`, 100).ok) taken += 1;
      network.settle();
    }
    expect(taken).toBe(10);
    network.heal();
    network.run(300);
    expect(network.at(1).propose('again', 100).ok).toBe(true);
  });
});

describe('a follower that was away', () => {
  test('catches up while the leader goes on under load, and stays caught up', () => {
    const network = new Network({
      config: {
        memoryBytesMax: 2000,
        appendBytesMax: 800,
        inflightAppendsMax: 4,
        uncommittedBytesMax: 4000,
      },
    });
    network.campaign(1);
    network.isolate(3);
    const proposed: string[] = [];
    const load = (): void => {
      for (let i = 0; i < 5; i += 1) {
        const payload = `p${proposed.length}`;
        if (network.at(1).propose(payload, 50).ok) proposed.push(payload);
      }
      network.run(10);
    };
    for (let i = 0; i < 200; i += 1) load();
    network.heal();
    for (let i = 0; i < 60; i += 1) load();
    const behind = network.at(1).raft.commit - network.at(3).raft.applied;
    expect(proposed.length).toBe(1300);
    expect(behind).toBeLessThanOrEqual(10);
  });

  test('is not held back any longer once a load that failed has worked', () => {
    const leader = readyLeader({ config: { memoryBytesMax: 500, appendBytesMax: 400 } });
    for (let i = 0; i < 20; i += 1) leader.propose(`p${i}`, 100);
    leader.take();
    ack(leader, 2);
    leader.take();
    leader.raft.peerDown(3, leader.nowMs);
    leader.take();
    ack(leader, 3, 1);
    leader.take();
    const answer = (count: number): void => {
      const request = leader.loads.at(-1);
      if (request === undefined) throw new Error('nothing was asked for');
      const { fromIndex } = request;
      const entries = leader.diskEntries.slice(fromIndex - 1, fromIndex - 1 + count);
      leader.raft.onEntriesLoaded(request, entries, leader.nowMs);
      leader.take();
    };
    answer(0);
    expect(leader.loads).toHaveLength(1);
    leader.tickAt(leader.nowMs + 100);
    leader.take();
    expect(leader.loads).toHaveLength(2);
    // From now on each that arrives asks for the next at once.
    for (let asked = 3; asked < 6; asked += 1) {
      answer(2);
      expect(leader.loads).toHaveLength(asked);
    }
  });
});
