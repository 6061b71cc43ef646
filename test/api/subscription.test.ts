// The node's side of a subscription, on a real node that is a cluster of its own: what it says of its
// progress, and that it sends no more than it has credits and room for.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { AppendSession } from '../../src/api/append-session.ts';
import { Subscription } from '../../src/api/subscription.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { AppendSessionRequest, SubscribeRequest } from '../../src/gen/proto.ts';
import type { Node } from '../../src/node/node.ts';
import { type Alone, startAlone } from './alone.ts';
import { Subscriber } from './subscriber.ts';

const progressMs = 10_000;
const conversation = 'g:a';
/** The machine's, but what is due after ten seconds is due when a test says so. */
const held = new Set<() => void>();
const clock: Clock = {
  ...systemClock,
  after(delayMs, call) {
    if (delayMs !== progressMs) return systemClock.after(delayMs, call);
    held.add(call);
    return { cancel: () => held.delete(call) };
  },
};

function passTenSeconds(): void {
  for (const call of [...held]) {
    held.delete(call);
    call();
  }
}

let alone: Alone;
let node: Node;

beforeAll(async () => {
  alone = await startAlone(clock);
  node = alone.node;
});

afterAll(() => alone.stop());

async function append(count: number, bodyBytes = 1, name = conversation): Promise<void> {
  let answered = false;
  const session = new AppendSession(node, () => {
    answered = true;
  });
  const command = { conversation: name, sender: 's', body: Buffer.alloc(bodyBytes) };
  const commands = Array.from({ length: count }, () => command);
  session.take(AppendSessionRequest.encode({ frame: 1, groups: [{ partition: 0, commands }] }));
  await until('they are stored', 5000, () => answered);
}

const deadlineMs = 5000;

describe('a subscription', () => {
  it('says CAUGHT_UP once, with its progress, and PROGRESS every ten seconds', async () => {
    await append(3);
    const subscriber = new Subscriber(node, { conversation });
    await until('it caught up', deadlineMs, () => subscriber.caughtUps === 1);
    expect(subscriber.seqs).toEqual([1, 2, 3]);
    expect(subscriber.progress).toEqual([3]);
    passTenSeconds();
    expect(subscriber.progress).toEqual([3, 3]);
    await append(2);
    await until('the new ones came', deadlineMs, () => subscriber.seqs.length === 5);
    passTenSeconds();
    expect(subscriber.progress).toEqual([3, 3, 5]);
    expect(subscriber.caughtUps).toBe(1);
  });

  it('of a partition says its progress in indexes, entries without messages included', async () => {
    const subscriber = new Subscriber(node, { partition: 0 });
    await until('it caught up', deadlineMs, () => subscriber.caughtUps === 1);
    passTenSeconds();
    const { applied } = node.replicaOf(0).raft;
    expect(Number(subscriber.said.at(-1)?.progress?.index)).toBe(applied);
  });

  it('sends as many messages as it has credits for, and says CAUGHT_UP only with credits left', async () => {
    const subscriber = new Subscriber(node, { conversation, credits: 2 });
    await until('two came', deadlineMs, () => subscriber.seqs.length === 2);
    passTenSeconds();
    expect(subscriber.seqs).toEqual([1, 2]);
    expect([subscriber.caughtUps, subscriber.progress]).toEqual([0, [2]]);
    subscriber.give(2);
    await until('two more came', deadlineMs, () => subscriber.seqs.length === 4);
    subscriber.give(100);
    await until('it caught up', deadlineMs, () => subscriber.caughtUps === 1);
    expect(subscriber.seqs).toEqual([1, 2, 3, 4, 5]);
  });

  it('stops while its stream is full, and goes on when there is room', async () => {
    const subscriber = new Subscriber(node, { conversation, credits: 1000 });
    subscriber.hasRoom = false;
    await append(400, 2000);
    await until('something came', deadlineMs, () => subscriber.said.length > 0);
    await append(1);
    passTenSeconds();
    expect(subscriber.said).toHaveLength(1);
    subscriber.hasRoom = true;
    subscriber.subscription.resume();
    await until('it caught up', deadlineMs, () => subscriber.caughtUps === 1);
    expect(subscriber.seqs).toEqual(Array.from({ length: 406 }, (_, i) => i + 1));
  });

  it('that begins after what is not there yet has not caught up before that came', async () => {
    const name = 'g:future';
    const starts = [
      { conversation: name, afterSeq: 2 },
      { conversation: name, afterRev: 2 },
    ];
    const subscribers = starts.map((start) => new Subscriber(node, start));
    const { applied } = node.replicaOf(0).raft;
    subscribers.push(new Subscriber(node, { partition: 0, afterIndex: applied + 2 }));
    for (let missing = 2; missing > 0; missing--) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(subscribers.map(({ caughtUps }) => caughtUps)).toEqual([0, 0, 0]);
      await append(1, 1, name);
    }
    await append(1, 1, name);
    await until('all caught up', deadlineMs, () => subscribers.every((one) => one.caughtUps === 1));
    expect(subscribers.map(({ seqs }) => seqs)).toEqual([[3], [3], [3]]);
  });

  it('that its client ends before it said what to follow is refused', () => {
    const errors: string[] = [];
    const sink = { write: () => true, fail: ({ message }: Error) => errors.push(message) };
    new Subscription(node, sink).endOfRequests();
    expect(errors).toEqual(['start: the first request says what to follow']);
  });

  it('whose request is longer than any needs to be is refused before it is read', () => {
    const subscription = new Subscription(node, { write: () => true, fail() {} });
    const long = Buffer.alloc(70_000, Buffer.from([0x10, 0]));
    expect(() => subscription.take(long)).toThrow(
      expect.objectContaining({ field: 'request', limit: 64 * 1024 }),
    );
  });

  it('is refused more than a million credits, and a second start', () => {
    const subscriber = new Subscriber(node, { conversation, credits: 1_000_000 });
    expect(() => subscriber.give(1)).toThrow('credits: more than 1000000');
    const again = SubscribeRequest.encode({ start: { conversation } });
    expect(() => subscriber.subscription.take(again)).toThrow('a subscription is started once');
  });

  it('ends its timer and sends nothing more once it is closed', async () => {
    const subscriber = new Subscriber(node, { conversation });
    await until('it caught up', deadlineMs, () => subscriber.caughtUps === 1);
    const { length } = subscriber.said;
    subscriber.subscription.close();
    expect(held.size).toBe(0);
    await append(1);
    passTenSeconds();
    expect(subscriber.said).toHaveLength(length);
  });
});
