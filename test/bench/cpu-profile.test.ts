// CPU profiles are read into times that add up.
import { describe, expect, test } from 'vitest';
import { readCalls, selfTimesOf } from '../../scripts/bench/cpu-profile.ts';

describe('a CPU profile', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 });
  const profile = {
    startTime: 1000,
    nodes: [
      { id: 1, callFrame: frame('(root)'), children: [2, 5] },
      { id: 2, callFrame: frame('outer', 'file:///here/dist/a.js'), children: [3] },
      { id: 3, callFrame: frame('inner', 'file:///here/node_modules/lib/b.js'), children: [4] },
      { id: 4, callFrame: frame('outer', 'file:///here/dist/a.js') },
      { id: 5, callFrame: frame('(idle)') },
    ],
    samples: [2, 3, 4, 5, 2],
    timeDeltas: [0, 10, 20, 30, 40],
  };

  test('gives each function its own time and that of what it calls, idle time left out', () => {
    const calls = readCalls(profile, { fromUs: 0, toUs: 10_000 }, '/here');
    const [first, second] = selfTimesOf(calls);
    const outer = { name: 'outer', place: 'dist/a.js:10', selfUs: 40, totalUs: 60 };
    expect(first).toEqual(outer);
    expect(second).toEqual({ name: 'inner', place: 'lib/b.js:10', selfUs: 20, totalUs: 50 });
    expect(calls.totalUs).toBe(60);
  });

  test('counts only what lies in the stretch that is asked for', () => {
    const calls = readCalls(profile, { fromUs: 1005, toUs: 1020 }, '/here');
    expect(calls.totalUs).toBe(20);
  });
});
