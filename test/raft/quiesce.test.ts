// Quiescence: the group is silent while at rest, and in touch again with the first work or doubt.
import { describe, expect, test } from 'vitest';
import { Network } from './network.ts';
import { ofType } from './replica.ts';

const config = { quiesceAfterMs: 1000 };

/** Three replicas that sleep; replica 1 leads. */
function asleep(more = {}): Network {
  const network = new Network({ config: { ...config, ...more } });
  network.campaign(1);
  network.propose(1, 'before');
  network.run(1500);
  return network;
}

function sleepers(network: Network): number[] {
  return network.replicas.filter(({ raft }) => raft.quiesced).map(({ id }) => id);
}

describe('a group at rest', () => {
  test('sleeps: no message leaves, nobody campaigns, and the leader stays', () => {
    const network = asleep();
    expect(sleepers(network)).toEqual([1, 2, 3]);
    let messages = 0;
    network.drops = () => {
      messages += 1;
      return true;
    };
    network.run(60_000);
    expect(messages).toBe(0);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term: 1 });
    expect(network.at(3).raft.leader).toBe(1);
  });

  test('stays awake while a replica lacks anything, or does not answer', () => {
    const network = new Network({ config });
    network.campaign(1);
    network.isolate(3);
    network.propose(1, 'a');
    network.run(5000);
    expect(sleepers(network)).toEqual([]);
  });

  test('stays awake until it was at rest for long enough', () => {
    const network = new Network({ config });
    network.campaign(1);
    network.run(900);
    expect(sleepers(network)).toEqual([]);
  });
});

describe('a group asleep', () => {
  test('goes on with its leader when work comes, however long it has slept', () => {
    const network = asleep();
    const leader = network.at(1);
    // Asleep, it gets no tick.
    leader.nowMs = network.nowMs + 60_000;
    leader.propose('b');
    // The next tick comes before any answer.
    leader.tickAt(leader.nowMs + 25);
    expect(leader.raft).toMatchObject({ role: 'leader', term: 1 });
    network.nowMs = leader.nowMs;
    network.run(200);
    expect(network.at(2).raft.commit).toBe(3);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term: 1 });
  });

  test.each([
    ['a proposal', (network: Network) => void network.at(1).propose('b')],
    ['a read', (network: Network) => network.at(1).raft.readIndex(1, network.nowMs)],
    ['a read at a follower', (network: Network) => network.at(2).raft.readIndex(1, network.nowMs)],
    [
      'word that a peer may be missing',
      (network: Network) => network.at(1).raft.wake(2, 0, network.nowMs),
    ],
  ])('is woken by %s, and sleeps again later', (_, work) => {
    const network = asleep();
    work(network);
    network.run(300);
    expect(sleepers(network)).toEqual([]);
    network.run(1500);
    expect(sleepers(network)).toEqual([1, 2, 3]);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', term: 1 });
  });

  test('serves what woke it', () => {
    const network = asleep();
    network.propose(1, 'b');
    network.at(3).raft.readIndex(7, network.nowMs);
    network.run(100);
    expect(network.payloads(2)).toEqual(['before', 'b']);
    expect(network.at(3).reads).toEqual([{ context: 7, index: network.at(1).raft.commit }]);
  });

  test('refuses a PreVote, as its leader is trusted, and the leader wakes', () => {
    const network = asleep();
    const ask = { from: 3, to: 1, term: 2, lastIndex: 9, lastTerm: 1, campaign: 5 } as const;
    expect(
      ofType(network.at(2).receive({ ...ask, to: 2, type: 'PreVote' }), 'PreVoteReply'),
    ).toMatchObject([{ granted: false }]);
    network.at(1).step({ ...ask, type: 'PreVote' });
    expect(network.at(1).raft.quiesced).toBe(false);
  });

  test('grants a PreVote of its own leader: that leads no more', () => {
    const network = asleep();
    const ask = { from: 1, to: 2, term: 2, lastIndex: 9, lastTerm: 1, campaign: 5 } as const;
    expect(network.at(2).receive({ ...ask, type: 'PreVote' })).toMatchObject([{ granted: true }]);
  });

  test('elects another once its leader’s process is known to be silent', () => {
    const network = asleep();
    network.isolate(1);
    const heardMs = network.nowMs;
    network.run(250);
    for (const id of [2, 3]) network.at(id).raft.wake(1, heardMs, network.nowMs);
    network.runUntil(() => network.leader?.id !== 1, heardMs + 1500 - network.nowMs);
    expect(network.leader?.raft.ready).toBe(true);
  });

  test('does not hurry after a pause of its own: the leader may only look silent', () => {
    const network = asleep();
    network.nowMs += 5000;
    network.at(2).raft.wake(1, network.nowMs - 5000, network.nowMs);
    network.at(2).tickAt(network.nowMs + 50);
    expect(network.at(2).take()).toEqual([]);
  });

  test('follows peerDown of its leader at once', () => {
    const network = asleep();
    network.isolate(1);
    for (const id of [2, 3]) network.at(id).raft.peerDown(1, network.nowMs);
    network.runUntil(() => network.leader?.id !== 1, 300);
  });

  test('with a deposed leader among it: a read there ends with null', () => {
    const network = asleep();
    network.isolate(1);
    for (const id of [2, 3]) network.at(id).raft.wake(1, 0, network.nowMs);
    network.run(2000);
    expect(network.leader?.id).not.toBe(1);
    expect(network.at(1).raft).toMatchObject({ role: 'leader', quiesced: true });
    network.at(1).raft.readIndex(9, network.nowMs);
    network.heal();
    network.run(300);
    expect(network.at(1).reads).toEqual([{ context: 9, index: null }]);
  });
});
