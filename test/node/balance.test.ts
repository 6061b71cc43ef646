import { describe, expect, it } from 'vitest';
import { Balance, type Balanced } from '../../src/node/balance.ts';

const settledMs = 10_000;

interface Led {
  readonly replicas: readonly Balanced[];
  /** partition>node, in order. */
  readonly given: string[];
  readonly follower: { match: number; heardMs: number };
  readonly raft: { quiesced: boolean };
}

/** Node 1 leads partitions 0 to 2, of which 0 prefers node 1, 1 node 2 and 2 node 3. */
function led(): Led {
  const given: string[] = [];
  const follower = { match: 1000, next: 1001, probing: false, round: 0, heardMs: 0 };
  const own = { ready: true, quiesced: false, self: 1, commit: 1000, transferee: 0 };
  const raft = { ...own, follower: () => follower };
  const replicas = [0, 1, 2].map((partition) => ({
    partition,
    raft,
    transferLeadership: async (to: number) => {
      given.push(`${partition}>${to}`);
    },
  }));
  return { replicas, given, follower, raft };
}

function run(
  { replicas, follower }: Led,
  untilMs: number,
  isConnected: (node: number, nowMs: number) => boolean,
  isHeard = true,
): void {
  const balance = new Balance((partition) => partition + 1);
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 25) {
    if (isHeard) follower.heardMs = nowMs;
    balance.tick(nowMs, replicas, (node) => isConnected(node, nowMs));
  }
}

describe('leadership goes back to the preferred node', () => {
  it('one partition at a time, and never its own', () => {
    const all = led();
    run(all, settledMs, () => true);
    expect(all.given).toEqual(['1>2']);
  });

  it('not to one that is not connected, nor to one that was not for long enough', () => {
    const all = led();
    run(all, settledMs, (node, nowMs) => node === 3 && nowMs > 100);
    expect(all.given).toEqual([]);
  });

  it('not to one that does not answer, but to one asleep', () => {
    const all = led();
    run(all, settledMs, () => true, false);
    expect(all.given).toEqual([]);
    all.raft.quiesced = true;
    run(all, settledMs, () => true, false);
    expect(all.given).toEqual(['1>2']);
  });

  it('not to one that lags far behind', () => {
    const all = led();
    all.follower.match = 700;
    run(all, settledMs, () => true);
    expect(all.given).toEqual([]);
  });

  it('not again before a connection that broke has held for as long', () => {
    const all = led();
    run(all, settledMs, (_, nowMs) => nowMs < 5000 || nowMs > 6500);
    expect(all.given).toEqual([]);
  });
});
