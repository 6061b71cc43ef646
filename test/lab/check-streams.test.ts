// Negative controls of the checker of append sessions: frames and answers made by hand.
import { describe, expect, test } from 'vitest';
import { encodeAppend } from '../../src/client/append.ts';
import { encodeFrame } from '../../src/client/frames.ts';
import { AppendSessionResponse } from '../../src/gen/proto.ts';
import { SessionChecker } from '../../src/lab/check-streams.ts';
import { World } from '../../src/lab/world.ts';

const conversation = 'g:room';

class Streams {
  readonly world = new World(1, false);
  private readonly out = new Map<number, SessionChecker>();
  readonly one = new SessionChecker(this.world, 'one', this.out);
  readonly two = new SessionChecker(this.world, 'two', this.out);

  send(session: SessionChecker, frame: number, restart: readonly string[] = []): void {
    const append = { conversation, sender: 'ann', body: 'hello' };
    const command = encodeAppend(append, conversation, `key ${frame}`);
    session.sent(encodeFrame(frame, [{ partition: 0, restart, commands: [command] }]));
  }

  answer(session: SessionChecker, frame: number, isStored: boolean): void {
    const results = [isStored ? { seq: frame } : { error: { reason: 'BUSY' } }];
    const group = { frame, group: 0, results, mapVersion: 1 };
    session.answered(AppendSessionResponse.encode({ groups: [group] }));
  }
}

function ruleBrokenBy(steps: (streams: Streams) => void): string | undefined {
  const streams = new Streams();
  steps(streams);
  return streams.world.broken?.rule;
}

const oneNode = 'what a client has out of a partition is out at one node';
const order = 'nothing is stored behind what was refused on its stream';

describe('the checker of append sessions', () => {
  test('reports what is sent elsewhere while more is out', () => {
    const rule = ruleBrokenBy((streams) => {
      streams.send(streams.one, 1);
      streams.send(streams.two, 1);
    });
    expect(rule).toBe(oneNode);
  });

  test('takes what is sent elsewhere after the answer, or after the end of the stream', () => {
    const rule = ruleBrokenBy((streams) => {
      streams.send(streams.one, 1);
      streams.answer(streams.one, 1, true);
      streams.send(streams.two, 1);
      streams.two.ended();
      streams.send(streams.one, 2);
    });
    expect(rule).toBeUndefined();
  });

  test.each([
    [1, 2],
    [2, 1],
  ])('reports what is stored behind what was refused, answered as %i, %i', (first, second) => {
    const rule = ruleBrokenBy((streams) => {
      streams.send(streams.one, 1);
      streams.send(streams.one, 2);
      for (const frame of [first, second]) streams.answer(streams.one, frame, frame === 2);
    });
    expect(rule).toBe(order);
  });

  test('takes what is stored once the conversation was named', () => {
    const rule = ruleBrokenBy((streams) => {
      streams.send(streams.one, 1);
      streams.answer(streams.one, 1, false);
      streams.send(streams.one, 2, [conversation]);
      streams.answer(streams.one, 2, true);
    });
    expect(rule).toBeUndefined();
  });
});
