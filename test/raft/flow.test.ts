// How much is sent, when it is sent again, and what stays in memory.

import { describe, expect, test } from 'vitest';
import { ack, leaderOf, Network, readyLeader } from './network.ts';
import { type MessageOf, ofType, type Replica } from './replica.ts';

const HEARTBEAT_MS = 100;

function appendsTo(replica: Replica, to: number): MessageOf<'Append'>[] {
  return ofType(replica.take(), 'Append').filter((message) => message.to === to);
}

function payloads(appends: readonly MessageOf<'Append'>[]): string[][] {
  return appends.map(({ entries }) => entries.map(({ payload }) => payload));
}

function heartbeatOk(leader: Replica, from: number): void {
  const { term } = leader.raft;
  leader.step({ type: 'HeartbeatOk', from, to: 1, term, round: 0 });
}

function reject(leader: Replica, from: number, prevIndex: number, hintIndex: number): void {
  const { term } = leader.raft;
  const hint = { prevIndex, hintIndex, hintTerm: hintIndex === 0 ? 0 : 1 };
  leader.step({ type: 'AppendReject', from, to: 1, term, ...hint });
}

describe('batches', () => {
  test('what is proposed between two drains travels in one append a follower, shared', () => {
    const leader = readyLeader();
    for (const payload of ['a', 'b', 'c']) leader.propose(payload);
    const appends = ofType(leader.take(), 'Append');
    expect(payloads(appends)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
    expect(appends[0]?.entries).toBe(appends[1]?.entries);
  });

  test('are cut at appendBytesMax, and an entry above it travels alone', () => {
    const leader = readyLeader({ config: { appendBytesMax: 300 } });
    leader.propose('a', 80);
    leader.propose('b', 80);
    leader.propose('c', 80);
    leader.propose('big', 5000);
    leader.propose('d', 80);
    expect(payloads(appendsTo(leader, 2))).toEqual([['a', 'b'], ['c'], ['big'], ['d']]);
  });

  test('commits are told at most once a drain, and not beside entries', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    leader.propose('b');
    const appends = appendsTo(leader, 3);
    expect(appends).toMatchObject([{ commit: 2, entries: [{ payload: 'b' }] }]);
  });
});

describe('a probing leader', () => {
  test('has one append outstanding a follower', () => {
    const leader = leaderOf();
    expect(appendsTo(leader, 2)).toHaveLength(1);
    leader.propose('a');
    leader.propose('b');
    expect(appendsTo(leader, 2)).toEqual([]);
    ack(leader, 2, 1);
    expect(payloads(appendsTo(leader, 2))).toEqual([['a', 'b']]);
  });

  test('probes again when a follower lives but has not answered for a heartbeat period', () => {
    const leader = leaderOf();
    leader.take();
    heartbeatOk(leader, 2);
    expect(appendsTo(leader, 2)).toEqual([]);
    leader.tickAt(leader.nowMs + HEARTBEAT_MS);
    leader.take();
    heartbeatOk(leader, 2);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 0, entries: [{ index: 1 }] }]);
  });

  test('ignores a doubled or late reject', () => {
    const leader = leaderOf({ terms: [1, 1, 1, 1], term: 1 });
    leader.take();
    reject(leader, 2, 4, 2);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 2 }]);
    reject(leader, 2, 4, 1);
    expect(appendsTo(leader, 2)).toEqual([]);
    reject(leader, 2, 2, 0);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 0 }]);
  });
});

describe('a replicating leader', () => {
  test('does not wait for answers, up to inflightAppendsMax', () => {
    const leader = readyLeader({ config: { inflightAppendsMax: 3 } });
    const sent: string[] = [];
    for (const payload of ['a', 'b', 'c', 'd', 'e']) {
      leader.propose(payload);
      sent.push(...payloads(appendsTo(leader, 2)).flat());
    }
    expect(sent).toEqual(['a', 'b', 'c']);
    ack(leader, 2, 2);
    expect(payloads(appendsTo(leader, 2))).toEqual([['d', 'e']]);
    ack(leader, 2, 1);
    expect(appendsTo(leader, 2)).toEqual([]);
  });

  test('does not wait for answers, up to inflightBytesMax', () => {
    const leader = readyLeader({ config: { inflightBytesMax: 1000, appendBytesMax: 600 } });
    for (let i = 0; i < 5; i += 1) leader.propose(`${i}`, 500);
    expect(payloads(appendsTo(leader, 2))).toEqual([['0'], ['1']]);
    ack(leader, 2, 2);
    expect(payloads(appendsTo(leader, 2))).toEqual([['2']]);
  });

  test('goes back to probing from where the logs agree when an append is rejected', () => {
    const leader = readyLeader();
    for (const payload of ['a', 'b', 'c']) {
      leader.propose(payload);
      leader.take();
    }
    // 'a' was lost; what followed did not fit.
    reject(leader, 2, 2, 1);
    expect(appendsTo(leader, 2)).toMatchObject([
      { prevIndex: 1, entries: [{ payload: 'a' }, { payload: 'b' }, { payload: 'c' }] },
    ]);
    reject(leader, 2, 3, 1);
    expect(appendsTo(leader, 2)).toEqual([]);
  });

  test('does not forget what a follower has when an older acknowledgement arrives late', () => {
    const leader = readyLeader({ voters: [1, 2, 3, 4, 5] });
    leader.propose('a');
    leader.take();
    ack(leader, 2, 2);
    ack(leader, 2, 1);
    ack(leader, 3, 2);
    expect(leader.raft.commit).toBe(2);
  });

  test('ignores a reject of what was acknowledged since', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    ack(leader, 2);
    leader.take();
    reject(leader, 2, 1, 0);
    leader.propose('b');
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 2, entries: [{ payload: 'b' }] }]);
  });

  test('finds lost appends by heartbeats alone, also where the inflight limit is reached', () => {
    const network = new Network({ config: { inflightAppendsMax: 2 } });
    network.campaign(1);
    network.drops = ({ type, to }) => type === 'Append' && to === 3;
    network.propose(1, 'a');
    network.propose(1, 'b');
    network.propose(1, 'c');
    expect(network.payloads(3)).toEqual([]);
    network.heal();
    network.run(3 * HEARTBEAT_MS);
    expect(network.payloads(3)).toEqual(['a', 'b', 'c']);
  });

  test('finds lost acknowledgements by heartbeats alone', () => {
    const network = new Network();
    network.campaign(1);
    network.drops = ({ type }) => type === 'AppendOk';
    network.propose(1, 'a');
    expect(network.payloads(1)).toEqual([]);
    network.heal();
    network.run(3 * HEARTBEAT_MS);
    expect(network.payloads(1)).toEqual(['a']);
  });

  test('tells of a commit by heartbeat where the Commit was lost', () => {
    const network = new Network();
    network.campaign(1);
    network.drops = ({ type }) => type === 'Commit';
    network.propose(1, 'a');
    expect(network.payloads(2)).toEqual([]);
    network.run(2 * HEARTBEAT_MS);
    expect(network.payloads(2)).toEqual(['a']);
  });

  test('sends again at once what a follower had not on disk when its process died', () => {
    const leader = readyLeader();
    leader.propose('a');
    leader.take();
    leader.raft.peerDown(2, leader.nowMs);
    expect(appendsTo(leader, 2)).toMatchObject([{ prevIndex: 1, entries: [{ payload: 'a' }] }]);
    expect([leader.raft.role, leader.raft.term]).toEqual(['leader', 1]);
  });

  test('stays quiet towards a follower that has all', () => {
    const leader = readyLeader();
    for (let i = 0; i < 5; i += 1) {
      leader.tickAt(leader.nowMs + HEARTBEAT_MS);
      heartbeatOk(leader, 2);
      expect(appendsTo(leader, 2)).toEqual([]);
    }
  });
});

describe('what is not committed', () => {
  test('is limited by bytes, refused beyond, and accepted again after a commit', () => {
    const leader = readyLeader({ config: { uncommittedBytesMax: 100 } });
    expect(leader.propose('a', 60).ok).toBe(true);
    expect(leader.propose('b', 60)).toEqual({ ok: false, reason: 'too-much-uncommitted' });
    expect(leader.propose('c', 40).ok).toBe(true);
    expect(leader.propose('empty', 0).ok).toBe(true);
    leader.take();
    ack(leader, 2);
    leader.take();
    expect(leader.propose('b', 60).ok).toBe(true);
  });

  test('may be one proposal of any size', () => {
    const leader = readyLeader({ config: { uncommittedBytesMax: 100 } });
    expect(leader.propose('big', 5000).ok).toBe(true);
    expect(leader.propose('a', 1).ok).toBe(false);
  });

  test('counts what was inherited; the own first entry is never refused', () => {
    const leader = leaderOf({ terms: [1, 1, 1], config: { uncommittedBytesMax: 5 } });
    expect(leader.raft.lastIndex).toBe(4);
    expect(leader.propose('a', 1).ok).toBe(false);
  });
});

describe('memory', () => {
  const config = { memoryBytesMax: 1000, appendBytesMax: 1000 };

  function filled(): Replica {
    const leader = readyLeader({ config });
    for (let i = 0; i < 20; i += 1) leader.propose(`p${i}`, 136);
    leader.take();
    ack(leader, 2);
    leader.take();
    return leader;
  }

  test('keeps the newest entries up to memoryBytesMax once they are applied and durable', () => {
    const leader = filled();
    expect(leader.raft.entry(16)).toBeNull();
    expect(leader.raft.entry(17)).toMatchObject({ index: 17 });
    expect(leader.raft.chainAt(16)).toEqual(leader.diskEntries[15]?.chain);
    expect(leader.raft.chainAt(15)).toBeNull();
  });

  test('keeps what is not applied, however much it is', () => {
    const leader = readyLeader({ config });
    leader.applies = false;
    for (let i = 0; i < 20; i += 1) leader.propose(`p${i}`, 136);
    leader.take();
    ack(leader, 2);
    leader.take();
    expect(leader.raft.entry(2)).not.toBeNull();
    leader.apply();
    expect(leader.raft.entry(2)).toBeNull();
  });

  test('keeps the newest entry, of any size', () => {
    const leader = readyLeader({ config });
    leader.propose('big', 5000);
    leader.take();
    ack(leader, 2);
    leader.take();
    expect([leader.raft.applied, leader.raft.entry(2)?.payload]).toEqual([2, 'big']);
    expect(leader.raft.entry(1)).toBeNull();
  });

  test('a follower behind it gets what the shell loads, one request at a time', () => {
    const leader = filled();
    leader.raft.peerDown(3, leader.nowMs);
    // Where the logs agree is probed without entries first.
    expect(appendsTo(leader, 3)).toMatchObject([{ prevIndex: 1, entries: [] }]);
    ack(leader, 3, 1);
    expect(appendsTo(leader, 3)).toEqual([]);
    expect(leader.loads).toEqual([{ to: 3, fromIndex: 2, toIndex: 16, bytesMax: 1000 }]);
    leader.propose('more');
    leader.take();
    expect(leader.loads).toHaveLength(1);
    const [request] = leader.loads;
    if (request === undefined) return;
    leader.raft.onEntriesLoaded(request, leader.diskEntries.slice(1, 5), leader.nowMs);
    expect(appendsTo(leader, 3)).toMatchObject([{ prevIndex: 1, entries: { length: 4 } }]);
    expect(leader.loads.at(-1)).toMatchObject({ fromIndex: 6, toIndex: 16 });
  });

  test('a load that found nothing is asked for again after a heartbeat period', () => {
    const leader = filled();
    leader.raft.peerDown(3, leader.nowMs);
    leader.take();
    ack(leader, 3, 1);
    leader.take();
    for (const request of leader.loads) leader.raft.onEntriesLoaded(request, [], leader.nowMs);
    leader.tickAt(leader.nowMs + HEARTBEAT_MS - 1);
    leader.take();
    expect(leader.loads).toHaveLength(1);
    leader.tickAt(leader.nowMs + 1);
    leader.take();
    expect(leader.loads).toHaveLength(2);
  });

  test('a follower that was away for long catches up from disk', () => {
    const network = new Network({ config: { memoryBytesMax: 500, appendBytesMax: 400 } });
    network.campaign(1);
    network.isolate(3);
    const all = Array.from({ length: 50 }, (_, at) => `p${at}`);
    network.propose(1, ...all);
    expect(network.at(1).raft.entry(5)).toBeNull();
    network.heal();
    network.run(1000);
    expect(network.payloads(3)).toEqual(all);
  });

  test('a leader that lost its memory by a restart still serves all', () => {
    const network = new Network();
    network.campaign(1);
    network.isolate(3);
    network.propose(1, 'a', 'b', 'c');
    network.at(1).crash();
    network.at(1).checkpoint = 4;
    network.restart(1);
    network.heal();
    network.campaign(1);
    network.run(1000);
    expect(network.leader?.id).toBe(1);
    expect(network.payloads(3)).toEqual(['a', 'b', 'c']);
  });
});

describe('disorder', () => {
  test('late, doubled and reordered appends leave the log as the leader’s', () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const network = new Network({ seed });
      network.campaign(1);
      const held: MessageOf<'Append'>[] = [];
      network.drops = (message) => {
        if (message.type !== 'Append' || message.to !== 2) return false;
        held.push(message);
        return true;
      };
      for (const payload of ['a', 'b', 'c', 'd']) network.propose(1, payload);
      network.drops = () => false;
      const shuffled = [...held, ...held].sort(() => network.random() - 0.5);
      for (const message of shuffled) {
        network.deliver(message);
        network.settle();
      }
      network.run(300);
      expect(network.payloads(2)).toEqual(['a', 'b', 'c', 'd']);
    }
  });
});
