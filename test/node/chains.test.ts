// The real verdicts against the slow model of ordering.md, "Append": random histories with leader
// changes, checkpoints and evictions in between. `CHAIN_HISTORIES` says how many.
import { env } from 'node:process';
import { expect, test } from 'vitest';
import { compare, runOn } from '../order/chain-histories.ts';
import type { Sent } from '../order/chain-steps.ts';
import { ChainSubject } from './chain-subject.ts';

const histories = Number(env['CHAIN_HISTORIES'] ?? 1500);
const historiesPerSecondLeast = 20;

test(
  `every verdict of ${histories} histories is the model's`,
  () => {
    expect(() => runOn(() => new ChainSubject(), histories)).not.toThrow();
  },
  (histories / historiesPerSecondLeast) * 1000,
);

/** Found after some 60,000 histories: the last of three that go together is a repeat of a message on disk. */
test('what follows what is let go has all it needs too', () => {
  const link = (id: number, clientSeq: number, prev?: number, more: Partial<Sent> = {}): Sent => {
    const of = { conversation: 's:a', sender: 'a', body: 'y', device: 'd1', epoch: 1 };
    return {
      id,
      ...of,
      key: `k${id}`,
      clientSeq,
      ...(prev === undefined ? {} : { prev }),
      ...more,
    };
  };
  const history = [
    { kind: 'append', sent: [link(1, 6, 3)] },
    { kind: 'pass', ms: 499 },
    { kind: 'append', sent: [link(2, 10, 8, { expectedSeq: 0 })] },
    { kind: 'append', sent: [link(3, 8, 6), link(4, 10)] },
    { kind: 'commit', through: 4 },
    { kind: 'pass', ms: 1501 },
  ] as const;
  expect(compare(history, new ChainSubject())).toBeNull();
});
