// Every rule of ordering.md, "Append", that needs no hold, with the answers it says; for the model
// and for whatever is held to it. Holds: hold-cases.ts.
import type { Event, Sent, Step } from './chain-steps.ts';

/** What must be answered, in this order, on an empty partition. */
export type Case = readonly [rule: string, steps: readonly Step[], answers: readonly string[]];

export const say = (more: Partial<Sent> = {}): Step => {
  return { kind: 'append', sent: [{ id: 0, conversation: 'g:a', sender: 'a', ...more }] };
};
export const link = (prev: number, clientSeq: number, more: Partial<Sent> = {}) =>
  say({ device: 'd', epoch: 1, prev, clientSeq, ...more });
export const policy = (event: Omit<Extract<Event, { kind: 'policy' }>, 'kind'>) =>
  say({ event: { kind: 'policy', ...event } });
export const end = (kind: 'release' | 'reject', seq: number, key = '') =>
  say({ key, event: { kind, seq } });
export const pass = (ms: number): Step => ({ kind: 'pass', ms });
export const commit = (through: number): Step => ({ kind: 'commit', through });
export const leader = (through: number): Step => ({ kind: 'leader', through });
export const times = <T>(count: number, make: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i));

/** Attempts are numbered from 1 in the order sent. */
export function numbered(steps: readonly Step[]): Step[] {
  let ids = 0;
  return steps.map((step) => {
    if (step.kind !== 'append') return step;
    return { ...step, sent: step.sent.map((sent) => ({ ...sent, id: ++ids })) };
  });
}

const repeats: readonly Case[] = [
  [
    'same (conversation, sender, key) -> duplicate with the ORIGINAL seq',
    [say({ key: 'k' }), say(), say({ key: 'k' })],
    ['#1 stored seq 1 rev 1', '#2 stored seq 2 rev 2', '#3 duplicate of seq 1 rev 1'],
  ],
  [
    'another sender, or another conversation, has keys of its own',
    [say({ key: 'k' }), say({ key: 'k', sender: 'b' }), say({ key: 'k', conversation: 'g:b' })],
    ['#1 stored seq 1 rev 1', '#2 stored seq 2 rev 2', '#3 stored seq 1 rev 1'],
  ],
  [
    'or same (conversation, sender, device, epoch, client_seq)',
    [link(0, 1, { key: 'k' }), link(0, 1, { key: 'other' }), link(0, 1)],
    ['#1 stored seq 1 rev 1', '#2 duplicate of seq 1 rev 1', '#3 duplicate of seq 1 rev 1'],
  ],
  [
    'client_seq 0 is none: two without one are two messages',
    [say({ device: 'd', epoch: 1 }), say({ device: 'd', epoch: 1 })],
    ['#1 stored seq 1 rev 1', '#2 stored seq 2 rev 2'],
  ],
  [
    'whatever the epoch: a retry of what was stored is a duplicate, not fenced, not passed',
    [link(0, 1, { key: 'k' }), link(0, 9, { epoch: 2 }), link(0, 1, { key: 'k' }), link(0, 1)],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 duplicate of seq 1 rev 1',
      '#4 duplicate of seq 1 rev 1',
    ],
  ],
  [
    'where the stored command differs in body, content type or headers IDEMPOTENCY_MISMATCH',
    [
      say(),
      say({ key: 'k', body: 'x' }),
      say({ key: 'k', body: 'y' }),
      say({ key: 'k', body: 'x', contentType: 'text/plain' }),
      say({ key: 'k', body: 'x', headers: [['n', 'v']] }),
    ],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 IDEMPOTENCY_MISMATCH actual 2',
      '#4 IDEMPOTENCY_MISMATCH actual 2',
      '#5 IDEMPOTENCY_MISMATCH actual 2',
    ],
  ],
  [
    'the same by client_seq: another body is IDEMPOTENCY_MISMATCH',
    [link(0, 1, { key: 'k', body: 'x' }), link(0, 1, { key: 'other', body: 'y' })],
    ['#1 stored seq 1 rev 1', '#2 IDEMPOTENCY_MISMATCH actual 1'],
  ],
  [
    'each event is keyed, deduped like an append',
    [say({ pending: true }), end('release', 1, 'r'), end('release', 1, 'r'), end('reject', 1, 'r')],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored event rev 2',
      '#3 duplicate of event rev 2',
      '#4 IDEMPOTENCY_MISMATCH actual 0',
    ],
  ],
  [
    'an event and a message under one key differ',
    [say({ key: 'k', pending: true }), end('release', 1, 'k')],
    ['#1 stored seq 1 rev 1', '#2 IDEMPOTENCY_MISMATCH actual 1'],
  ],
  [
    '(1) is before (7) and (8): a duplicate whose expected_seq no longer holds is a duplicate',
    [say({ key: 'k', expectedSeq: 0 }), say({ key: 'k', expectedSeq: 0, seenSeq: 9 })],
    ['#1 stored seq 1 rev 1', '#2 duplicate of seq 1 rev 1'],
  ],
];

const chains: readonly Case[] = [
  [
    '(2) epoch lower -> EPOCH_FENCED',
    [link(0, 1, { epoch: 2 }), link(0, 1), link(1, 2, { expectedSeq: 9 })],
    ['#1 stored seq 1 rev 1', '#2 EPOCH_FENCED actual 2', '#3 EPOCH_FENCED actual 2'],
  ],
  [
    '(2) higher -> chain restarts at 0',
    [link(0, 1), link(1, 2), link(0, 1, { epoch: 2 }), link(1, 2, { epoch: 2 })],
    times(4, (i) => `#${i + 1} stored seq ${i + 1} rev ${i + 1}`),
  ],
  [
    '(2) higher -> gaps cleared',
    [
      policy({ action: 'SKIP', waitMs: 0 }),
      link(5, 6),
      link(0, 10, { epoch: 2 }),
      link(2, 3, { epoch: 2 }),
    ],
    [
      '#1 stored event rev 1',
      '#2 stored seq 1 rev 2',
      '#3 stored seq 2 rev 3',
      '#4 CHAIN_PASSED actual 10',
    ],
  ],
  [
    'a refused command leaves no trace: of a higher epoch it fences nothing',
    [link(0, 1), link(0, 1, { epoch: 2, expectedSeq: 9 }), link(1, 2)],
    ['#1 stored seq 1 rev 1', '#2 EXPECTED_SEQ_MISMATCH actual 1', '#3 stored seq 2 rev 2'],
  ],
  [
    'a conversation fences from the first command with a higher epoch: that is stored, not held',
    [link(0, 1), link(4, 5, { epoch: 2 }), link(1, 2), link(0, 4, { epoch: 2 }), link(2, 3)],
    [
      '#1 stored seq 1 rev 1',
      '#2 HELD resend from 0 want 4',
      '#3 stored seq 2 rev 2',
      '#4 stored seq 3 rev 3',
      '#2 stored seq 4 rev 4',
      '#5 EPOCH_FENCED actual 2',
    ],
  ],
  [
    '(3) prev = last -> accepted; numbers may jump (10, 20, 30), the first of an epoch has prev 0',
    [link(0, 10), link(10, 20), link(20, 30)],
    times(3, (i) => `#${i + 1} stored seq ${i + 1} rev ${i + 1}`),
  ],
  [
    'sender chain per (conversation, sender, device)',
    [
      link(0, 5),
      link(0, 5, { device: 'e' }),
      link(0, 5, { sender: 'b' }),
      link(0, 5, { conversation: 'g:b' }),
    ],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 stored seq 3 rev 3',
      '#4 stored seq 1 rev 1',
    ],
  ],
  [
    "(4) client_seq inside an open gap -> accepted at the end, late, late_for the marker's rev",
    [policy({ waitMs: 0 }), link(0, 1), link(3, 4), link(2, 3), link(4, 5)],
    [
      '#1 stored event rev 1',
      '#2 stored seq 1 rev 2',
      '#3 stored seq 2 rev 4',
      '#4 stored seq 3 rev 5 late for 3',
      '#5 stored seq 4 rev 6',
    ],
  ],
  [
    'SKIP opens the gap without a marker: late for none',
    [policy({ action: 'SKIP', waitMs: 0 }), link(3, 4), link(2, 3)],
    ['#1 stored event rev 1', '#2 stored seq 1 rev 2', '#3 stored seq 2 rev 3 late for 0'],
  ],
  [
    '(4) the gap shrinks: what lies between a late one and its prev is missing no more',
    [
      policy({ action: 'SKIP', waitMs: 0 }),
      link(9, 10),
      link(2, 5),
      link(3, 4),
      link(1, 2),
      link(5, 6),
      link(8, 9),
    ],
    [
      '#1 stored event rev 1',
      '#2 stored seq 1 rev 2',
      '#3 stored seq 2 rev 3 late for 0',
      '#4 CHAIN_PASSED actual 10',
      '#5 stored seq 3 rev 4 late for 0',
      '#6 stored seq 4 rev 5 late for 0',
      '#7 stored seq 5 rev 6 late for 0',
    ],
  ],
  [
    '(4) newest 16 kept: of 17 gaps the oldest is closed for good',
    [
      policy({ action: 'SKIP', waitMs: 0 }),
      ...times(17, (i) => link(i * 10 + 5, i * 10 + 10)),
      link(4, 5),
      link(14, 15),
    ],
    [
      '#1 stored event rev 1',
      ...times(17, (i) => `#${i + 2} stored seq ${i + 1} rev ${i + 2}`),
      '#19 CHAIN_PASSED actual 170',
      '#20 stored seq 18 rev 19 late for 0',
    ],
  ],
  [
    '(6) anything else -> CHAIN_PASSED{last}, before (7)',
    [link(0, 1), link(1, 3), link(1, 2), link(0, 9, { expectedSeq: 0 }), link(3, 4)],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 CHAIN_PASSED actual 3',
      '#4 CHAIN_PASSED actual 3',
      '#5 stored seq 3 rev 3',
    ],
  ],
  [
    'client_seq without prev: stored and shown, neither held nor refused, and no chain',
    [
      link(0, 5),
      say({ device: 'd', epoch: 1, clientSeq: 3 }),
      say({ device: 'd', clientSeq: 9 }),
      link(5, 6),
    ],
    times(4, (i) => `#${i + 1} stored seq ${i + 1} rev ${i + 1}`),
  ],
  [
    'at most 16 devices a sender and conversation: QUOTA for the 17th chain',
    [
      ...times(17, (i) => link(0, 1, { device: `d${i}`, expectedSeq: i })),
      say({ device: 'd16', epoch: 1, clientSeq: 1 }),
      link(0, 1, { device: 'd16', sender: 'b' }),
      link(1, 2, { device: 'd0' }),
    ],
    [
      ...times(16, (i) => `#${i + 1} stored seq ${i + 1} rev ${i + 1}`),
      '#17 QUOTA field device limit 16',
      '#18 stored seq 17 rev 17',
      '#19 stored seq 18 rev 18',
      '#20 stored seq 19 rev 19',
    ],
  ],
  [
    'QUOTA is before (7)',
    [
      ...times(16, (i) => link(0, 1, { device: `d${i}` })),
      link(0, 1, { device: 'd16', expectedSeq: 0 }),
    ],
    [
      ...times(16, (i) => `#${i + 1} stored seq ${i + 1} rev ${i + 1}`),
      '#17 QUOTA field device limit 16',
    ],
  ],
];

const others: readonly Case[] = [
  [
    '(7) expected_seq (head before this append; 0 = empty)',
    [
      say({ expectedSeq: 1 }),
      say({ expectedSeq: 0 }),
      say({ expectedSeq: 0 }),
      policy({}),
      say({ expectedSeq: 1 }),
    ],
    [
      '#1 EXPECTED_SEQ_MISMATCH actual 0',
      '#2 stored seq 1 rev 1',
      '#3 EXPECTED_SEQ_MISMATCH actual 1',
      '#4 stored event rev 2',
      '#5 stored seq 2 rev 3',
    ],
  ],
  [
    'seen_seq above the head is refused, never held; (7) comes first',
    [
      say({ seenSeq: 1 }),
      say(),
      say({ seenSeq: 1 }),
      say({ seenSeq: 3, expectedSeq: 0 }),
      say({ seenSeq: 3 }),
    ],
    [
      '#1 IN_FUTURE actual 0',
      '#2 stored seq 1 rev 1',
      '#3 stored seq 2 rev 2',
      '#4 EXPECTED_SEQ_MISMATCH actual 2',
      '#5 IN_FUTURE actual 2',
    ],
  ],
  [
    'Append{pending} takes its seq at once; Release / Reject are events',
    [
      say({ pending: true }),
      say({ pending: true }),
      end('release', 1),
      end('reject', 2),
      end('reject', 1),
      end('release', 2),
    ],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 stored event rev 3',
      '#4 stored event rev 4',
      '#5 NOT_PENDING',
      '#6 NOT_PENDING',
    ],
  ],
  [
    'Release of a seq that is not pending -> NOT_PENDING, after (7)',
    [say(), end('release', 1), end('reject', 7), end('release', 0)],
    ['#1 stored seq 1 rev 1', '#2 NOT_PENDING', '#3 NOT_PENDING', '#4 NOT_PENDING'],
  ],
  [
    'RegisterDevice -> epoch, a counter in the log of s:<user>, keyed',
    times(3, (i) => {
      const event: Event = { kind: 'device', device: 'd' };
      return say({ conversation: 's:a', key: i < 2 ? 'k' : 'other', event });
    }),
    [
      '#1 stored event rev 1 epoch 1',
      '#2 duplicate of event rev 1 epoch 1',
      '#3 stored event rev 2 epoch 2',
    ],
  ],
  [
    'SERVER (chains ignored), and what is stored meanwhile changes no chain',
    [
      link(0, 1),
      policy({ order: 'SERVER' }),
      link(7, 8),
      link(2, 3, { epoch: 0 }),
      policy({}),
      link(1, 2),
    ],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored event rev 2',
      '#3 stored seq 2 rev 3',
      '#4 stored seq 3 rev 4',
      '#5 stored event rev 5',
      '#6 stored seq 4 rev 6',
    ],
  ],
];

export const chainCases: readonly Case[] = [...repeats, ...chains, ...others];
