// Message ids rise in their shard, whatever the clocks and the terms do, and never repeat.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { composeIdHalves, IdSource, idAheadMaxMs, idEpochMs } from '../../src/order/ids.ts';
import { composeId, decomposeId } from './whole-id.ts';

const shard = fc.nat(8191);
const counter = fc.nat(1023);
const since = fc.integer({ min: 0, max: 2 ** 41 - 1 });
const now = Date.UTC(2026, 5, 1);

describe('composing', () => {
  test('an id holds 41 bits of ms, 13 of shard, 10 of counter, and gives them back', () => {
    fc.assert(
      fc.property(since, shard, counter, (ms, of, count) => {
        const id = composeId(idEpochMs + ms, of, count);
        expect(id).toBe(BigInt(ms) * 2n ** 23n + BigInt(of) * 1024n + BigInt(count));
        expect(decomposeId(id)).toEqual({ ms: idEpochMs + ms, shard: of, counter: count });
      }),
    );
    expect(composeId(idEpochMs + 2 ** 41 - 1, 8191, 1023)).toBe(2n ** 64n - 1n);
  });

  test('its halves are the same number', () => {
    fc.assert(
      fc.property(since, shard, counter, (ms, of, count) => {
        const [low, high] = composeIdHalves(idEpochMs + ms, of, count);
        expect((BigInt(high) << 32n) | BigInt(low)).toBe(composeId(idEpochMs + ms, of, count));
      }),
    );
  });
});

describe('a source', () => {
  test('gives 1,024 ids in a ms, and the 1,025th of the next ms', () => {
    const source = new IdSource(0);
    for (let i = 0; i < 1024; i++) {
      expect(source.next(7, now)).toEqual({ aheadMs: 0, counter: i });
    }
    expect(source.next(7, now)).toEqual({ aheadMs: 1, counter: 0 });
    expect(source.next(8, now)).toEqual({ aheadMs: 0, counter: 0 });
    expect(source.next(7, now + 1)).toEqual({ aheadMs: 0, counter: 1 });
    expect(source.next(7, now + 2)).toEqual({ aheadMs: 0, counter: 0 });
  });

  test('runs at most 200 ms ahead, then gives none until time went on', () => {
    const source = new IdSource(0);
    for (let i = 0; i < 1024 * (idAheadMaxMs + 1); i++) {
      if (source.next(7, now) === null) throw new Error(`id ${i} was not given`);
    }
    expect(source.next(7, now)).toBeNull();
    expect(source.next(7, now)).toBeNull();
    expect(source.next(8, now)).toEqual({ aheadMs: 0, counter: 0 });
    expect(source.next(7, now + 1)).toEqual({ aheadMs: 200, counter: 0 });
  });

  test('counts time before 2025 as its first ms', () => {
    expect(new IdSource(0).next(0, idEpochMs)).toEqual({ aheadMs: 0, counter: 0 });
    expect(new IdSource(0).next(0, idEpochMs - 100)).toEqual({ aheadMs: 100, counter: 0 });
    expect(new IdSource(0).next(0, 0)).toBeNull();
  });

  test('of a new term begins above all ids of the partition', () => {
    expect(new IdSource(now + 150).next(3, now)).toEqual({ aheadMs: 151, counter: 0 });
    expect(new IdSource(now - 1).next(3, now)).toEqual({ aheadMs: 0, counter: 0 });
    expect(new IdSource(now + 200).next(3, now)).toBeNull();
  });

  test('ids rise per shard over terms, bursts, and clocks that stand or step back', () => {
    const step = fc.record({
      shard: fc.integer({ min: 0, max: 2 }),
      count: fc.constantFrom(1, 3, 1500),
      clock: fc.integer({ min: -30, max: 30 }),
      newTerm: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const newest = new Map<number, bigint>();
        let highestMs = 0;
        let clock = now;
        let entryTime = now;
        let source = new IdSource(highestMs);
        for (const { shard: of, count, clock: move, newTerm } of steps) {
          clock += move;
          // Log time never falls, whatever the clock does.
          entryTime = Math.max(entryTime, clock);
          if (newTerm) source = new IdSource(highestMs);
          for (let i = 0; i < count; i++) {
            const parts = source.next(of, entryTime);
            if (parts === null) break;
            const ms = entryTime + parts.aheadMs;
            const { aheadMs, counter: number } = parts;
            if (aheadMs < 0 || aheadMs > idAheadMaxMs || number > 1023)
              throw new Error('out of range');
            const id = composeId(ms, of, number);
            if (id <= (newest.get(of) ?? -1n)) throw new Error(`${id} after ${newest.get(of)}`);
            newest.set(of, id);
            highestMs = Math.max(highestMs, ms);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
