// A subscription of the client over streams that are lost at any moment: no hole, no repeat, and no
// more in memory than its window.
import { describe, expect, it } from 'vitest';
import type { Subscribe, SubscriptionEvent } from '../../src/client/subscription.ts';
import { Subscription } from '../../src/client/subscription.ts';
import type { ClientTransport, Stream, StreamEvents } from '../../src/client/types.ts';
import { PacelineError, type Reason } from '../../src/errors.ts';
import {
  type ChatMessageInput,
  SubscribeRequest,
  SubscribeResponse,
  type SubscribeResponseInput,
} from '../../src/gen/proto.ts';
import { FakeClock } from './fake-clock.ts';

class FakeStream implements Stream {
  readonly requests: SubscribeRequest[] = [];
  isOpen = true;
  private readonly events: StreamEvents;

  constructor(events: StreamEvents) {
    this.events = events;
  }

  send(request: Buffer): void {
    this.requests.push(SubscribeRequest.decode(request));
  }

  pause(): void {}

  resume(): void {}

  close(): void {
    this.isOpen = false;
  }

  say(response: SubscribeResponseInput): void {
    this.events.onResponse(SubscribeResponse.encode(response));
  }

  end(reason: Reason): void {
    this.isOpen = false;
    this.events.onEnd(new PacelineError({ reason, message: reason }));
  }

  get start() {
    return this.requests[0]?.start;
  }

  /** Allowed so far. */
  get credits(): number {
    const more = this.requests.slice(1).reduce((sum, { credits }) => sum + credits, 0);
    return (this.start?.credits ?? 0) + more;
  }
}

function open(subscribe: Subscribe) {
  const clock = new FakeClock();
  const streams: FakeStream[] = [];
  const transport: ClientTransport = {
    openStream: (_address, _path, events) => {
      const stream = new FakeStream(events);
      streams.push(stream);
      return stream;
    },
    call: () => Promise.reject(new Error('nothing is called')),
    close: () => {},
  };
  const given = { servers: ['n1:1'], transport, clock, random: () => 0.5, clientId: 'test' };
  const learned: unknown[][] = [];
  const rest = { learn: (...what: unknown[]) => learned.push(what), onClose: () => {} };
  const deps = { options: given, server: () => 'n1:1', token: () => undefined, ...rest };
  const subscription = new Subscription(subscribe, deps);
  const newest = () => {
    const stream = streams.at(-1);
    if (stream === undefined) throw new Error('a stream was opened');
    return stream;
  };
  return { clock, streams, subscription, newest, learned };
}

function message(seq: number, index = seq, slot = 0): ChatMessageInput {
  const command = { conversation: 'g:a', sender: 's', body: Buffer.from('x') };
  return { seq, rev: seq, id: seq, timeMs: 1, index, slot, command };
}

function messages(from: number, to: number): ChatMessageInput[] {
  return Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
}

async function take(subscription: Subscription, count: number): Promise<SubscriptionEvent[]> {
  const events: SubscriptionEvent[] = [];
  for (let i = 0; i < count; i++) {
    const { value, done } = await subscription.next();
    if (!done) events.push(value);
  }
  return events;
}

function placesOf(events: readonly SubscriptionEvent[]): string[] {
  return events.map((event) => {
    return event.kind === 'message' ? `${event.message.index}/${event.message.slot}` : event.kind;
  });
}

describe('a lost stream', () => {
  it('of a conversation goes on after the newest seq received', async () => {
    const { clock, subscription, newest, streams } = open({ conversation: 'g:a', afterSeq: 4 });
    expect(Number(newest().start?.afterSeq)).toBe(4);
    newest().say({ messages: messages(5, 7) });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(streams).toHaveLength(2);
    expect(Number(newest().start?.afterSeq)).toBe(7);
    newest().say({ messages: messages(7, 9), caughtUp: true });
    const events = await take(subscription, 6);
    expect(placesOf(events)).toEqual(['5/0', '6/0', '7/0', '8/0', '9/0', 'caught-up']);
  });

  it('of a partition asks again for an entry received in part, and passes over what it has', async () => {
    const { clock, subscription, newest } = open({ partition: 3 });
    newest().say({ messages: [message(1, 8, 0), message(2, 8, 1)] });
    newest().end('STOPPING');
    await clock.pass(10);
    expect(Number(newest().start?.afterIndex)).toBe(7);
    newest().say({
      messages: [message(1, 8, 0), message(2, 8, 1), message(3, 8, 2), message(4, 9)],
    });
    expect(placesOf(await take(subscription, 4))).toEqual(['8/0', '8/1', '8/2', '9/0']);
  });

  it('of a partition gets back the credits of what it passes over, even where that is all', async () => {
    const { clock, newest, subscription } = open({ partition: 0, window: 4 });
    newest().say({ messages: [0, 1, 2, 3].map((slot) => message(slot + 1, 1, slot)) });
    expect(await take(subscription, 4)).toHaveLength(4);
    newest().end('UNREACHABLE');
    await clock.pass(10);
    newest().say({ messages: [0, 1, 2, 3].map((slot) => message(slot + 1, 1, slot)) });
    expect(newest().credits).toBe(8);
  });

  it('of a partition goes on after progress, where entries held no messages', async () => {
    const { clock, newest } = open({ partition: 0 });
    newest().say({ messages: [message(1, 3)], progress: { index: 12 } });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(Number(newest().start?.afterIndex)).toBe(12);
  });

  it('says that it caught up only once', async () => {
    const { clock, newest, subscription } = open({ conversation: 'g:a' });
    newest().say({ caughtUp: true });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    newest().say({ caughtUp: true, messages: [message(1)] });
    expect(placesOf(await take(subscription, 2))).toEqual(['caught-up', '1/0']);
  });

  it('is opened again after longer and longer pauses, half a second at most', async () => {
    const { clock, newest, streams } = open({ conversation: 'g:a' });
    for (let i = 0; i < 20; i++) {
      newest().end('NO_LEADER');
      await clock.pass(500);
    }
    expect(streams).toHaveLength(21);
    newest().end('NO_LEADER');
    await clock.pass(100);
    expect(streams).toHaveLength(21);
  });

  it('is given up where the node is silent for 25 s', async () => {
    const { clock, streams } = open({ conversation: 'g:a' });
    await clock.pass(24_000);
    expect(streams).toHaveLength(1);
    await clock.pass(2000);
    expect(streams).toHaveLength(2);
    expect(streams[0]?.isOpen).toBe(false);
  });
});

describe('the window', () => {
  it('gives credits back as messages are taken, a quarter of it at a time', async () => {
    const { subscription, newest } = open({ conversation: 'g:a', window: 8 });
    expect(newest().credits).toBe(8);
    newest().say({ messages: messages(1, 8) });
    expect(newest().credits).toBe(8);
    await take(subscription, 1);
    expect(newest().credits).toBe(8);
    await take(subscription, 1);
    expect(newest().credits).toBe(10);
    await take(subscription, 6);
    expect(newest().credits).toBe(16);
  });

  it('is not passed by streams that are lost while nobody takes anything', async () => {
    const { clock, subscription, newest, streams } = open({ conversation: 'g:a', window: 8 });
    newest().say({ messages: messages(1, 5) });
    newest().end('UNREACHABLE');
    await clock.pass(1000);
    expect(newest().credits).toBe(3);
    newest().say({ messages: messages(6, 8) });
    newest().end('UNREACHABLE');
    await clock.pass(60_000);
    expect(streams).toHaveLength(2);
    await take(subscription, 1);
    expect(streams).toHaveLength(3);
    expect(newest().credits).toBe(1);
    expect(Number(newest().start?.afterSeq)).toBe(8);
    newest().say({ messages: [message(9)] });
    expect(placesOf(await take(subscription, 8)).at(-1)).toBe('9/0');
  });

  it('holds one progress, the newest, however long nobody takes it', async () => {
    const { subscription, newest } = open({ conversation: 'g:a' });
    for (let seq = 1; seq <= 100; seq++) newest().say({ progress: { seq, rev: seq } });
    newest().say({ messages: [message(101)] });
    const [progress, next] = await take(subscription, 2);
    expect(progress).toEqual({ kind: 'progress', seq: 100, rev: 100, index: 0 });
    expect(next?.kind).toBe('message');
  });
});

describe('the end', () => {
  it('return() ends it: what waits and what comes later is done', async () => {
    const { subscription, newest } = open({ conversation: 'g:a' });
    newest().say({ messages: messages(1, 3) });
    await take(subscription, 3);
    const waiting = [subscription.next(), subscription.next()];
    await subscription.return();
    expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual([true, true]);
    expect((await subscription.next()).done).toBe(true);
    expect(newest().isOpen).toBe(false);
  });

  it('return() drops what was not taken', async () => {
    const { subscription, newest } = open({ conversation: 'g:a' });
    newest().say({ messages: messages(1, 3) });
    await subscription.return();
    expect((await subscription.next()).done).toBe(true);
  });

  it('the signal ends it, before and after it began', async () => {
    const abort = new AbortController();
    const { subscription, streams } = open({ conversation: 'g:a', signal: abort.signal });
    const next = subscription.next();
    abort.abort();
    expect((await next).done).toBe(true);
    expect(streams[0]?.isOpen).toBe(false);
    const late = open({ conversation: 'g:a', signal: abort.signal });
    expect((await late.subscription.next()).done).toBe(true);
    expect(late.streams).toHaveLength(0);
  });

  it('a refusal that lasts is thrown, after what was received before', async () => {
    const { subscription, newest } = open({ conversation: 'g:a' });
    newest().say({ messages: messages(1, 2) });
    newest().end('BAD_CONVERSATION');
    expect(await take(subscription, 2)).toHaveLength(2);
    await expect(subscription.next()).rejects.toMatchObject({ reason: 'BAD_CONVERSATION' });
  });

  it('what it receives, with its token, is what later reads are held to', () => {
    const { newest, learned } = open({ conversation: 'g:a' });
    const readToken = Buffer.from('t7');
    newest().say({ messages: [message(1, 5), message(2, 7)], readToken, partition: 3 });
    newest().say({ caughtUp: true, progress: { seq: 2 } });
    expect(learned).toEqual([[3, 7, readToken]]);
  });

  it('RESET is passed on, and what follows it', async () => {
    const { subscription, newest } = open({ conversation: 'g:a', afterSeq: 2 });
    newest().say({ reset: { min: 50, max: 90 } });
    newest().say({ messages: [message(50)] });
    const [reset, next] = await take(subscription, 2);
    expect(reset).toEqual({ kind: 'reset', min: 50, max: 90 });
    expect(next?.kind).toBe('message');
  });
});
