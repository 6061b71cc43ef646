// A dead process is not silence (docs/architecture.md, "Who leads"): what is known of a death shortens an election.

import { describe, expect, test } from 'vitest';
import { followerOf, Network } from './network.ts';
import { type Message, ofType, Replica, seeded } from './replica.ts';

function campaignTimes(replica: Replica, fromMs: number, toMs: number): number[] {
  const times: number[] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1) {
    replica.tickAt(nowMs);
    for (const ask of ofType(replica.take(), 'PreVote')) {
      if (ask.to !== 3) continue;
      times.push(nowMs);
      const { to: from, from: to, term, campaign } = ask;
      replica.step({ type: 'PreVoteReply', from, to, term: term - 1, campaign, granted: false });
    }
  }
  return times;
}

function preVote(from: number): Message {
  return { type: 'PreVote', from, to: 2, term: 2, lastIndex: 0, lastTerm: 0, campaign: 1 };
}

describe('the death of the leader’s process', () => {
  test('is followed by a PreVote within 30 ms, spread by chance over a part of it', () => {
    const delays = Array.from({ length: 40 }, (_, seed) => {
      const follower = followerOf(1, { random: seeded(seed) });
      follower.raft.peerDown(1, 0);
      return campaignTimes(follower, 0, 40)[0] ?? Infinity;
    });
    expect(Math.max(...delays)).toBeLessThanOrEqual(8);
    expect(new Set(delays).size).toBeGreaterThan(5);
  });

  test.each([1, 2, 3, 4, 5])('of %i lets its survivors campaign one after the other', (leader) => {
    const voters = [1, 2, 3, 4, 5];
    const survivors = [1, 2, 3, 4].map((step) => ((leader - 1 + step) % 5) + 1);
    const times = survivors.map((id) => {
      const survivor = new Replica({ id, voters });
      survivor.step({ type: 'Heartbeat', from: leader, to: id, term: 1, commit: 0, round: 0 });
      survivor.take();
      survivor.raft.peerDown(leader, 0);
      let nowMs = 0;
      for (; survivor.raft.role === 'follower'; nowMs += 0.5) survivor.tickAt(nowMs);
      return nowMs;
    });
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(3);
    expect(Math.max(...times)).toBeLessThanOrEqual(31);
  });

  test('is forgotten about as leader at once, so that a PreVote is granted', () => {
    const follower = followerOf(1);
    expect(follower.receive(preVote(3))).toMatchObject([{ granted: false }]);
    follower.raft.peerDown(1, 0);
    expect(follower.receive(preVote(3))).toMatchObject([{ granted: true }]);
    expect(follower.roles.at(-1)).toEqual({ role: 'follower', term: 1, leader: 0 });
  });

  test('after a refusal is followed by another PreVote in 50 to 150 ms, at most 5 a second', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const follower = followerOf(1, { random: seeded(seed) });
      follower.raft.peerDown(1, 0);
      const times = campaignTimes(follower, 0, 3000);
      const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
      expect(Math.max(...gaps.slice(0, 3))).toBeLessThanOrEqual(152);
      times.slice(5).forEach((time, at) => {
        expect(time - (times[at] ?? 0)).toBeGreaterThanOrEqual(1000);
      });
      expect(times.length).toBeGreaterThanOrEqual(13);
    }
  });

  test('hurries nobody any more once that process is heard again', () => {
    const follower = followerOf(1);
    follower.raft.peerDown(1, 0);
    follower.receive(preVote(1));
    const times = campaignTimes(follower, 0, 2000);
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(500);
  });

  test('leads to a new leader in well under an election timeout', () => {
    let slowest = 0;
    for (let seed = 0; seed < 40; seed += 1) {
      const network = new Network({ seed });
      network.campaign(1);
      network.run(200);
      network.at(1).crash();
      const diedMs = network.nowMs;
      // One learns of it later than the other.
      network.at(2).raft.peerDown(1, network.nowMs);
      network.run(40);
      network.at(3).raft.peerDown(1, network.nowMs);
      const isLed = () => [2, 3].some((id) => network.at(id).raft.role === 'leader');
      network.runUntil(isLed, 1000);
      slowest = Math.max(slowest, network.nowMs - diedMs);
    }
    expect(slowest).toBeLessThan(500);
  });
});

describe('the death of another process', () => {
  test('changes nothing for a follower', () => {
    const follower = followerOf(1);
    follower.raft.peerDown(3, 0);
    expect([follower.take(), follower.raft.leader]).toEqual([[], 1]);
    expect(campaignTimes(follower, 0, 499)).toEqual([]);
  });

  test('and silence of the leader without a death: nobody campaigns within an election timeout', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const follower = followerOf(1, { random: seeded(seed) });
      expect(campaignTimes(follower, 0, 499)).toEqual([]);
    }
  });
});
