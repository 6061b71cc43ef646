// A leader whose own disk stands still gives its partition away: its followers commit without it, but nobody would
// hear of that from it.
import { describe, expect, test } from 'vitest';
import { Network } from './network.ts';

/** Three replicas, of which 1 leads; more is proposed to whoever leads every 50 ms. */
class Busy extends Network {
  runBusy(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.leader?.propose(`at ${this.nowMs}`);
      this.run(50, 25);
    }
  }
}

function led(size = 3): Busy {
  const network = new Busy({ size });
  network.campaign(1);
  network.run(100);
  return network;
}

function stall(network: Network, id: number): () => void {
  const replica = network.at(id);
  const { persist } = replica;
  replica.persist = () => false;
  return () => {
    replica.persist = persist;
  };
}

describe('a leader whose disk writes nothing', () => {
  test('gives its partition to a follower within two election timeouts, and nothing is lost', () => {
    const network = led();
    network.runBusy(200);
    const written = stall(network, 1);
    network.runBusy(1000);
    const { leader } = network;
    expect(leader?.id).not.toBe(1);
    expect(leader?.raft.term).toBe(2);
    network.runBusy(500);
    expect(network.at(2).raft.applied).toBeGreaterThan(20);
    written();
    network.run(1000);
    expect(network.payloads(1)).toEqual(network.payloads(2));
    expect(network.payloads(3)).toEqual(network.payloads(2));
  });

  test('stays where it writes again in time', () => {
    const network = led();
    const written = stall(network, 1);
    network.runBusy(400);
    written();
    network.runBusy(2000);
    expect(network.leader?.raft).toMatchObject({ self: 1, term: 1 });
  });

  test('stays where it is slow, and always a little behind the others', () => {
    const network = led();
    const replica = network.at(1);
    const { persist } = replica;
    let held = 0;
    replica.persist = () => {
      held += 1;
      return held % 40 === 0 && persist.call(replica);
    };
    network.runBusy(3000);
    expect(network.leader?.raft).toMatchObject({ self: 1, term: 1 });
  });

  test('stays where it has slept since it wrote last', () => {
    const network = new Busy({ config: { quiesceAfterMs: 1000 } });
    network.campaign(1);
    network.run(20_000);
    const leader = network.at(1);
    expect(leader.raft.quiesced).toBe(true);
    leader.nowMs = network.nowMs;
    const written = stall(network, 1);
    leader.propose('after a sleep');
    network.settle();
    expect(leader.raft.commit).toBeGreaterThan(leader.raft.durableIndex);
    network.run(100, 25);
    written();
    network.run(1000, 25);
    expect(network.leader?.raft).toMatchObject({ self: 1, term: 1 });
  });

  test('stays where the others write nothing either', () => {
    const network = led();
    for (const id of [1, 2, 3]) stall(network, id);
    network.runBusy(3000);
    expect(network.leader?.raft).toMatchObject({ self: 1, term: 1 });
  });
});
