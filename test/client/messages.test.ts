// The messages of a subscription alone, and many subscriptions with one signal.
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import type { ClientTransport, StreamEvents } from '../../src/client/types.ts';
import {
  type HeaderInput,
  SubscribeResponse,
  type SubscribeResponseInput,
} from '../../src/gen/proto.ts';
import { FakeClock } from './fake-clock.ts';

const conversation = 'g:a';

function open() {
  const streams: StreamEvents[] = [];
  const transport: ClientTransport = {
    openStream: (_address, _path, events) => {
      streams.push(events);
      return { send() {}, pause() {}, resume() {}, close: () => streams.splice(0) };
    },
    call: () => Promise.reject(new Error('nothing is called')),
    close: () => {},
  };
  const options = { servers: ['n1:1'], transport, clock: new FakeClock(), clientId: 'test' };
  const client = new PacelineClient({ ...options, random: () => 0.5 });
  const say = (response: SubscribeResponseInput) => {
    for (const each of streams) each.onResponse(SubscribeResponse.encode(response));
  };
  return { client, streams, say };
}

function message(seq: number, headers: readonly HeaderInput[] = []) {
  const command = { conversation, sender: 's', headers };
  return { seq, rev: seq, id: seq, timeMs: 1, index: seq, command };
}

test('return() ends what waits in next(), and what comes later', async () => {
  const { client, streams, say } = open();
  const messages = client.messages({ conversation });
  const [first, second] = [messages.next(), messages.next()];
  say({ messages: [message(1)], progress: { seq: 1 } });
  say({ messages: [message(2)] });
  expect([(await first).value?.seq, (await second).value?.seq]).toEqual([1, 2]);
  const waiting = [messages.next(), messages.next()];
  await messages.return();
  expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual([true, true]);
  expect((await messages.next()).done).toBe(true);
  expect(streams).toHaveLength(0);
});

test('next() called several times at once gets messages in order, over other events', async () => {
  const { client, say } = open();
  const messages = client.messages({ conversation });
  say({ caughtUp: true });
  const taken = [messages.next(), messages.next()];
  say({ messages: [message(1), message(2)] });
  expect((await Promise.all(taken)).map(({ value }) => value?.seq)).toEqual([1, 2]);
});

test('a header without a value has the value it was sent with', async () => {
  const { client, say } = open();
  const messages = client.messages({ conversation });
  say({ messages: [message(1, [{ name: 'a' }, { name: 'b', value: 'c' }])] });
  const { value } = await messages.next();
  expect(JSON.stringify(value?.headers)).toBe('[{"name":"a","value":""},{"name":"b","value":"c"}]');
});

test('many subscriptions with one signal have one listener of it, which ends all', async () => {
  const { client } = open();
  const abort = new AbortController();
  const { signal } = abort;
  const all = Array.from({ length: 11 }, () => client.subscribe({ conversation, signal }));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await all[0]?.return();
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  abort.abort();
  expect(all.map(({ isOver }) => isOver)).toEqual(Array(11).fill(true));
});
