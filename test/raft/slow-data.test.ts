// A data lane on which an append takes longer than an election timeout, while heartbeats arrive at once: the leader
// stays, and what it sends arrives in the end. Each term's entries would queue up behind those of the one before.
import { describe, expect, test } from 'vitest';
import { entryBytes } from '../../src/raft/log.ts';
import { Network } from './network.ts';
import type { Message } from './replica.ts';

/** One lane for entries, at so many bytes a ms; everything else arrives at once. */
class SlowData extends Network {
  readonly #queue: { readonly message: Message; readonly atMs: number }[] = [];
  #freeAtMs = 0;
  bytesPerMs = Number.POSITIVE_INFINITY;

  override deliver(message: Message): void {
    if (message.type !== 'Append' && message.type !== 'Commit') {
      super.deliver(message);
      return;
    }
    const entries = message.type === 'Append' ? message.entries : [];
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    this.#freeAtMs = Math.max(this.#freeAtMs, this.nowMs) + bytes / this.bytesPerMs;
    this.#queue.push({ message, atMs: this.#freeAtMs });
  }

  override run(ms: number, stepMs = 10): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      super.run(stepMs, stepMs);
      for (
        let next = this.#queue[0];
        next !== undefined && next.atMs <= this.nowMs;
        next = this.#queue[0]
      ) {
        this.#queue.shift();
        super.deliver(next.message);
        this.settle();
      }
    }
  }
}

test('the first append after a sleep may take as long as any', () => {
  const network = new SlowData({ config: { quiesceAfterMs: 1000 } });
  network.campaign(1);
  network.run(20_000);
  expect(network.at(1).raft.quiesced).toBe(true);
  network.bytesPerMs = 1;
  const leader = network.at(1);
  leader.nowMs = network.nowMs;
  leader.propose('a', 3000);
  network.run(10_000);
  expect(leader.raft).toMatchObject({ role: 'leader', term: 1, commit: 2 });
});

describe('with one of three down, a follower far behind', () => {
  test.each([
    [400, true, 10_000_000],
    [1500, true, 10_000_000],
    [1500, true, 100_000],
    [3000, false, 100_000],
  ])(
    'catches up where a batch takes %i ms (checkQuorum %s, memory %i)',
    (batchMs, checkQuorum, memory) => {
      const network = new SlowData({
        config: {
          appendBytesMax: 100_000,
          inflightBytesMax: 800_000,
          memoryBytesMax: memory,
          checkQuorum,
        },
      });
      network.campaign(1);
      network.run(50);
      const [leader, behind, down] = [network.at(1), network.at(2), network.at(3)];
      network.isolate(2);
      for (let i = 0; i < 40; i += 1) {
        leader.propose(`p${i}`, 50_000 - 64);
        network.run(30);
      }
      expect(leader.raft.commit).toBe(41);
      const { term } = leader.raft;
      network.heal();
      down.crash();
      network.bytesPerMs = 100_000 / batchMs;
      network.run(240_000);
      expect(behind.raft.lastIndex).toBeGreaterThanOrEqual(41);
      expect(leader.raft.term).toBe(term);
    },
  );
});
