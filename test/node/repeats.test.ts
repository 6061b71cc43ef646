// Repeats of commands that left the memory long ago: their originals are read from the store, and kept no
// longer than the window that needs them, however much is behind it.
import { expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { checkCommand } from '../../src/api/check.ts';
import { systemClock } from '../../src/clock.ts';
import { AppendCommand } from '../../src/gen/proto.ts';
import { defaultLimits, defaultRaftConfig } from '../../src/node/config.ts';
import type { Outcome } from '../../src/node/groups.ts';
import type { Node } from '../../src/node/node.ts';
import { startAlone } from '../api/alone.ts';

const total = 1200;
const sequenceWindow = 16;
/** More than a window at any time, so that there is always something behind it. */
const openMax = 8 * sequenceWindow;

/** Appends all of them; calls at each answer. */
async function appendAll(node: Node, onAnswer: (outcome: Outcome | undefined) => void) {
  let [next, open, ended] = [0, 0, 0];
  const more = () => {
    for (; open < openMax && next < total; next += 1, open += 1) {
      const key = `key-${next}`;
      const bytes = AppendCommand.encode({ conversation: 'g:a', sender: 's', key });
      const placed = checkCommand(node, bytes);
      if ('reason' in placed) throw new Error(placed.message);
      const done = ([outcome]: readonly Outcome[]) => {
        open -= 1;
        ended += 1;
        onAnswer(outcome);
        setImmediate(more);
      };
      const alone = { atomic: false, restart: [], session: null, later() {} };
      node.submit({ partition: 0, commands: [placed], bytes: bytes.length, ...alone, done });
    }
  };
  more();
  await until('all are answered', 20_000, () => ended === total);
}

test('of a whole log, many at once, hold a few of its entries in memory', async () => {
  const { node, stop } = await startAlone(systemClock, {
    limits: { ...defaultLimits, sequenceWindow },
    raft: { ...defaultRaftConfig, memoryBytesMax: 1 },
  });
  await appendAll(node, () => {});
  const replica = node.replicaOf(0);
  let [repeats, heldMax] = [0, 0];
  await appendAll(node, (outcome) => {
    if (outcome?.kind === 'stored' && outcome.duplicate) repeats += 1;
    heldMax = Math.max(heldMax, replica['fetched'].size);
  });
  expect(repeats).toBe(total);
  expect(heldMax).toBeLessThanOrEqual(2 * sequenceWindow);
  await stop();
});
