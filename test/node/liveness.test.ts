import { describe, expect, it } from 'vitest';
import { Liveness } from '../../src/node/liveness.ts';

function sleeper() {
  const woken: { readonly replica: number; readonly heardMs: number }[] = [];
  const raft = {
    quiesced: true,
    wake(replica: number, heardMs: number) {
      woken.push({ replica, heardMs });
      raft.quiesced = false;
    },
  };
  return { raft, woken };
}

const heartbeatMs = 100;

describe('groups asleep', () => {
  it('are woken by the silence of a peer, and told when it was heard last', () => {
    const liveness = new Liveness([2, 3], { heartbeatMs });
    const one = sleeper();
    for (let nowMs = 0; nowMs <= 800; nowMs += 25) {
      if (nowMs <= 200) liveness.heard(2, nowMs);
      liveness.heard(3, nowMs);
      liveness.tick(nowMs, [one], 25);
      if (nowMs <= 750) expect(one.woken).toEqual([]);
    }
    expect(one.woken).toEqual([{ replica: 2, heardMs: 200 }]);
  });

  it('need a sign of life every 2.5 heartbeats from their node, those awake none', () => {
    const liveness = new Liveness([2], { heartbeatMs });
    const one = sleeper();
    const beats = (from: number) => {
      let count = 0;
      for (let nowMs = from; nowMs < from + 1000; nowMs += 25) {
        liveness.heard(2, nowMs);
        if (liveness.tick(nowMs, [one], 25)) count += 1;
      }
      return count;
    };
    expect(beats(0)).toBe(4);
    one.raft.quiesced = false;
    expect(beats(1000)).toBe(0);
  });

  it('need none later than that: where the next tick would be too late, it is given now', () => {
    const liveness = new Liveness([2], { heartbeatMs });
    const one = sleeper();
    const beatsAt = [0, 249.6, 470, 500, 740].filter((nowMs) => {
      liveness.heard(2, nowMs);
      return liveness.tick(nowMs, [one], nowMs === 470 ? 25 : 250);
    });
    expect(beatsAt).toEqual([0, 249.6, 500, 740]);
  });

  it('are woken when a connection comes or goes', () => {
    const liveness = new Liveness([2], { heartbeatMs });
    const one = sleeper();
    liveness.heard(2, 70);
    liveness.wake(2, 80, [one]);
    expect(one.woken).toEqual([{ replica: 2, heardMs: 70 }]);
  });
});
