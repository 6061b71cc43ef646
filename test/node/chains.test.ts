// The real verdicts against the slow model of ordering.md, "Append": random histories with leader
// changes, checkpoints and evictions in between. `CHAIN_HISTORIES` says how many.
import { env } from 'node:process';
import { expect, test } from 'vitest';
import { runOn } from '../order/chain-histories.ts';
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
