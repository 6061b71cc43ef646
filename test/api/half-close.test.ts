// A client that ends its side of an AppendSession: the node's side ends once, behind the last answer.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { systemClock } from '../../src/clock.ts';
import { AppendSessionRequest, AppendSessionResponse } from '../../src/gen/proto.ts';
import { type Alone, startAlone } from './alone.ts';

let alone: Alone;

beforeAll(async () => {
  alone = await startAlone(systemClock);
});

afterAll(() => alone.stop());

const refusedAtOnce = 99;

test.each([
  ['was refused at once', [refusedAtOnce]],
  ['is to be stored', [0]],
  ['is both', [0, refusedAtOnce, 0]],
  ['is nothing', []],
])('what %s is answered before the end', async (_what, partitions) => {
  const said: (number | 'end')[] = [];
  const session = new AppendSession(alone.node, (bytes) => {
    for (const { frame } of AppendSessionResponse.decode(bytes).groups) said.push(frame.toNumber());
  });
  for (const [frame, partition] of partitions.entries()) {
    const groups = [{ partition, commands: [{ conversation: 'g:half', sender: 's' }] }];
    session.take(AppendSessionRequest.encode({ frame, groups }));
  }
  session.finish(() => said.push('end'));
  await until('it ends', 5000, () => said.includes('end'));
  // Behind whatever still waits to be said.
  await new Promise((resolve) => setImmediate(resolve));
  const answers = said.slice(0, -1).toSorted();
  expect(answers).toEqual([...partitions.keys()]);
  expect(said.at(-1)).toBe('end');
});
