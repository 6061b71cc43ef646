// The checker's negative controls: histories that must be refused, and one of each that must pass.
import { describe, expect, it } from 'vitest';
import { checkHistory } from '../../src/lab/check-history.ts';
import type { HistoryEvent, StoredPair } from '../../src/lab/history.ts';

const nodes = 3;

function append(process: number, type: 'invoke', value: string): HistoryEvent;
function append(process: number, type: 'ok', value: string, seq: number): HistoryEvent;
function append(process: number, type: 'fail' | 'info', value: string): HistoryEvent;
function append(process: number, type: HistoryEvent['type'], value: string, seq = 0): HistoryEvent {
  const op = 'append' as const;
  const base = { process, op, conversation: 'g:1', t_ns: 0, key: value, value, sender: 's' };
  if (type === 'ok') return { ...base, type, seq, duplicate: false };
  return type === 'invoke' ? { ...base, type } : { ...base, type, error: 'NO_LEADER' };
}

function appended(process: number, value: string, seq: number): HistoryEvent[] {
  return [append(process, 'invoke', value), append(process, 'ok', value, seq)];
}

function readOf(level: 'linearizable' | 'eventual', messages: readonly StoredPair[]) {
  const base = { process: 50, op: 'read', conversation: 'g:1', t_ns: 0, after: 0 } as const;
  const read = { ...base, level, node: 1, limit: 10 };
  return [
    { ...read, type: 'invoke' },
    { ...read, type: 'ok', messages },
  ] as const satisfies HistoryEvent[];
}

/** The same final state on every node, or another on node 3. */
function finals(messages: readonly StoredPair[], onThird = messages): HistoryEvent[] {
  return [1, 2, 3].flatMap((node) => {
    const base = { process: 100 + node, op: 'read', conversation: 'g:1', t_ns: 0, node } as const;
    const read = { ...base, level: 'eventual', after: 0, limit: 1e9, final: true } as const;
    return [
      { ...read, type: 'invoke' } as const,
      { ...read, type: 'ok', messages: node === 3 ? onThird : messages } as const,
    ];
  });
}

const twoAppends = [...appended(1, 'a', 1), ...appended(2, 'b', 2)];
const both: readonly StoredPair[] = [
  [1, 'a'],
  [2, 'b'],
];

describe('the history checker takes', () => {
  it.each<[string, HistoryEvent[]]>([
    ['appends that are all there', [...twoAppends, ...finals(both)]],
    [
      'an append of unknown outcome that is stored',
      [append(3, 'invoke', 'a'), append(3, 'info', 'a'), ...finals([[1, 'a']])],
    ],
    [
      'an append of unknown outcome that is not stored',
      [append(3, 'invoke', 'a'), append(3, 'info', 'a'), ...finals([])],
    ],
    [
      'a retry answered with the same seq',
      [...twoAppends, ...appended(1, 'a', 1), ...finals(both)],
    ],
    [
      'concurrent appends in any order',
      [
        append(1, 'invoke', 'b'),
        append(2, 'invoke', 'a'),
        append(1, 'ok', 'b', 2),
        append(2, 'ok', 'a', 1),
        ...finals(both),
      ],
    ],
    [
      'an eventual read that is behind',
      [...twoAppends, ...readOf('eventual', [[1, 'a']]), ...finals(both)],
    ],
  ])('%s', (_title, events) => {
    expect(checkHistory(events, nodes)).toMatchObject({ ok: true, violations: [] });
  });
});

describe('the history checker refuses', () => {
  it.each<[string, HistoryEvent[], RegExp]>([
    ['an acknowledged append that is lost', [...twoAppends, ...finals([[1, 'a']])], /^lost: b/],
    [
      'an acknowledged append that stands elsewhere',
      [...appended(1, 'a', 2), ...appended(2, 'b', 1), ...finals(both)],
      /^lost: a, acknowledged as seq 2/,
    ],
    [
      'a value that is stored twice',
      [...twoAppends, ...finals([...both, [3, 'a']])],
      /^duplicated: a is stored as seq 1 and seq 3/,
    ],
    [
      'a retry that was given another seq',
      [...twoAppends, ...appended(1, 'a', 3), ...finals(both)],
      /^duplicated: a in g:1: seq 1, then seq 3/,
    ],
    [
      'a hole in seq',
      [
        ...appended(1, 'a', 1),
        ...appended(2, 'b', 3),
        ...finals([
          [1, 'a'],
          [3, 'b'],
        ]),
      ],
      /seq 3 stands at place 2/,
    ],
    [
      'replicas that differ',
      [...twoAppends, ...finals(both, [[1, 'a']])],
      /differs on nodes 1 and 3 at seq 2/,
    ],
    [
      'a replica that was not read',
      [...twoAppends, ...finals(both).slice(0, 4)],
      /read from 2 nodes at the end/,
    ],
    [
      'an append below one acknowledged before it began',
      [...appended(1, 'b', 2), ...appended(2, 'a', 1), ...finals(both)],
      /a of g:1 has seq 1 although seq 2 was acknowledged before it began/,
    ],
    [
      'a stored append that was refused',
      [append(1, 'invoke', 'a'), append(1, 'fail', 'a'), ...finals([[1, 'a']])],
      /a was refused and is seq 1/,
    ],
    ['a value that nobody appended', finals([[1, 'x']]), /has x, which nobody appended/],
    [
      'a linearizable read that is behind',
      [...twoAppends, ...readOf('linearizable', [[1, 'a']]), ...finals(both)],
      /linearizable read of g:1 ends at seq 1, seq 2 was acknowledged before/,
    ],
    [
      'a read of what is not in the final state',
      [...twoAppends, ...readOf('eventual', [[1, 'x']]), ...finals(both)],
      /read of g:1 differs from the final at seq 1/,
    ],
    [
      'a process that goes on after an unknown outcome',
      [
        append(1, 'invoke', 'a'),
        append(1, 'info', 'a'),
        ...appended(1, 'b', 1),
        ...finals([[1, 'b']]),
      ],
      /process 1 was retired/,
    ],
  ])('%s', (_title, events, violation) => {
    const { ok, violations } = checkHistory(events, nodes);
    expect(ok).toBe(false);
    expect(violations).toContainEqual(expect.stringMatching(violation));
  });
});
