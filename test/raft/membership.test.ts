// The membership value and its changes (thesis 4.3), without any replica.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  assertMembership,
  type Changed,
  changeMembership,
  changeOne,
  enterJoint,
  foundingMembership,
  leaveJoint,
  type MemberChange,
  type Membership,
  membersOf,
  votersOf,
} from '../../src/raft/membership.ts';

const three = foundingMembership([1, 2, 3]);

function made(result: Changed): Membership {
  if (!result.ok) throw new Error(result.reason);
  return result.membership;
}

function one(type: MemberChange['type'], id: number): MemberChange {
  return { type, id };
}

const withLearner = made(changeOne(three, one('add-learner', 4)));
const joint = made(enterJoint(withLearner, [one('promote', 4), one('demote', 1)], true));

describe('a change of one member', () => {
  test.each([
    ['adds a voter', three, one('add-voter', 4), { incoming: [1, 2, 3, 4], highestId: 4 }],
    ['adds a learner', three, one('add-learner', 9), { learners: [9], highestId: 9 }],
    [
      'promotes a learner',
      withLearner,
      one('promote', 4),
      { incoming: [1, 2, 3, 4], learners: [] },
    ],
    ['demotes a voter', three, one('demote', 2), { incoming: [1, 3], learners: [2] }],
    ['removes a voter', three, one('remove', 2), { incoming: [1, 3], learners: [] }],
    ['removes a learner', withLearner, one('remove', 4), { incoming: [1, 2, 3], learners: [] }],
  ])('%s, directly', (_, from, change, expected) => {
    const changes = [change];
    const result = changeMembership(from, { type: 'change', changes, transition: 'auto' });
    expect(made(result)).toEqual({ ...from, ...expected });
  });

  test.each([
    ['the voter is the last', foundingMembership([1]), one('remove', 1), 'no-voters'],
    [
      'the last voter would become a learner',
      foundingMembership([1]),
      one('demote', 1),
      'no-voters',
    ],
    ['the id is in use', three, one('add-voter', 3), 'id-used'],
    ['the id is below one that was given', withLearner, one('add-learner', 4), 'id-used'],
    ['nobody has the id', three, one('remove', 7), 'not-a-member'],
    ['a voter would be promoted', three, one('promote', 1), 'not-a-learner'],
    ['a learner would be demoted', withLearner, one('demote', 4), 'not-a-voter'],
    ['the membership is joint', joint, one('add-learner', 5), 'joint'],
  ])('is refused where %s', (_, from, change, reason) => {
    expect(changeOne(from, change)).toEqual({ ok: false, reason });
  });

  test('never gives an id again, also after its replica was removed', () => {
    const removed = made(changeOne(withLearner, one('remove', 4)));
    expect(changeOne(removed, one('add-voter', 4))).toEqual({ ok: false, reason: 'id-used' });
    expect(made(changeOne(removed, one('add-voter', 5))).highestId).toBe(5);
  });
});

describe('a joint membership', () => {
  test('has the old voters beside the new ones; a demoted one keeps its old vote until it is left', () => {
    expect(joint).toEqual({
      ...{ incoming: [2, 3, 4], outgoing: [1, 2, 3], learners: [], learnersNext: [1] },
      ...{ highestId: 4, autoLeave: true },
    });
    expect(votersOf(joint)).toEqual([1, 2, 3, 4]);
    expect(membersOf(joint)).toEqual([1, 2, 3, 4]);
  });

  test('is left for the new voters, and the demoted are learners then', () => {
    const left = made(leaveJoint(joint));
    expect(left).toEqual({ ...foundingMembership([2, 3, 4]), learners: [1] });
  });

  test.each([
    ['several change', [one('add-voter', 4), one('remove', 1)], 'auto', true, true],
    ['one changes, and it is asked for', [one('add-voter', 4)], 'implicit', true, true],
    ['it is to be left by hand', [one('add-voter', 4)], 'explicit', true, false],
    ['one changes', [one('add-voter', 4)], 'auto', false, false],
  ] as const)('where %s', (_, changes, transition, isJoint, autoLeave) => {
    const membership = made(changeMembership(three, { type: 'change', changes, transition }));
    expect(membership.outgoing).toEqual(isJoint ? [1, 2, 3] : []);
    expect(membership.autoLeave).toBe(autoLeave);
  });

  test('is not entered twice, left only once, and not entered for nothing', () => {
    const nothing = { type: 'change', changes: [], transition: 'auto' } as const;
    expect(enterJoint(joint, [one('remove', 2)], true)).toEqual({ ok: false, reason: 'joint' });
    expect(leaveJoint(three)).toEqual({ ok: false, reason: 'not-joint' });
    expect(changeMembership(three, nothing)).toEqual({ ok: false, reason: 'no-change' });
  });
});

describe('any changes', () => {
  const change: fc.Arbitrary<MemberChange> = fc.record({
    type: fc.constantFrom('add-voter', 'add-learner', 'promote', 'demote', 'remove'),
    id: fc.integer({ min: 1, max: 9 }),
  });
  const start = fc.integer({ min: 1, max: 5 }).map((size) => {
    const founding = foundingMembership(Array.from({ length: size }, (_, at) => at + 1));
    return made(changeOne(founding, one('add-learner', size + 1)));
  });

  test('lead to the same membership one by one, and together through a joint one', () => {
    let compared = 0;
    fc.assert(
      fc.property(start, fc.array(change, { minLength: 1, maxLength: 6 }), (from, wanted) => {
        let oneByOne = from;
        // Those that are refused on the way are left out of both.
        const changes = wanted.filter((each) => {
          const result = changeOne(oneByOne, each);
          if (result.ok) oneByOne = result.membership;
          return result.ok;
        });
        if (changes.length === 0) return;
        compared += changes.length > 1 ? 1 : 0;
        expect(made(leaveJoint(made(enterJoint(from, changes, false))))).toEqual(oneByOne);
      }),
      { numRuns: 1000 },
    );
    expect(compared).toBeGreaterThan(300);
  });

  test('leave a membership that keeps the rules, or are refused', () => {
    const together = fc.record({
      type: fc.constant('change' as const),
      changes: fc.array(change, { maxLength: 3 }),
      transition: fc.constantFrom('auto' as const, 'explicit' as const),
    });
    const leave = fc.constant({ type: 'leave-joint' as const });
    fc.assert(
      fc.property(start, fc.array(fc.oneof(together, leave), { maxLength: 10 }), (from, list) => {
        let membership = from;
        for (const each of list) {
          const result = changeMembership(membership, each);
          if (result.ok) membership = result.membership;
          assertMembership(membership);
          expect(new Set(membersOf(membership)).size).toBe(membersOf(membership).length);
        }
      }),
    );
  });
});

test.each<[string, Partial<Membership>, RegExp]>([
  ['without voters', { incoming: [] }, /has voters/],
  ['with a voter that is a learner', { learners: [2] }, /no voter is a learner/],
  [
    'with an old voter that is a learner already',
    { outgoing: [1], learners: [1] },
    /no voter is a/,
  ],
  ['with a later learner that was no voter', { outgoing: [1], learnersNext: [4] }, /old voters/],
  ['with a member above the highest id', { learners: [9] }, /highest id/],
  ['with a member twice', { incoming: [2, 2] }, /once/],
  ['that leaves without being joint', { autoLeave: true }, /joint/],
])('a membership %s is a broken invariant', (_, part, rule) => {
  const valid = { ...foundingMembership([2, 3]), highestId: 4 };
  expect(() => assertMembership({ ...valid, ...part })).toThrow(rule);
});
