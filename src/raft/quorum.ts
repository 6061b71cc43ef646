// What a majority of voters has reached. Plain arithmetic: whose values count is the caller's affair.

import { assert } from '../assert.ts';

export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The highest value that a majority of `values` (one a voter) has reached. Sorts `values` in place: the
 * arrays are tiny and reused, so nothing is allocated.
 */
export function majorityValue(values: number[]): number {
  for (let i = 1; i < values.length; i += 1) {
    const value = values[i] ?? 0;
    let j = i - 1;
    for (; j >= 0 && (values[j] ?? 0) > value; j -= 1) values[j + 1] = values[j] ?? 0;
    values[j + 1] = value;
  }
  const reached = values[values.length - majority(values.length)];
  assert(reached !== undefined, 'a quorum is asked of at least one voter');
  return reached;
}
