// Log time: no single wrong clock moves it, it never falls, and it never stands while the log is
// ahead of the clocks.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogTime, leastTimeMs, mostTimeMs, Stamps } from '../../src/node/log-time.ts';

const noon = Date.UTC(2026, 5, 1, 12);
const tenYears = 10 * 365 * 24 * 3600 * 1000;

/** Readings of nodes 1, 2, ... taken at 0 of the monotonic clock. */
function timeOf(voters: number, ...walls: (number | null)[]): LogTime {
  const time = new LogTime(voters);
  walls.forEach((wall, i) => {
    if (wall !== null) time.take(i + 1, wall, 0);
  });
  return time;
}

describe('log time', () => {
  test.each([
    ['of 1 voter its own clock', 1, [noon], noon],
    ['of 2 readings the lower', 3, [noon + 40, noon], noon],
    ['of 3 readings the middle one', 3, [noon + 40, noon, noon + 7], noon + 7],
    ['of 4 readings the second lowest', 5, [noon + 3, noon + 1, noon + 4, noon + 2], noon + 2],
    ['of 5 readings the middle one', 5, [noon + 5, noon, noon + 1, noon + 9, noon + 2], noon + 2],
    ['before 2025 counts as 2025', 3, [0, 5, leastTimeMs - 1], leastTimeMs],
    ['after 2093 is none', 3, [noon, mostTimeMs + 1, noon + 9], noon],
    ['of clocks that all stand after 2093 is not known', 1, [mostTimeMs + 1], null],
  ])('%s', (_, voters, walls, median) => {
    expect(timeOf(voters, ...walls).now(0)).toBe(median);
  });

  test('is not known until a majority was read once', () => {
    expect(timeOf(1).now(0)).toBeNull();
    expect(timeOf(3, noon).now(0)).toBeNull();
    expect(timeOf(5, noon, noon).now(0)).toBeNull();
    expect(timeOf(4, noon, noon).now(0)).toBeNull();
    const time = timeOf(3, noon);
    time.take(1, noon + 5, 5);
    expect(time.now(5)).toBeNull();
    time.take(2, noon + 5, 5);
    expect(time.now(5)).toBe(noon + 5);
  });

  test('with three readings stays between the right clocks, however wrong the third is', () => {
    const wrong = fc.oneof(
      fc.constantFrom(0, noon + tenYears, noon - tenYears, Number.MAX_SAFE_INTEGER),
      fc.integer({ min: -100, max: 100 }).map((off) => noon + off),
    );
    const off = fc.integer({ min: -50, max: 50 });
    fc.assert(
      fc.property(off, off, wrong, fc.nat(2), fc.nat(9000), (a, b, bad, place, later) => {
        const walls = [noon + a, noon + b];
        walls.splice(place, 0, bad);
        const now = timeOf(3, ...walls).now(later) ?? 0;
        expect(now).toBeGreaterThanOrEqual(noon + later + Math.min(a, b));
        expect(now).toBeLessThanOrEqual(noon + later + Math.max(a, b));
      }),
    );
  });

  test('a reading is carried on by the monotonic clock, and counts for 10 s', () => {
    const time = timeOf(3, noon, noon + 100, noon + 200);
    expect(time.now(10_000)).toBe(noon + 10_100);
    // Only node 3 is fresh: the time agreed last goes on.
    time.take(3, noon + tenYears, 10_001);
    expect(time.now(10_001)).toBe(noon + 10_101);
    expect(time.now(60_000)).toBe(noon + 60_100);
    // A second one, and there is a majority again.
    time.take(1, noon + 70_000, 70_000);
    time.take(3, noon + tenYears, 70_000);
    expect(time.now(70_000)).toBe(noon + 70_000);
  });

  test('the newest reading of a voter replaces its older one', () => {
    const time = timeOf(3, noon, noon + 10, noon + 20);
    for (let i = 1; i <= 5; i++) time.take(3, noon + tenYears, i);
    expect(time.now(5)).toBe(noon + 15);
  });
});

describe('stamps', () => {
  test('are the log time where that is ahead of the log', () => {
    const stamps = new Stamps(timeOf(3, noon, noon, noon));
    expect(stamps.next(noon - 500, 3.7)).toBe(noon + 3);
    expect(stamps.next(noon + 3, 3.9)).toBe(noon + 3);
  });

  test('are none until a majority was read', () => {
    expect(new Stamps(timeOf(3, noon)).next(noon, 0)).toBeNull();
  });

  test('run at half speed where the log is ahead, until they meet', () => {
    const stamps = new Stamps(timeOf(1, noon));
    let previous = noon + 1000;
    for (let now = 0; now <= 4000; now += 10) {
      const stamp = stamps.next(previous, now) ?? 0;
      expect(stamp).toBe(now < 1990 ? noon + 1000 + now / 2 : noon + now);
      previous = stamp;
    }
  });

  test('go on from where another leader stamped, and do not stand until the old line is met', () => {
    const stamps = new Stamps(timeOf(1, noon));
    expect(stamps.next(noon + 10_000, 0)).toBe(noon + 10_000);
    expect(stamps.next(noon + 10_000, 100)).toBe(noon + 10_050);
    // Meanwhile another leader, whose clocks are further, stamped 15,000.
    expect(stamps.next(noon + 15_000, 200)).toBe(noon + 15_000);
    expect(stamps.next(noon + 15_000, 300)).toBe(noon + 15_050);
    expect(stamps.next(noon + 15_050, 400)).toBe(noon + 15_100);
  });

  test('never fall, and never stand for 20 ms, whatever the walls say', () => {
    const step = fc.record({
      pass: fc.integer({ min: 4, max: 400 }),
      voter: fc.integer({ min: 1, max: 3 }),
      wall: fc.integer({ min: -5000, max: 5000 }),
      otherLeader: fc.constantFrom(0, 0, 0, 700),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const time = timeOf(3, noon, noon, noon);
        const stamps = new Stamps(time);
        let [now, previous] = [0, noon];
        for (const { pass, voter, wall, otherLeader } of steps) {
          now += pass;
          time.take(voter, noon + now + wall, now);
          previous += otherLeader;
          const stamp = stamps.next(previous, now) ?? 0;
          expect(stamp).toBeGreaterThanOrEqual(previous);
          previous = stamp;
          for (let i = 0; i < 5; i++) {
            now += 4;
            const next = stamps.next(previous, now) ?? 0;
            expect(next).toBeGreaterThanOrEqual(previous);
            previous = next;
          }
          expect(previous).toBeGreaterThan(stamp);
        }
      }),
    );
  });
});
