import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Inflights } from '../../src/raft/inflights.ts';
import { foundingMembership, type Membership, votersOf } from '../../src/raft/membership.ts';
import {
  type Ballot,
  isQuorum,
  majority,
  majorityValue,
  quorumValue,
  voteResult,
} from '../../src/raft/quorum.ts';
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

describe('a quorum of a membership, joint or not', () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
  const memberships = fc.tuple(ids, fc.oneof(ids, fc.constant([]))).map(([incoming, outgoing]) => ({
    ...foundingMembership(incoming),
    outgoing: foundingMembership(outgoing).incoming,
  }));

  /** By definition: a majority of each half that has anybody in it. */
  function agree(membership: Membership, yes: ReadonlySet<number>): boolean {
    return [membership.incoming, membership.outgoing].every(
      (half) => half.length === 0 || half.filter((id) => yes.has(id)).length > half.length / 2,
    );
  }

  function subsetsOf(all: readonly number[]): ReadonlySet<number>[] {
    return Array.from(
      { length: 2 ** all.length },
      (_, bits) => new Set(all.filter((_id, at) => (bits >> at) % 2 === 1)),
    );
  }

  test('has reached the highest value that some quorum of its subsets has', () => {
    fc.assert(
      fc.property(
        memberships,
        fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }),
        (of, values) => {
          const ofVoter = (id: number) => values[id] ?? 0;
          const quorums = subsetsOf(votersOf(of)).filter((subset) => agree(of, subset));
          const reached = quorums.map((quorum) => Math.min(...[...quorum].map(ofVoter)));
          expect(quorumValue(of, [], ofVoter)).toBe(Math.max(...reached));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('is what grants a vote; a vote is lost when no way of those still open could win', () => {
    const ballots = fc.array(fc.constantFrom<Ballot>('granted', 'refused', 'open'), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(memberships, ballots, (of, given) => {
        const cast = (ballot: Ballot) => votersOf(of).filter((id) => given[id] === ballot);
        const granted = cast('granted');
        const wins = subsetsOf(cast('open')).map((more) =>
          agree(of, new Set([...granted, ...more])),
        );
        const expected = agree(of, new Set(granted))
          ? 'won'
          : wins.includes(true)
            ? 'pending'
            : 'lost';
        expect(voteResult(of, (id) => given[id] ?? 'open')).toBe(expected);
        expect(isQuorum(of, (id) => given[id] === 'granted')).toBe(expected === 'won');
      }),
      { numRuns: 500 },
    );
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
