// What is said to commands that have their verdict: when the answer is given, and what it becomes
// when the term ends first.
import { describe, expect, test } from 'vitest';
import { command, group, Leader, malformed, saying, submit } from './leader.ts';

describe('when the term ends', () => {
  test('stored is unknown, refused by state is NOT_LEADER, not sequenced is NOT_LEADER', () => {
    const leader = new Leader({ entryBytesTarget: 1 });
    leader.room = 2;
    const never = command({ expectedSeq: 9 });
    const partly = group([saying('a'), malformed, never, saying('b'), saying('c'), malformed]);
    const behind = group([saying('d'), saying('e')], { atomic: true });
    submit(leader, partly, behind);
    expect(leader.bodies()).toEqual(['a', 'b']);
    leader.lose();
    expect(partly.answer()).toEqual([
      'OUTCOME_UNKNOWN',
      'TOO_LARGE',
      'NOT_LEADER',
      'OUTCOME_UNKNOWN',
      'NOT_LEADER',
      'TOO_LARGE',
    ]);
    expect(behind.answer()).toEqual(['NOT_LEADER', 'NOT_LEADER']);
    expect(leader.queue.isEmpty).toBe(true);
  });

  test('what is committed keeps its numbers, in groups sequenced whole or in part', () => {
    const leader = new Leader({ entryBytesTarget: 1 });
    leader.room = 4;
    const whole = group([saying('a'), saying('b')]);
    const partly = group([saying('c'), saying('d'), saying('e')]);
    submit(leader, whole, partly);
    leader.commit(3);
    expect(whole.answer()).toEqual(['seq 1', 'seq 2']);
    leader.lose();
    expect(partly.answer()).toEqual(['seq 3', 'OUTCOME_UNKNOWN', 'NOT_LEADER']);
  });

  test('a group sequenced whole of which a part is committed keeps the numbers of that part', () => {
    const leader = new Leader({ entryBytesTarget: 1 });
    const keyed = command({ key: 'k' });
    const both = group([keyed, keyed, saying('b')]);
    submit(leader, both);
    leader.commit(1);
    leader.lose();
    expect(both.answer()).toEqual(['seq 1', 'duplicate 1', 'OUTCOME_UNKNOWN']);
  });

  test('each group is answered once, whether it waits for an index, a round or both', () => {
    const leader = new Leader();
    const never = command({ expectedSeq: 9 });
    const groups = [[saying('a')], [never], [saying('b'), never]].map((each) => group(each));
    submit(leader, ...groups);
    leader.lose();
    expect(groups.map((each) => each.answer())).toEqual([
      ['OUTCOME_UNKNOWN'],
      ['NOT_LEADER'],
      ['OUTCOME_UNKNOWN', 'NOT_LEADER'],
    ]);
    leader.commit();
    for (let round = 1; round <= leader.rounds; round++) {
      expect(leader.waits.confirmed(round)).toBe(false);
    }
  });

  test('a refusal that rests on state waits for the commit and for a round, in either order', () => {
    for (const commitFirst of [true, false]) {
      const leader = new Leader();
      const refused = group([command({ expectedSeq: 9 })]);
      submit(leader, group([saying('a')]), refused);
      expect(leader.rounds).toBe(1);
      if (commitFirst) leader.commit();
      else leader.waits.confirmed(1);
      expect(refused.answer()).toBeNull();
      if (commitFirst) leader.waits.confirmed(1);
      else leader.commit();
      expect(refused.answer()).toEqual(['EXPECTED_SEQ_MISMATCH']);
      expect(leader.waits.confirmed(1)).toBe(false);
    }
  });
});
