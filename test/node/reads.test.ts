// Reads of a replica whose log is written by hand: by rev exactly the log, by seq exactly the messages with
// the states they have, whatever was checkpointed, evicted or restarted, and while that happens.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ConversationFeed,
  type Feed,
  type FeedStart,
  PartitionFeed,
} from '../../src/node/feeds.ts';
import { readPage } from '../../src/node/reader.ts';
import { readExtent } from '../../src/node/source.ts';
import type { StoredMessage } from '../../src/node/stored-message.ts';
import { SlotKind } from '../../src/order/header.ts';
import { firstIndexKey, floorKey } from '../../src/order/row-keys.ts';
import { encodeFloor } from '../../src/order/row-values.ts';
import { hexOf } from '../order/fixture.ts';
import { HandLog, type Item, shard, type Write } from './hand-log.ts';

const names = ['g:a', 'g:b', 's:ann'] as const;

type Writes = readonly (readonly [conversation: string, write: Write])[];

type Action =
  | { readonly kind: 'append'; readonly writes: Writes }
  | { readonly kind: 'begin' | 'write' | 'learn' | 'restart' | 'evict' | 'release' };

const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Write>({ kind: 'message' }) },
  { weight: 4, arbitrary: fc.constant<Write>({ kind: 'pending' }) },
  { weight: 1, arbitrary: fc.constantFrom<Write>({ kind: 'policy' }, { kind: 'gap' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('late'), lateFor: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('release', 'reject'), choice: fc.nat(9) }),
  },
);
const writes = fc.array(fc.tuple(fc.constantFrom(...names), write), {
  minLength: 1,
  maxLength: 12,
});
const kinds = ['begin', 'write', 'learn', 'evict', 'release'] as const;
/** Without those that lose what a read in flight holds. */
const quiet = fc.oneof(
  fc.record({ kind: fc.constant('append'), writes }),
  fc.record({ kind: fc.constantFrom(...kinds) }),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 9, arbitrary: quiet },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: 'restart' }) },
);

function act(log: HandLog, { kind, ...rest }: Action): void {
  if (kind === 'append' && 'writes' in rest) log.append(rest.writes);
  else if (kind === 'begin') log.beginCheckpoint();
  else if (kind === 'write') log.writeCheckpoint();
  else if (kind === 'learn') log.learnCheckpoint();
  else if (kind === 'release') log.rows.release();
  else if (kind === 'evict') log.evictedTo = log.raft.applied;
  else log.restart();
}

function feedOf(log: HandLog, conversation: string, start: FeedStart): ConversationFeed {
  return new ConversationFeed(log, log.store, { conversation, shard }, start);
}

/** Until there is nothing more, in pages of at most `limit`. */
async function drain(feed: Feed, limit: number, bytesMax: number): Promise<StoredMessage[]> {
  const all: StoredMessage[] = [];
  for (;;) {
    const { messages, reset } = await feed.next(limit, bytesMax);
    expect(reset).toBeNull();
    expect(messages.length).toBeLessThanOrEqual(limit);
    if (messages.length === 0) return all;
    all.push(...messages);
  }
}

function itemOf({ kind, rev, seq, index, slot, target, lateFor, command }: StoredMessage): Item {
  return { kind, rev, seq, index, slot, target, lateFor, command: hexOf(command) };
}

/** As they were written, in the states of now, releases with what they released. */
function expectLog(log: HandLog, name: string, read: readonly StoredMessage[]): void {
  const messages = log.items(name).filter(isMessage);
  for (const { kind, seq, state, subject, target } of read) {
    const isOfMessage = isMessage({ kind });
    expect(state).toBe(isOfMessage ? log.stateOf(name, seq) : 'normal');
    if (kind !== SlotKind.RELEASE) expect(subject).toBeNull();
    else expect(subject && itemOf(subject)).toEqual(messages[target - 1]);
  }
}

function isMessage({ kind }: Pick<Item, 'kind'>): boolean {
  return kind === SlotKind.MESSAGE || kind === SlotKind.PENDING;
}

/** Up to seven places of 0..last, both ends among them. */
function placesUpTo(last: number): number[] {
  const step = Math.max(1, Math.floor(last / 5));
  return [...new Set([...Array.from({ length: 6 }, (_, i) => Math.min(last, i * step)), last])];
}

describe('random histories', () => {
  const history = fc.array(action, { minLength: 5, maxLength: 40 });
  const paging = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 60, 1e6));

  test('by rev, or after a seq, from any place: exactly the log, its messages as they are by now', async () => {
    const property = fc.asyncProperty(history, paging, async (actions, [limit, bytesMax]) => {
      const log = new HandLog();
      for (const each of actions) act(log, each);
      for (const name of names) {
        const items = log.items(name);
        for (const rev of placesUpTo(items.length)) {
          const read = await drain(feedOf(log, name, { kind: 'rev', rev }), limit, bytesMax);
          expect(read.map(itemOf)).toEqual(items.slice(rev));
          expectLog(log, name, read);
        }
        const messages = items.filter(isMessage);
        for (const seq of placesUpTo(messages.length)) {
          const read = await drain(feedOf(log, name, { kind: 'seq', seq }), limit, bytesMax);
          expect(read.map(itemOf)).toEqual(items.slice(messages[seq - 1]?.rev ?? 0));
        }
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test('by seq: exactly the messages, in the states of now', async () => {
    const property = fc.asyncProperty(history, paging, async (actions, [limit]) => {
      const log = new HandLog();
      for (const each of actions) act(log, each);
      for (const conversation of names) {
        const messages = log.items(conversation).filter(isMessage);
        for (const seq of placesUpTo(messages.length)) {
          const range = { kind: 'after', seq } as const;
          const request = { conversation, shard, range, limit };
          const page = await readPage(log, log.store, request);
          expect(page.messages.map(itemOf)).toEqual(messages.slice(seq, seq + limit));
          expectLog(log, conversation, page.messages);
          expect(page.head).toMatchObject({ rev: log.items(conversation).length });
        }
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test('of the partition: every message and event, in the order of the log', async () => {
    const property = fc.asyncProperty(history, paging, async (actions, [limit, bytesMax]) => {
      const log = new HandLog();
      for (const each of actions) act(log, each);
      for (const after of placesUpTo(log.raft.applied)) {
        const read = await drain(new PartitionFeed(log, log.store, after), limit, bytesMax);
        expect(read.map(itemOf)).toEqual(log.allItems().filter(({ index }) => index > after));
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('while the replica goes on', () => {
  const before = fc.array(action, { minLength: 5, maxLength: 30 });
  const meanwhile = fc.array(quiet, { minLength: 1, maxLength: 40 });

  test('a feed has no hole and no repeat', async () => {
    const property = fc.asyncProperty(before, meanwhile, fc.nat(9), async (first, then, choice) => {
      const log = new HandLog();
      for (const each of first) act(log, each);
      const left = [...then];
      log.onRead = () => {
        const next = left.shift();
        if (next !== undefined) act(log, next);
      };
      const [name] = names;
      const rev = Math.min(choice, log.items(name).length);
      const feed = feedOf(log, name, { kind: 'rev', rev });
      const whole = new PartitionFeed(log, log.store, 0);
      const read = { revs: await drain(feed, 5, 1e6), log: await drain(whole, 7, 1e6) };
      expect(read.revs.map(itemOf)).toEqual(log.items(name).slice(rev, rev + read.revs.length));
      expect(read.log.map(itemOf)).toEqual(log.allItems().slice(0, read.log.length));
      for (const each of left.splice(0)) act(log, each);
      const [revs, rest] = [await drain(feed, 5, 1e6), await drain(whole, 7, 1e6)];
      expect([...read.revs, ...revs].map(itemOf)).toEqual(log.items(name).slice(rev));
      expect([...read.log, ...rest].map(itemOf)).toEqual(log.allItems());
    });
    await fc.assert(property, { numRuns: 100 });
  });

  test('the progress of a feed that reads is what it gave before', async () => {
    const log = new HandLog();
    for (let i = 0; i < 9; i++) log.append([['g:a', { kind: 'pending' }]]);
    log.append([['g:a', { kind: 'release', choice: 0 }]]);
    log.checkpoint();
    log.restart();
    log.evictedTo = log.raft.applied;
    const feeds = [
      feedOf(log, 'g:a', { kind: 'rev', rev: 1 }),
      new PartitionFeed(log, log.store, 1),
    ];
    const told: number[] = [];
    log.onRead = () => told.push(...feeds.map(({ progress }) => progress.rev + progress.index));
    for (const feed of feeds) expect((await feed.next(20, 1e6)).messages).toHaveLength(9);
    expect(told.length).toBeGreaterThan(9);
    expect(new Set(told)).toEqual(new Set([0, 1, 10]));
  });

  test('a state read from disk never stands beside an older one from memory', async () => {
    const log = new HandLog();
    log.append([['g:a', { kind: 'pending' }]]);
    log.checkpoint();
    log.restart();
    log.append([['g:a', { kind: 'pending' }]]);
    const request = {
      conversation: 'g:a',
      shard,
      range: { kind: 'after', seq: 0 },
      limit: 9,
    } as const;
    await readExtent(log, log.store, request);
    log.onRead = () => {
      log.onRead = () => {};
      log.append([
        ['g:a', { kind: 'release', choice: 1 }],
        ['g:a', { kind: 'release', choice: 0 }],
      ]);
      log.beginCheckpoint();
      log.writeCheckpoint();
    };
    const { messages } = await readPage(log, log.store, request);
    expect(messages.map(({ state }) => state)).toEqual(['normal', 'normal']);
  });

  test('the states of a page are those of one moment, not before the call', async () => {
    const property = fc.asyncProperty(before, meanwhile, async (first, then) => {
      const log = new HandLog();
      const [conversation] = names;
      for (const each of first) act(log, each);
      const range = { kind: 'before', seq: 0 } as const;
      const request = { conversation, shard, range, limit: 1000 };
      const count = log.items(conversation).filter(isMessage).length;
      const states = () => {
        return Array.from({ length: count }, (_, i) => log.stateOf(conversation, i + 1)).join();
      };
      const moments = new Set([states()]);
      const left = [...then];
      log.onRead = () => {
        const next = left.shift();
        if (next !== undefined) act(log, next);
        moments.add(states());
      };
      const { messages } = await readPage(log, log.store, request);
      const shown = messages.slice(0, count).map(({ state }) => state);
      expect(moments).toContain(shown.join());
    });
    await fc.assert(property, { numRuns: 300 });
  });
});

describe('what a read costs', () => {
  test('a conversation of messages alone: no read of the store for events or states', async () => {
    const log = new HandLog();
    for (let i = 0; i < 20; i++) log.append([['g:a', { kind: 'message' }]]);
    const feed = feedOf(log, 'g:a', { kind: 'seq', seq: 3 });
    await feed.next(1, 1e6);
    // Its floor, once.
    expect(log.reads).toBe(1);
    expect(await drain(feed, 100, 1e6)).toHaveLength(16);
    expect(log.reads).toBe(1);
    log.checkpoint();
    log.append([['g:a', { kind: 'message' }]]);
    expect(await drain(feed, 100, 1e6)).toHaveLength(1);
    expect(log.reads).toBe(1);
  });

  test('events that are past, or in memory, cost none either', async () => {
    const log = new HandLog();
    log.append([
      ['g:a', { kind: 'pending' }],
      ['g:a', { kind: 'release', choice: 0 }],
    ]);
    log.checkpoint();
    const feed = feedOf(log, 'g:a', { kind: 'rev', rev: 0 });
    await drain(feed, 100, 1e6);
    const { reads } = log;
    log.append([['g:a', { kind: 'message' }]]);
    expect(await drain(feed, 100, 1e6)).toHaveLength(1);
    log.append([
      ['g:a', { kind: 'policy' }],
      ['g:a', { kind: 'message' }],
    ]);
    expect(await drain(feed, 100, 1e6)).toHaveLength(2);
    expect(log.reads).toBe(reads);
  });

  test('the place of an old seq among many events is found in few reads', async () => {
    const log = new HandLog();
    for (let i = 0; i < 300; i++) {
      log.append([
        ['g:a', { kind: 'message' }],
        ['g:a', { kind: 'policy' }],
      ]);
      log.checkpoint();
    }
    const feed = feedOf(log, 'g:a', { kind: 'seq', seq: 77 });
    const { messages } = await feed.next(2, 1e6);
    expect(messages.map(({ rev }) => rev)).toEqual([154, 155]);
    expect(log.reads).toBeLessThan(25);
  });
});

describe('released messages', () => {
  const large = { kind: 'pending', bodyBytes: 1000 } as const;

  test('count as bytes of the page that brings their releases', async () => {
    const log = new HandLog();
    const pending = Array.from({ length: 20 }, () => ['g:a', large] as const);
    log.append(pending);
    log.append(pending.map(() => ['g:a', { kind: 'release', choice: 0 }] as const));
    for (const feed of [
      feedOf(log, 'g:a', { kind: 'rev', rev: 20 }),
      new PartitionFeed(log, log.store, 1),
    ]) {
      const one = (await feed.next(100, 1)).messages;
      expect(one.map(({ subject }) => subject?.seq)).toEqual([1]);
      const some = (await feed.next(100, 4500)).messages;
      expect(some).toHaveLength(4);
      const rest = await drain(feed, 100, 1e6);
      expect([...one, ...some, ...rest].map(({ target }) => target)).toEqual(
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
    }
  });

  test('that are gone leave the release without them', async () => {
    const log = new HandLog();
    log.append([
      ['g:a', { kind: 'pending' }],
      ['g:a', large],
    ]);
    log.append([['g:a', { kind: 'release', choice: 0 }]]);
    log.floors.set('g:a', 2);
    const { messages } = await new PartitionFeed(log, log.store, 1).next(9, 1e6);
    expect(messages.map(({ target, subject }) => [target, subject])).toEqual([[1, null]]);
  });
});

describe('a floor', () => {
  async function trimmedTo(minSeq: number): Promise<HandLog> {
    const log = new HandLog();
    for (let i = 0; i < 10; i++) {
      log.append([
        ['g:a', { kind: 'message' }],
        ['g:a', { kind: 'policy' }],
      ]);
      if (i % 3 === 0) log.checkpoint();
    }
    log.disk.apply([{ key: floorKey(shard, 'g:a'), value: encodeFloor(minSeq) }]);
    return log;
  }

  test('takes messages only: what was told after the last of them is still told', async () => {
    const log = await trimmedTo(6);
    const afterSeq = await drain(feedOf(log, 'g:a', { kind: 'seq', seq: 5 }), 100, 1e6);
    expect(afterSeq.map(({ rev }) => rev)[0]).toBe(10);
    const afterRev = await drain(feedOf(log, 'g:a', { kind: 'rev', rev: 9 }), 100, 1e6);
    expect(afterRev.map(itemOf)).toEqual(afterSeq.map(itemOf));
    const fromStart = await drain(feedOf(log, 'g:a', { kind: 'seq', seq: 0 }), 100, 1e6);
    expect(fromStart.map(itemOf)).toEqual(afterSeq.map(itemOf));
  });

  test.each<FeedStart>([
    { kind: 'seq', seq: 4 },
    { kind: 'rev', rev: 8 },
  ])('above the place asked for, $kind, is a reset with what is left', async (start) => {
    const log = await trimmedTo(6);
    const feed = feedOf(log, 'g:a', start);
    const { reset, messages } = await feed.next(2, 1e6);
    expect(reset).toEqual({ min: 6, max: 10 });
    expect(messages.map(({ rev }) => rev)).toEqual([10, 11]);
    const rest = await drain(feed, 100, 1e6);
    expect([rest[0]?.rev, rest.at(-1)?.rev]).toEqual([12, 20]);
  });

  test('that rises above the place of a running feed is a reset, not its end', async () => {
    const log = await trimmedTo(1);
    const feed = feedOf(log, 'g:a', { kind: 'seq', seq: 0 });
    await feed.next(3, 1e6);
    log.floors.set('g:a', 7);
    const { reset, messages } = await feed.next(2, 1e6);
    expect(reset).toEqual({ min: 7, max: 10 });
    expect(messages.map(({ rev }) => rev)).toEqual([12, 13]);
    expect(feed.progress).toMatchObject({ seq: 7, rev: 13 });
  });

  test('of the log that rises above the place of a running partition feed is a reset', async () => {
    const log = await trimmedTo(1);
    const feed = new PartitionFeed(log, log.store, 0);
    await feed.next(2, 1e6);
    log.evictedTo = log.raft.applied;
    log.disk.apply([{ key: firstIndexKey(), value: encodeFloor(9) }]);
    const { reset, messages } = await feed.next(2, 1e6);
    expect(reset).toEqual({ min: 9, max: log.raft.applied });
    expect(messages[0]?.index).toBeGreaterThanOrEqual(9);
  });
});

describe('a place that this replica has not reached', () => {
  test.each<FeedStart>([
    { kind: 'seq', seq: 2 },
    { kind: 'rev', rev: 4 },
  ])('by $kind says nothing, then goes on exactly after it', async (start) => {
    const log = new HandLog();
    log.append([
      ['g:a', { kind: 'message' }],
      ['g:a', { kind: 'policy' }],
    ]);
    const feed = feedOf(log, 'g:a', start);
    expect(await drain(feed, 9, 1e6)).toEqual([]);
    expect(feed.progress.rev).toBe(0);
    const more: Writes = [
      ['g:a', { kind: 'policy' }],
      ['g:a', { kind: 'message' }],
      ['g:a', { kind: 'policy' }],
    ];
    log.append(more);
    expect((await drain(feed, 9, 1e6)).map(({ rev }) => rev)).toEqual([5]);
    expect(feed.progress).toMatchObject({ seq: 2, rev: 5 });
  });

  test('of events alone has a head without a seq', async () => {
    const log = new HandLog();
    log.append([['g:a', { kind: 'policy' }]]);
    const of = { conversation: 'g:a', shard };
    expect((await readExtent(log, log.store, of)).head).toMatchObject({ seq: 0, rev: 1 });
    expect(await drain(feedOf(log, 'g:a', { kind: 'seq', seq: 0 }), 9, 1e6)).toHaveLength(1);
    const request = { ...of, range: { kind: 'after', seq: 0 } as const, limit: 9 };
    expect(await readPage(log, log.store, request)).toMatchObject({ messages: [], minSeq: 0 });
  });
});
