import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Inflights } from '../../src/raft/inflights.ts';
import { majority, majorityValue } from '../../src/raft/quorum.ts';
import { TermRuns } from '../../src/raft/term-runs.ts';

describe('the value that a majority has reached', () => {
  test('is the highest that at least a majority equals or exceeds, for any values', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
        const reachedBy = (value: number) => values.filter((one) => one >= value).length;
        const candidates = values.filter((value) => reachedBy(value) > values.length / 2);
        expect(majorityValue([...values])).toBe(Math.max(...candidates));
      }),
    );
  });

  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %i voters is reached by %i', (voters, needed) => {
    expect(majority(voters)).toBe(needed);
  });
});

describe('inflight limits', () => {
  test('behave as a plain list does, over any adds and frees', () => {
    const operation = fc.record({ free: fc.boolean(), size: fc.integer({ min: 1, max: 50 }) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const inflights = new Inflights(10, 200);
        let list: { index: number; size: number }[] = [];
        operations.forEach(({ free, size }, index) => {
          if (free) {
            inflights.freeUpTo(index - size);
            list = list.filter((one) => one.index > index - size);
          } else if (!inflights.full) {
            inflights.add(index, size);
            list.push({ index, size });
          }
          const bytes = list.reduce((sum, one) => sum + one.size, 0);
          expect(inflights.count).toBe(list.length);
          expect(inflights.full).toBe(list.length >= 10 || bytes >= 200);
        });
      }),
    );
  });
});

describe('term runs', () => {
  const terms = fc
    .array(fc.nat(3), { maxLength: 40 })
    .map((steps) => steps.map((_, at) => 1 + steps.slice(0, at + 1).reduce((a, b) => a + b, 0)));

  function runsOf(list: readonly number[]): TermRuns {
    const runs = new TermRuns([], { index: 0, term: 0 });
    for (const term of list) runs.append(term);
    return runs;
  }

  test('tell the term of every entry, and of none above the last', () => {
    fc.assert(
      fc.property(terms, fc.nat(40), (list, cut) => {
        const runs = runsOf(list);
        const kept = list.slice(0, cut);
        if (cut < list.length) runs.truncateFrom(cut + 1);
        kept.forEach((term, at) => {
          expect(runs.termAt(at + 1)).toBe(term);
        });
        expect(runs.termAt(0)).toBe(0);
        expect(runs.termAt(kept.length + 1)).toBeNull();
      }),
    );
  });

  test('find the newest entry at or below an index whose term is not above another', () => {
    fc.assert(
      fc.property(terms, fc.nat(45), fc.nat(60), (list, index, term) => {
        let expected = { index: 0, term: 0 };
        list.forEach((one, at) => {
          if (at + 1 <= index && one <= term) expected = { index: at + 1, term: one };
        });
        expect(runsOf(list).newestUpTo(index, term)).toEqual(expected);
      }),
    );
  });
});
