// What a frame may cost the node that reads it: its parts are counted as they are read, whatever they hold.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { badCommand, checkCommand } from '../../src/api/check.ts';
import { frameLimits, readFrame } from '../../src/api/frames.ts';
import { createUnaryMethods } from '../../src/api/unary.ts';
import { systemClock } from '../../src/clock.ts';
import { commandLimits } from '../../src/command.ts';
import {
  AppendCommand,
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

describe('a frame', () => {
  const long = (part: number[]) => Buffer.alloc(40_000 * part.length, Buffer.from(part));
  const group = (bytes: Buffer) => Buffer.concat([Buffer.from([0x12, 0x80, 0xf1, 0x04]), bytes]);

  test.each([
    ['number', long([0x08, 0])],
    ['field it does not know', long([0x7a, 0])],
    ['partition in a group', group(long([0x10, 0]))],
  ])('that says very often its %s is not read to its end', (_, frame) => {
    expect(readFrame(frame)?.isOverfull).toBe(true);
  });

  test.each([
    ['a number that no client can know again', '08ffffffffffffff1f'],
    ['a group of protobuf 2', '130801'],
  ])('with %s is none', (_, hex) => {
    expect(readFrame(Buffer.from(hex, 'hex'))).toBeNull();
  });

  test('of more than 4 MiB is read only where it is one command', () => {
    const body = Buffer.alloc(frameLimits.readBytes);
    const of = (commands: object[]) => AppendSessionRequest.encode({ groups: [{ commands }] });
    expect(readFrame(of([{ body }]))?.isOverfull).toBe(false);
    expect(readFrame(of([{ body }, {}]))?.isOverfull).toBe(true);
  });
});

describe('a command', () => {
  const named = AppendCommand.encode({ conversation: 'g:parts', sender: 's' });
  const often = (part: number[], times = 2000) =>
    Buffer.concat([named, Buffer.alloc(times * part.length, Buffer.from(part))]);

  test.each([
    ['an empty body', often([0x22, 0]), { field: 'command', limit: 1024 }],
    [
      'a header',
      often([0x32, 5, 0x0a, 3, 0x61, 0x61, 0x61], 1000),
      { field: 'headers', limit: 4096 },
    ],
    ['a part of an event', long(often([0x08, 1])), { field: 'event', limit: 256 }],
  ])('that says very often %s is refused, with the limit', (_, command, refusal) => {
    expect(checkCommand(alone.node, command)).toMatchObject(refusal);
  });

  /** As the release of a pending message. */
  function long(bytes: Buffer): Buffer {
    const parts = bytes.subarray(named.length);
    return Buffer.concat([named, Buffer.from([0x8a, 1, 0xa0, 0x1f]), parts]);
  }

  test('that is refused for its size breaks the order of its conversation', () => {
    const body = Buffer.alloc(commandLimits.bodyBytes + 1);
    const command = AppendCommand.encode({ conversation: 'g:parts', sender: 's', body });
    const refusal = checkCommand(alone.node, command);
    if (!('reason' in refusal)) throw new Error('it is too large');
    expect(refusal).toMatchObject({ field: 'body', limit: commandLimits.bodyBytes });
    expect(badCommand(alone.node, command, refusal).conversation).toBe('g:parts');
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
