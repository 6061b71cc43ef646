// Every rule of ordering.md, "Append", on what is held: until when, and what ends a hold.
import { type Case, commit, leader, link, pass, policy, times } from './chain-cases.ts';

const holds: readonly Case[] = [
  [
    '(5) prev > last -> held; the sender is told HELD{resend_from} at once',
    [link(0, 1), link(3, 4), link(2, 3, { device: 'new' })],
    ['#1 stored seq 1 rev 1', '#2 HELD resend from 1 want 3', '#3 HELD resend from 0 want 2'],
  ],
  [
    'what is held follows its predecessor in the same step, in order of the chain',
    [link(2, 3), link(1, 2), link(3, 4), link(0, 1)],
    [
      '#1 HELD resend from 0 want 2',
      '#2 HELD resend from 0 want 1',
      '#3 HELD resend from 0 want 3',
      '#4 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#1 stored seq 3 rev 3',
      '#3 stored seq 4 rev 4',
    ],
  ],
  [
    '64 messages a chain, beyond that SENDER_GAP at once; another chain has room',
    [...times(65, (i) => link(i + 1, i + 2)), link(1, 2, { device: 'e' })],
    [
      ...times(64, (i) => `#${i + 1} HELD resend from 0 want ${i + 1}`),
      '#65 SENDER_GAP actual 0 want 65',
      '#66 HELD resend from 0 want 1',
    ],
  ],
  [
    '1 MiB a chain, beyond that SENDER_GAP at once',
    [
      ...times(5, (i) => link(i + 1, i + 2, { body: 'x', bodyBytes: 250_000 })),
      link(9, 10, { body: 'x' }),
    ],
    [
      ...times(4, (i) => `#${i + 1} HELD resend from 0 want ${i + 1}`),
      '#5 SENDER_GAP actual 0 want 5',
      '#6 HELD resend from 0 want 9',
    ],
  ],
  [
    'the same key while held joins the held command: both get its final verdict',
    [link(1, 2, { key: 'k' }), link(1, 2, { key: 'k' }), link(0, 1), link(1, 2, { key: 'k' })],
    [
      '#1 HELD resend from 0 want 1',
      '#2 HELD resend from 0 want 1',
      '#3 stored seq 1 rev 1',
      '#1 stored seq 2 rev 2',
      '#2 stored seq 2 rev 2',
      '#4 duplicate of seq 2 rev 2',
    ],
  ],
  [
    'OK is never said of another body: what is held under the same key then ends as a mismatch',
    [link(1, 2, { key: 'k', body: 'x' }), link(1, 2, { key: 'k', body: 'y' }), link(0, 1)],
    [
      '#1 HELD resend from 0 want 1',
      '#2 HELD resend from 0 want 1',
      '#3 stored seq 1 rev 1',
      '#1 stored seq 2 rev 2',
      '#2 IDEMPOTENCY_MISMATCH actual 2',
    ],
  ],
  [
    'a held command has its full verdict when it goes on; refused it does not move the chain',
    [link(1, 2, { expectedSeq: 9 }), link(2, 3), link(0, 1), link(1, 2)],
    [
      '#1 HELD resend from 0 want 1',
      '#2 HELD resend from 0 want 2',
      '#3 stored seq 1 rev 1',
      '#1 EXPECTED_SEQ_MISMATCH actual 1',
      '#4 stored seq 2 rev 2',
      '#2 stored seq 3 rev 3',
    ],
  ],
  [
    'what is held and can never follow ends when its chain has passed it, or was fenced',
    [link(3, 4), link(0, 5), link(7, 8), link(0, 1, { epoch: 2 })],
    [
      '#1 HELD resend from 0 want 3',
      '#2 stored seq 1 rev 1',
      '#1 CHAIN_PASSED actual 5',
      '#3 HELD resend from 5 want 7',
      '#4 stored seq 2 rev 2',
      '#3 EPOCH_FENCED actual 2',
    ],
  ],
  [
    'at loss of leadership it is answered NOT_LEADER; what was only proposed is gone, its key new',
    [
      link(0, 1),
      link(1, 2, { key: 'k' }),
      link(5, 6),
      commit(1),
      leader(1),
      link(1, 2, { key: 'k' }),
    ],
    [
      '#1 stored seq 1 rev 1',
      '#2 stored seq 2 rev 2',
      '#3 HELD resend from 2 want 5',
      '#3 NOT_LEADER',
      '#4 stored seq 2 rev 2',
    ],
  ],
];

const gaps: readonly Case[] = [
  [
    'group 500 ms MARK: a marker takes the next rev, then the held go on',
    [link(0, 1), link(2, 3), link(3, 4), pass(499), pass(1), link(1, 2)],
    [
      '#1 stored seq 1 rev 1',
      '#2 HELD resend from 1 want 2',
      '#3 HELD resend from 1 want 3',
      '#2 stored seq 2 rev 3',
      '#3 stored seq 3 rev 4',
      '#4 stored seq 4 rev 5 late for 2',
    ],
  ],
  [
    'pair 2 s MARK, and so with oneself',
    [
      link(1, 2, { conversation: 'p:a~b' }),
      link(1, 2, { conversation: 's:a' }),
      pass(1999),
      link(3, 4, { conversation: 'p:a~b' }),
      pass(1),
    ],
    [
      '#1 HELD resend from 0 want 1',
      '#2 HELD resend from 0 want 1',
      '#3 HELD resend from 0 want 3',
      '#1 stored seq 1 rev 2',
      '#2 stored seq 1 rev 2',
    ],
  ],
  [
    'the lowest held is marked first, again and again while the one whose wait ended is held',
    [link(5, 6), pass(100), link(2, 3), link(8, 9), pass(400), pass(99), pass(1)],
    [
      '#1 HELD resend from 0 want 5',
      '#2 HELD resend from 0 want 2',
      '#3 HELD resend from 0 want 8',
      '#2 stored seq 1 rev 2',
      '#1 stored seq 2 rev 4',
      '#3 stored seq 3 rev 6',
    ],
  ],
  [
    'REJECT (SENDER_GAP for the held)',
    [policy({ action: 'REJECT' }), link(0, 1), link(2, 3), link(7, 8), pass(500), link(1, 2)],
    [
      '#1 stored event rev 1',
      '#2 stored seq 1 rev 2',
      '#3 HELD resend from 1 want 2',
      '#4 HELD resend from 1 want 7',
      '#3 SENDER_GAP actual 1 want 2',
      '#4 SENDER_GAP actual 1 want 7',
      '#5 stored seq 2 rev 3',
    ],
  ],
  [
    'SKIP (opens the gap without a marker)',
    [policy({ action: 'SKIP', waitMs: 100 }), link(1, 2), pass(100), link(0, 1)],
    [
      '#1 stored event rev 1',
      '#2 HELD resend from 0 want 1',
      '#2 stored seq 1 rev 2',
      '#3 stored seq 2 rev 3 late for 0',
    ],
  ],
  [
    'with a gap wait of 0 ms the gap action happens at once instead of a hold: REJECT',
    [policy({ action: 'REJECT', waitMs: 0 }), link(1, 2), link(0, 1)],
    ['#1 stored event rev 1', '#2 SENDER_GAP actual 0 want 1', '#3 stored seq 1 rev 2'],
  ],
  [
    'a marker names the next one stored: no marker for one that is refused',
    [policy({ waitMs: 0 }), link(3, 4, { expectedSeq: 9 }), link(0, 1)],
    ['#1 stored event rev 1', '#2 EXPECTED_SEQ_MISMATCH actual 0', '#3 stored seq 1 rev 2'],
  ],
  [
    'a policy event replaces the policy: what is absent is the default of its type',
    [policy({ action: 'SKIP', waitMs: 0 }), policy({}), link(1, 2), pass(500)],
    [
      '#1 stored event rev 1',
      '#2 stored event rev 2',
      '#3 HELD resend from 0 want 1',
      '#3 stored seq 1 rev 4',
    ],
  ],
];

export const holdCases: readonly Case[] = [...holds, ...gaps];
