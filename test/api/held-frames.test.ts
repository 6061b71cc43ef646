// What is held costs the node its own bytes, which it counts, and not those of the frame that it came in.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { systemClock } from '../../src/clock.ts';
import { AppendSessionRequest } from '../../src/gen/proto.ts';
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
