// What a frame may cost the node that reads it: its parts are counted as they are read, whatever they hold.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { frameLimits, readFrame } from '../../src/api/frames.ts';
import { createUnaryMethods } from '../../src/api/unary.ts';
import { systemClock } from '../../src/clock.ts';
import {
  AppendSessionRequest,
  AppendSessionResponse,
  BatchGetHeadsRequest,
} from '../../src/gen/proto.ts';
import { rpcs } from '../../src/gen/services.ts';
import { type Alone, startAlone } from './alone.ts';

let alone: Alone;

beforeAll(async () => {
  alone = await startAlone(systemClock);
});

afterAll(() => alone.stop());

const emptyGroups = (count: number) =>
  AppendSessionRequest.encode({ frame: 1, groups: Array.from({ length: count }, () => ({})) });
const emptyCommands = (count: number) => {
  const commands = Array.from({ length: count }, () => ({}));
  return AppendSessionRequest.encode({ frame: 1, groups: [{ partition: 0, commands }] });
};
const names = (count: number) => {
  const restart = Array.from({ length: count }, () => 'g:a');
  return AppendSessionRequest.encode({ frame: 1, groups: [{ partition: 0, restart }] });
};

describe.each([
  ['groups', emptyGroups, frameLimits.parts],
  ['commands', emptyCommands, frameLimits.parts],
  ['names to restart', names, frameLimits.restarts],
])('a frame of far too many %s', (_what, frameOf, max) => {
  test('is not read to its end, and ends its stream', () => {
    const frame = frameOf(max * 3);
    const read = readFrame(frame);
    const { groups = [] } = read ?? {};
    const parts = groups.map(({ commands, restart }) => 1 + commands.length + restart.length);
    expect(read?.isOverfull).toBe(true);
    expect(parts.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(max + 2);
    const session = new AppendSession(alone.node, () => {});
    expect(() => session.take(frame)).toThrow(
      expect.objectContaining({ reason: 'BATCH_TOO_LARGE', field: 'groups' }),
    );
  });
});

test('groups without commands count: with too many of them, a command is refused', async () => {
  const reasons: (string | undefined)[] = [];
  let groupsAnswered = 0;
  const session = new AppendSession(alone.node, (bytes) => {
    const { groups } = AppendSessionResponse.decode(bytes);
    groupsAnswered += groups.length;
    for (const { results } of groups) reasons.push(...results.map(({ error }) => error?.reason));
  });
  const empty = Array.from({ length: frameLimits.commands }, () => ({}));
  const commands = [{ conversation: 'g:a', sender: 's' }];
  session.take(AppendSessionRequest.encode({ frame: 1, groups: [...empty, { commands }] }));
  await until('all are answered', 5000, () => groupsAnswered === empty.length + 1);
  expect(reasons).toEqual(['BATCH_TOO_LARGE']);
});

test('a conversation is restarted under any name that it may be appended by', async () => {
  const answers: (string | number)[] = [];
  const session = new AppendSession(alone.node, (bytes) => {
    for (const { results } of AppendSessionResponse.decode(bytes).groups) {
      for (const { error, seq } of results) answers.push(error?.reason ?? seq.toNumber());
    }
  });
  const [conversation, sender] = ['p:bob~alice', 's'];
  const groups = [
    { commands: [{ conversation, sender, expectedSeq: 5 }] },
    { commands: [{ conversation, sender }] },
    { restart: [conversation], commands: [{ conversation, sender }] },
  ];
  for (const [i, group] of groups.entries()) {
    session.take(AppendSessionRequest.encode({ frame: i + 1, groups: [group] }));
    await until('it is answered', 5000, () => answers.length === i + 1);
  }
  expect(answers).toEqual(['EXPECTED_SEQ_MISMATCH', 'SESSION_ORDER', 1]);
});

test('a unary request larger than any may be is not decoded', async () => {
  const forwarder = { append: () => Promise.reject(new Error('nobody to forward to')) };
  const methods = createUnaryMethods(alone.node, forwarder);
  const method = methods.find(({ path }) => path === rpcs.batchGetHeads.path);
  const conversations = Array.from({ length: 300_000 }, () => 'g:a');
  const request = BatchGetHeadsRequest.encode({ conversations });
  await expect(method?.answer(request)).rejects.toMatchObject({
    ...{ reason: 'BAD_REQUEST', field: 'request', limit: 1024 * 1024 },
  });
});
