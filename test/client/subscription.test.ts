// A subscription of the client over streams that are lost at any moment: no hole, no repeat, and no
// more in memory than its window.
import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Subscribe } from '../../src/client/subscription.ts';
import { Subscription } from '../../src/client/subscription.ts';
import { isStored, placeOf, type SubscriptionEvent } from '../../src/client/subscription-events.ts';
import type { ClientTransport, Stream, StreamEvents } from '../../src/client/types.ts';
import { PacelineError, type Reason } from '../../src/errors.ts';
import {
  type AppendCommandInput,
  type ChatMessageInput,
  GapAction,
  MessageState,
  OrderPolicy,
  PendingEnd,
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

/** Servers are asked in turn. */
function open(subscribe: Subscribe, servers: readonly string[] = ['n1:1', 'n2:1']) {
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
  const given = { servers, transport, clock, random: () => 0.5, clientId: 'test' };
  const learned: unknown[][] = [];
  const rest = { learn: (...what: unknown[]) => learned.push(what), onClose: () => {} };
  const server = () => servers[streams.length % servers.length] ?? '';
  const areAll = (found: ReadonlySet<string>) => servers.every((each) => found.has(each));
  const deps = {
    options: given,
    first: () => undefined,
    server,
    passOver: () => {},
    areAll,
    token: () => undefined,
    ...rest,
  };
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

/** An event that is no message. */
function eventAt(rev: number, command: AppendCommandInput): ChatMessageInput {
  const sent = { conversation: 'g:a', sender: 's', ...command };
  return { rev, id: rev, timeMs: 1, index: rev, slot: 0, command: sent };
}

function placeAsked({ start }: FakeStream) {
  return { afterSeq: Number(start?.afterSeq), afterRev: Number(start?.afterRev) };
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

/** Of messages and events. */
function revsOf(events: readonly SubscriptionEvent[]): number[] {
  return events.flatMap((event) => (isStored(event) ? [placeOf(event).rev] : []));
}

describe('a lost stream', () => {
  it('of a conversation goes on after the newest rev received', async () => {
    const { clock, subscription, newest, streams } = open({ conversation: 'g:a', afterSeq: 4 });
    expect(placeAsked(newest())).toEqual({ afterSeq: 4, afterRev: 0 });
    newest().say({ messages: messages(5, 7) });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(streams).toHaveLength(2);
    expect(placeAsked(newest())).toEqual({ afterSeq: 0, afterRev: 7 });
    newest().say({ messages: messages(7, 9), caughtUp: true });
    const events = await take(subscription, 6);
    expect(placesOf(events)).toEqual(['5/0', '6/0', '7/0', '8/0', '9/0', 'caught-up']);
  });

  it('of a conversation goes on after an event that is no message, and passes over what it has', async () => {
    const { clock, subscription, newest } = open({ conversation: 'g:a', afterSeq: 4 });
    newest().say({ messages: [eventAt(7, { setPolicy: {} }), { ...message(5), rev: 8 }] });
    newest().say({ messages: [eventAt(9, { release: { seq: 3 } })] });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(placeAsked(newest())).toEqual({ afterSeq: 0, afterRev: 9 });
    const again = [eventAt(9, { release: { seq: 3 } }), eventAt(10, { reject: { seq: 2 } })];
    newest().say({ messages: again });
    expect(revsOf(await take(subscription, 4))).toEqual([7, 8, 9, 10]);
  });

  it('of a conversation asks again for the seq given where nothing but its place was said', async () => {
    const { clock, newest } = open({ conversation: 'g:a', afterSeq: 4 });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(placeAsked(newest())).toEqual({ afterSeq: 4, afterRev: 0 });
    newest().say({ progress: { seq: 4, rev: 0 } });
    newest().say({ progress: { seq: 4, rev: 6 } });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(placeAsked(newest())).toEqual({ afterSeq: 0, afterRev: 6 });
  });

  it('at any moment leaves no hole and no repeat, of messages and events', async () => {
    const step = fc.oneof(fc.nat(6), fc.constant('lose' as const), fc.constant('take' as const));
    const steps = fc.array(step, { maxLength: 60 });
    const history = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    const property = fc.asyncProperty(history, steps, fc.boolean(), async (isEvent, all, whole) => {
      let seq = 0;
      const log = isEvent.map((event, i) => {
        const at = { index: 1 + Math.floor(i / 3), slot: i % 3, rev: i + 1 };
        if (event) return { ...eventAt(i + 1, { reject: { seq: 1 } }), ...at };
        seq += 1;
        return { ...message(seq), ...at };
      });
      const { clock, subscription, newest } = open(
        whole ? { partition: 0, window: 5 } : { conversation: 'g:a', window: 5 },
      );
      let [sent, received, last] = [0, 0, newest()];
      const taken: SubscriptionEvent[] = [];
      const rest = [...log, ...log].flatMap(() => ['take' as const, 1]);
      for (const each of [...all, ...rest, 'take' as const]) {
        if (each === 'lose' && newest().isOpen) newest().end('UNREACHABLE');
        if (each === 'lose') await clock.pass(1000);
        if (newest() !== last) {
          last = newest();
          sent = 0;
        }
        if (each === 'take' && taken.length < received)
          taken.push(...(await take(subscription, 1)));
        if (typeof each !== 'number' || !last.isOpen) continue;
        const { afterRev, afterIndex } = last.start ?? {};
        const after = log.filter(({ rev, index }) => {
          return whole ? index > Number(afterIndex) : rev > Number(afterRev);
        });
        const next = after.slice(sent, Math.min(sent + each, last.credits));
        sent += next.length;
        received = Math.max(received, next.at(-1)?.rev ?? 0);
        if (next.length > 0) last.say({ messages: next });
      }
      expect(revsOf(taken)).toEqual(log.map(({ rev }) => rev));
    });
    await fc.assert(property, { numRuns: 200 });
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

  it('by a damaged copy goes on elsewhere; damage at every node, or at the only one asked, ends it', async () => {
    const { clock, newest, subscription } = open({ conversation: 'g:a' }, ['n1:1', 'n2:1', 'n3:1']);
    const fail = async (reason: Reason) => {
      newest().end(reason);
      await clock.pass(500);
    };
    for (let i = 0; i < 9; i++) await fail(i % 3 === 0 ? 'UNREACHABLE' : 'CORRUPT');
    newest().say({ messages: messages(1, 1) });
    expect(await take(subscription, 1)).toHaveLength(1);
    for (let i = 0; i < 2; i++) await fail('CORRUPT');
    newest().end('CORRUPT');
    await expect(subscription.next()).rejects.toMatchObject({ reason: 'CORRUPT' });

    const pinned = open({ conversation: 'g:a', server: 'n1:1' });
    pinned.newest().end('CORRUPT');
    await expect(pinned.subscription.next()).rejects.toMatchObject({ reason: 'CORRUPT' });
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

  it('counts events that are no messages as messages', async () => {
    const { clock, subscription, newest } = open({ conversation: 'g:a', window: 4 });
    newest().say({ messages: [1, 2, 3, 4].map((rev) => eventAt(rev, { reject: { seq: 1 } })) });
    await take(subscription, 1);
    expect(newest().credits).toBe(5);
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(newest().credits).toBe(1);
    await take(subscription, 3);
    newest().say({ caughtUp: true, progress: { rev: 4 } });
    await take(subscription, 2);
    expect(newest().credits).toBe(4);
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
    expect(placeAsked(newest())).toEqual({ afterSeq: 0, afterRev: 8 });
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

describe('what is told', () => {
  const told = async (received: ChatMessageInput) => {
    const { subscription, newest } = open({ conversation: 'g:a' });
    newest().say({ messages: [received] });
    const [event] = await take(subscription, 1);
    return event;
  };
  const place = { conversation: 'g:a', sender: 's', rev: 7, timeMs: 1, index: 7, slot: 0 };

  it('of a gap is whose messages are missing, and which', async () => {
    const gapMarker = { device: 'phone', epoch: 2, after: 3, before: 9 };
    const gap = { kind: 'gap', device: 'phone', epoch: 2, after: 3, before: 9 };
    expect(await told(eventAt(7, { gapMarker }))).toEqual({ ...place, ...gap });
  });

  it('of a release is the message that is shown from now on, null where it is gone', async () => {
    const release = eventAt(7, { release: { seq: 4 } });
    const event = await told({ ...release, subject: message(4) });
    expect(event).toMatchObject({ ...place, kind: 'released', seq: 4 });
    expect(event).toMatchObject({ message: { seq: 4, sender: 's', body: Buffer.from('x') } });
    expect(await told(release)).toEqual({ ...place, kind: 'released', seq: 4, message: null });
  });

  it('of a rejection is its seq, of a device its epoch', async () => {
    const rejection = { ...place, kind: 'rejected', seq: 4 };
    expect(await told(eventAt(7, { reject: { seq: 4 } }))).toEqual(rejection);
    const device = { ...eventAt(7, { registerDevice: { device: 'phone' } }), epoch: 12 };
    expect(await told(device)).toEqual({ ...place, kind: 'device', device: 'phone', epoch: 12 });
  });

  it('of a policy is what it says, its waits only where it gives them', async () => {
    const all = { gapAction: GapAction.GAP_ACTION_SKIP, gapWaitMs: 0, pendingTtlMs: 500 };
    const order = OrderPolicy.ORDER_POLICY_SERVER;
    const pendingEnd = PendingEnd.PENDING_END_RELEASE;
    expect(await told(eventAt(7, { setPolicy: { ...all, order, pendingEnd } }))).toEqual({
      ...{ ...place, kind: 'policy' },
      policy: { ...all, order: 'server', gapAction: 'skip', pendingEnd: 'release' },
    });
    expect(await told(eventAt(7, { setPolicy: {} }))).toEqual({
      ...{ ...place, kind: 'policy' },
      policy: { order: 'sender', gapAction: 'mark', pendingEnd: 'reject' },
    });
  });

  it('of an event of a later version is that there is one', async () => {
    expect(await told(eventAt(7, {}))).toEqual({ ...place, kind: 'unknown' });
  });

  it('of a message is its state, whether it is late, and its link', async () => {
    const link = { device: 'phone', epoch: 2, clientSeq: 5, prevClientSeq: 0, clientTimeMs: 9 };
    const command = { conversation: 'g:a', sender: 's', ...link };
    const state = MessageState.MESSAGE_STATE_PENDING;
    const full = await told({ ...message(7), command, state, late: true, lateFor: 3 });
    expect(full).toMatchObject({ message: { ...link, state: 'pending', late: true, lateFor: 3 } });
    const none = { device: '', epoch: 0, clientSeq: 0, prevClientSeq: null, clientTimeMs: 0 };
    const plain = { ...none, state: 'normal', late: false, lateFor: 0 };
    expect(await told(message(7))).toMatchObject({ message: plain });
  });

  it('to whom is said on every stream', async () => {
    const { clock, newest } = open({ conversation: 'g:a', viewer: 'ann' });
    newest().say({ messages: [message(1)] });
    newest().end('UNREACHABLE');
    await clock.pass(10);
    expect(newest().start?.viewer).toBe('ann');
    expect(open({ partition: 1, viewer: 'ann' }).newest().start?.viewer).toBe('ann');
    expect(open({ partition: 1 }).newest().start?.viewer).toBe('');
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

  it('a signal that lives on forgets it with its end', async () => {
    const { signal } = new AbortController();
    const { subscription } = open({ conversation: 'g:a', signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await subscription.return();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
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
