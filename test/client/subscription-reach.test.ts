// What a subscription tells of nodes that do not answer.
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport, StreamEvents } from '../../src/client/types.ts';
import { PacelineError } from '../../src/errors.ts';
import { SubscribeResponse } from '../../src/gen/proto.ts';
import { FakeClock } from './fake-clock.ts';

const unreachable = new PacelineError({ reason: 'UNREACHABLE', message: 'not reached' });

/** What it told so far; `fail` loses that many streams one after the other, half a second each. */
function follow(window?: number) {
  const clock = new FakeClock();
  const streams: StreamEvents[] = [];
  const transport: ClientTransport = {
    openStream: (_address, _path, events) => {
      streams.push(events);
      return { send() {}, close() {} };
    },
    call: () => Promise.reject(unreachable),
    close: () => {},
  };
  const servers = ['n1:1', 'n2:1'];
  const client = new PacelineClient({ servers, transport, clock, random: () => 0, clientId: 'c' });
  const told: boolean[] = [];
  const onReach = (isReached: boolean) => told.push(isReached);
  const more = window === undefined ? {} : { window };
  const subscription = client.subscribe({ conversation: 'g:a', onReach, ...more });
  const fail = async (times: number) => {
    for (let i = 0; i < times; i++) {
      streams.at(-1)?.onEnd(unreachable);
      await clock.pass(500);
    }
  };
  const say = (seq: number) => {
    const command = { conversation: 'g:a', sender: 's' };
    const message = { seq, rev: seq, id: seq, timeMs: 1, index: seq, slot: 0, command };
    streams.at(-1)?.onResponse(SubscribeResponse.encode({ messages: [message] }));
  };
  return { clock, told, subscription, fail, say };
}

test('it tells once that no node has answered for 3 s, and once that one does; nothing of what is mended sooner', async () => {
  const { clock, told, subscription, fail, say } = follow();
  await fail(5);
  say(1);
  await fail(5);
  say(2);
  expect(told).toEqual([]);
  await fail(20);
  expect(told).toEqual([false]);
  say(3);
  say(4);
  expect(told).toEqual([false, true]);
  await fail(1);
  await subscription.return();
  await clock.pass(10_000);
  expect(told).toEqual([false, true]);
});

test('where it waits for its consumer, no node is missed', async () => {
  const { clock, told, fail, say } = follow(1);
  say(1);
  await fail(1);
  await clock.pass(60_000);
  expect(told).toEqual([]);
});
