// A log whose oldest entries have left it: what it still knows of them, what it may still send and load, and
// how a group goes on from it (thesis 5.1, 5.3).

import { describe, expect, test } from 'vitest';
import { ack, Network, readyLeader } from './network.ts';
import { type MessageOf, ofType, Replica } from './replica.ts';

function appendsTo2(leader: Replica): MessageOf<'Append'>[] {
  return ofType(leader.take(), 'Append').filter(({ to }) => to === 2);
}

describe('a load', () => {
  const config = { memoryBytesMax: 300, appendBytesMax: 250 };

  /** Twenty entries, of which the newest few are in memory; follower 2 has the first. */
  function loading(): Replica {
    const leader = readyLeader({ config });
    leader.raft.peerDown(2, leader.nowMs);
    leader.take();
    for (let i = 0; i < 20; i += 1) leader.propose(`p${i}`, 10);
    leader.take();
    ack(leader, 3);
    leader.take();
    leader.checkpoint += leader.applied.splice(0).length;
    ack(leader, 2, 1);
    leader.take();
    expect(leader.loads).toMatchObject([{ to: 2, fromIndex: 2 }]);
    return leader;
  }

  test('never asks for what is compacted', () => {
    const leader = loading();
    leader.compact(10);
    leader.take();
    ack(leader, 2, 10);
    leader.take();
    expect(leader.loads.at(-1)).toMatchObject({ fromIndex: 11 });
  });

  test.each([0, 3])(
    'of what is compacted meanwhile is of no use, with %i entries in its answer',
    (count) => {
      const leader = loading();
      const [request] = leader.loads;
      if (request === undefined) throw new Error('nothing was asked for');
      const entries = leader.diskEntries.slice(1, 1 + count);
      leader.compact(10);
      leader.raft.onEntriesLoaded(request, entries, leader.nowMs);
      expect(appendsTo2(leader)).toEqual([]);
      expect(leader.snapshots).toEqual([{ to: 2, index: 10 }]);
    },
  );
});

describe('a log that is compacted', () => {
  test('knows the term of its boundary, and nothing below', () => {
    const leader = readyLeader({ terms: [1, 1, 2, 2, 2, 3, 3] });
    leader.checkpoint = 7;
    leader.applied = [];
    leader.compact(4);
    leader.take();
    expect(leader.raft.termsUpTo(7)).toEqual([
      { firstIndex: 4, term: 2 },
      { firstIndex: 6, term: 3 },
    ]);
    expect([3, 4, 5].map((index) => leader.raft.entry(index)?.index ?? null)).toEqual([
      null,
      null,
      5,
    ]);
    leader.crash();
    leader.restart();
    expect(leader.raft.termsUpTo(7)).toEqual([
      { firstIndex: 4, term: 2 },
      { firstIndex: 6, term: 3 },
    ]);
  });

  test('goes on where all of it is', () => {
    const leader = readyLeader({ terms: [1, 1] });
    leader.checkpoint += leader.applied.splice(0).length;
    leader.compact(3);
    leader.propose('a');
    expect(appendsTo2(leader)).toMatchObject([
      { prevIndex: 3, entries: [{ index: 4, payload: 'a' }] },
    ]);
    ack(leader, 2);
    leader.take();
    expect(leader.applied).toMatchObject([{ index: 4 }]);
  });

  test('is compacted no further than what is applied', () => {
    const leader = readyLeader({ terms: [1, 1] });
    leader.propose('a');
    leader.take();
    expect(() => leader.raft.compacted(4)).toThrow('applied');
  });

  test('stays where it is when an older compaction is told of late', () => {
    const replica = new Replica({ terms: [1, 1, 2, 2], commit: 4, checkpoint: 4, boundary: 3 });
    replica.raft.compacted(2);
    expect(replica.raft.termsUpTo(4)).toEqual([{ firstIndex: 3, term: 2 }]);
  });
});

describe('a group', () => {
  test('brings one that was away back by a snapshot, and by the log from there', () => {
    const network = new Network();
    network.campaign(1);
    network.isolate(3);
    const payloads = Array.from({ length: 100 }, (_, i) => `p${i}`);
    network.propose(1, ...payloads);
    const leader = network.at(1);
    leader.checkpoint += leader.applied.splice(0, 90).length;
    leader.compact(leader.checkpoint);
    network.heal();
    network.run(300);
    expect(network.at(3).restored).toBe(1);
    expect(network.payloads(3)).toEqual(payloads.slice(89));
    network.propose(1, 'after');
    expect(network.payloads(3).at(-1)).toBe('after');
  });

  test('brings in a new member by a snapshot that is older than its addition', () => {
    const network = new Network({ size: 3, spares: 1 });
    network.campaign(1);
    network.propose(1, 'a', 'b');
    const leader = network.at(1);
    leader.checkpoint += leader.applied.splice(0).length;
    leader.compact(leader.checkpoint);
    network.change(1, ['add-learner', 4]);
    network.run(300);
    expect(network.at(4).boundary.membership.learners).toEqual([]);
    expect(network.at(4).raft.membership.learners).toEqual([4]);
    network.propose(1, 'c');
    expect(network.payloads(4)).toEqual(['c']);
  });

  test('gets over snapshots that are lost, and nodes that crash while they install them', () => {
    const network = new Network();
    network.campaign(1);
    network.isolate(3);
    network.propose(1, 'a', 'b');
    const leader = network.at(1);
    leader.checkpoint += leader.applied.splice(0).length;
    leader.compact(leader.checkpoint);
    network.heal();
    let lost = 0;
    network.drops = ({ type }) => {
      if (type !== 'InstallSnapshot') return false;
      lost += 1;
      if (lost === 3) network.at(3).crash();
      return lost <= 3;
    };
    network.run(500);
    network.restart(3);
    network.run(500);
    expect(lost).toBe(4);
    network.propose(1, 'c');
    expect(network.payloads(3)).toEqual(['c']);
  });
});
