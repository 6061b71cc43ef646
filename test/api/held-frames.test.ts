// What is held costs the node its own bytes, which it counts, and not those of the frame that it came in; who has
// gone does not wait for it.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { streamPaths } from '../../src/api/streams.ts';
import { systemClock } from '../../src/clock.ts';
import { AppendSessionRequest, AppendSessionResponse } from '../../src/gen/proto.ts';
import { appendSessionPath } from '../../src/gen/services.ts';
import { holdLimits } from '../../src/node/holds.ts';
import { type Alone, startAlone } from './alone.ts';

let alone: Alone;

beforeAll(async () => {
  alone = await startAlone(systemClock);
});

afterAll(() => alone.stop());

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

test('a frame is let go while a command of it waits for its predecessor', async () => {
  let answers = 0;
  const session = new AppendSession(alone.node, () => {
    answers += 1;
  });
  const conversation = 'g:held';
  const policy = { conversation, sender: 's', setPolicy: { gapWaitMs: 60_000 } };
  const send = (frame: number, commands: object[]): WeakRef<ArrayBufferLike> => {
    const bytes = AppendSessionRequest.encode({ frame, groups: [{ partition: 0, commands }] });
    session.take(bytes);
    return new WeakRef(bytes.buffer);
  };
  send(1, [policy]);
  await until('the policy is set', 5000, () => answers === 1);
  const held = { conversation, sender: 's', clientSeq: 2, prevClientSeq: 1 };
  const tooLarge = { conversation, sender: 't', body: Buffer.alloc(500_000) };
  const frame = send(2, [held, tooLarge]);
  await until('it is held', 5000, () => answers === 2);
  expect(alone.node.replicaOf(0).holds.isEmpty).toBe(false);
  // The last command read stays at hand for a while.
  send(3, [{ conversation: 'g:other', sender: 's' }]);
  await until('the next is answered', 5000, () => answers === 3);
  collectGarbage();
  expect(frame.deref()).toBeUndefined();
});

test('a stream that has ended is not counted among those that wait for a held command', async () => {
  const open = streamPaths.get(appendSessionPath);
  const held = { conversation: 'g:again', sender: 's', key: 'k', clientSeq: 2, prevClientSeq: 1 };
  const policy = { conversation: 'g:again', sender: 's', setPolicy: { gapWaitMs: 60_000 } };
  for (let i = 0; i <= holdLimits.tellings + 1; i++) {
    const answers: Buffer[] = [];
    const stream = open?.(alone.node, {
      write: (response) => answers.push(response) > 0,
      ...{ pause: () => {}, resume: () => {}, end: () => {}, fail: () => {} },
    });
    const commands = i === 0 ? [policy] : [held];
    stream?.take(AppendSessionRequest.encode({ frame: 1, groups: [{ partition: 0, commands }] }));
    await until('it is answered', 5000, () => answers.length === 1);
    stream?.close();
    const { groups } = AppendSessionResponse.decode(answers[0] ?? Buffer.alloc(0));
    const [result] = groups[0]?.results ?? [];
    expect([i, result?.error?.reason]).toEqual([i, undefined]);
  }
});
