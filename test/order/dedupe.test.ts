// The dedupe window: a key used within it is always found at its newest place, pages are merged and
// dropped the same on every replica, and a restart changes no answer and no row.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DedupeKeys, type DedupeWindow } from '../../src/order/dedupe.ts';
import { pack, unpackArray } from '../../src/order/packing.ts';
import { identityOfText, type KeyPlace } from '../../src/order/page.ts';
import { lookUp, RowStore } from './fixture.ts';

const start = Date.UTC(2026, 0, 1);
const wide: DedupeWindow = { windowMs: 1e12, windowBytes: 1e12 };

type Logged =
  | {
      readonly kind: 'key';
      readonly identity: string;
      readonly place: KeyPlace;
      readonly timeMs: number;
    }
  | { readonly kind: 'checkpoint'; readonly index: number; readonly drop: number };

/** One replica: memory, disk, and the log since its last checkpoint. */
class Replica {
  keys: DedupeKeys;
  readonly store = new RowStore();
  directory: unknown = [];
  private readonly window: DedupeWindow;
  private suffix: Logged[] = [];

  constructor(window: DedupeWindow) {
    this.window = window;
    this.keys = new DedupeKeys(window);
  }

  fold(logged: Logged): void {
    this.suffix.push(logged);
    if (logged.kind === 'key')
      this.keys.fold(identityOfText(logged.identity), logged.place, logged.timeMs);
    else this.checkpoint(logged.index, logged.drop);
  }

  restart(): void {
    this.keys = new DedupeKeys(this.window);
    const filters = this.store.get(DedupeKeys.filterKeys(this.directory));
    expect(this.keys.restore(this.directory, filters)).toBe(true);
    const replayed = this.suffix;
    this.suffix = [];
    for (const logged of replayed) this.fold(logged);
  }

  private checkpoint(index: number, drop: number): void {
    const frozen = this.keys.freeze(index, drop);
    const written = this.keys.write(frozen, this.store.get(frozen.reads));
    this.store.apply(written.rows);
    this.directory = unpackArray(pack(written.directory));
    this.keys.written(written);
    this.suffix = [];
  }
}

interface PageFacts {
  readonly name: number;
  readonly isSegment: boolean;
  readonly count: number;
  readonly lastMs: number;
  readonly blocks: number;
}

function pagesOf(directory: unknown): PageFacts[] {
  if (!Array.isArray(directory)) throw new Error('no directory');
  return directory.map(([name, isSegment, count, , lastMs, fences]) => {
    return { name, isSegment, count, lastMs, blocks: fences.length };
  });
}

const key = (identity: string, index: number, timeMs = start): Logged => {
  return { kind: 'key', identity, place: { seq: index, index, slot: 0 }, timeMs };
};

describe('random histories', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        identities: fc.array(fc.nat(700), { minLength: 1, maxLength: 40 }),
        passMs: fc.constantFrom(0, 1, 40, 300),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  );

  const windows: readonly (readonly [string, DedupeWindow])[] = [
    ['2 s', { windowMs: 2000, windowBytes: 1024 * 1024 }],
    ['12.5 KiB', { windowMs: 1e12, windowBytes: 400 * 32 }],
    ['2 s or 12.5 KiB', { windowMs: 2000, windowBytes: 400 * 32 }],
  ];

  test.each(windows)(
    'a window of %s finds all that is in it, on all replicas the same',
    (_, window) => {
      // Of the newest keys, those that no drop by bytes may take: less a segment and what was added.
      const keptMin = window.windowBytes / 32 - window.windowBytes / 8 / 32 - 140;
      fc.assert(
        fc.property(fc.array(step, { minLength: 30, maxLength: 90 }), (steps) => {
          const [steady, restarting] = [new Replica(window), new Replica(window)];
          const used = new Map<string, { place: KeyPlace; timeMs: number; order: number }>();
          let [now, index, sinceCheckpoint, stored] = [start, 0, 0, 0];
          const fold = (logged: Logged) => {
            steady.fold(logged);
            restarting.fold(logged);
          };
          for (const each of steps) {
            index += 1;
            if (each.kind === 'restart') restarting.restart();
            else if (each.kind === 'append') {
              now += each.passMs;
              for (const [slot, number] of each.identities.entries()) {
                const identity = `key ${number}`;
                const found = lookUp(steady.keys, steady.store, identity, now);
                const known = used.get(identity);
                expect(lookUp(restarting.keys, restarting.store, identity, now)).toEqual(found);
                if (found !== null) {
                  expect(found).toEqual(known?.place);
                  continue;
                }
                const inTime = known !== undefined && known.timeMs + window.windowMs > now;
                const kept = known !== undefined && stored - known.order < keptMin;
                expect(inTime && kept, `${identity} was forgotten`).toBe(false);
                const place = { seq: index * 100 + slot, index, slot };
                used.set(identity, { place, timeMs: now, order: stored });
                stored += 1;
                fold({ kind: 'key', identity, place, timeMs: now });
                sinceCheckpoint += 1;
              }
            }
            if (each.kind !== 'checkpoint' && sinceCheckpoint < 100) continue;
            sinceCheckpoint = 0;
            const drop = steady.keys.expiredUpTo(now);
            expect(restarting.keys.expiredUpTo(now)).toBe(drop);
            fold({ kind: 'checkpoint', index, drop });
            expect(restarting.store.dump()).toEqual(steady.store.dump());
            expect(restarting.directory).toEqual(steady.directory);
            const pages = pagesOf(steady.directory);
            expect(pages.every(({ lastMs }) => lastMs + window.windowMs > now)).toBe(true);
            const rows = pages.reduce((sum, { blocks }) => sum + blocks + 1, 0);
            expect(steady.store.rows.size).toBe(rows);
          }
        }),
        { numRuns: 40 },
      );
    },
  );
});

describe('segments', () => {
  const replicaWith = (window: DedupeWindow, keysPerPage: number, pages: number): Replica => {
    const replica = new Replica(window);
    for (let page = 0; page < pages; page++) {
      for (let i = 0; i < keysPerPage; i++) replica.fold(key(`${page}/${i}`, page * 10 + 1));
      replica.fold({ kind: 'checkpoint', index: page * 10 + 2, drop: 0 });
    }
    return replica;
  };

  test('close at the first checkpoint where the loose pages hold 65,536 keys, and replace them', () => {
    const replica = replicaWith(wide, 10_000, 6);
    expect(pagesOf(replica.directory).map(({ count }) => count)).toEqual(Array(6).fill(10_000));
    for (let i = 0; i < 5536; i++) replica.fold(key(`last/${i}`, 99));
    replica.fold({ kind: 'checkpoint', index: 100, drop: 0 });
    expect(pagesOf(replica.directory)).toMatchObject([
      { name: 100, isSegment: true, count: 65_536 },
    ]);
    expect(lookUp(replica.keys, replica.store, '0/17', start)?.index).toBe(1);
    expect(lookUp(replica.keys, replica.store, 'last/5536', start)).toBeNull();
  });

  test('are at most an eighth of the window, so that dropping one forgets little', () => {
    const replica = replicaWith({ windowMs: 1e12, windowBytes: 32 * 800 }, 30, 20);
    const counts = pagesOf(replica.directory).map(({ count }) => count);
    expect(counts).toEqual([120, 120, 120, 120, 120]);
    expect(replica.keys.expiredUpTo(start)).toBe(0);
  });

  test('are dropped by name, the oldest first, until the rest fits', () => {
    const replica = replicaWith({ windowMs: 1e12, windowBytes: 32 * 800 }, 30, 32);
    expect(pagesOf(replica.directory).map(({ name }) => name)).toEqual([
      32, 72, 112, 152, 192, 232, 272, 312,
    ]);
    const drop = replica.keys.expiredUpTo(start);
    expect(drop).toBe(72);
    replica.fold({ kind: 'checkpoint', index: 400, drop });
    expect(pagesOf(replica.directory)[0]?.name).toBe(112);
    expect(lookUp(replica.keys, replica.store, '7/0', start)).toBeNull();
    expect(lookUp(replica.keys, replica.store, '8/0', start)?.index).toBe(81);
    expect(replica.keys.expiredUpTo(start)).toBe(0);
  });

  test('a trickle of one key a checkpoint keeps few pages', () => {
    const replica = replicaWith(wide, 1, 2000);
    const pages = pagesOf(replica.directory);
    expect(pages.length).toBeLessThan(40);
    expect(pages.reduce((sum, { count }) => sum + count, 0)).toBe(2000);
    for (const page of [0, 1, 777, 1998, 1999]) {
      expect(lookUp(replica.keys, replica.store, `${page}/0`, start)?.index).toBe(page * 10 + 1);
    }
  });

  test('span an eighth of the window in time, also where a trickle was merged early', () => {
    const replica = new Replica({ windowMs: 8000, windowBytes: 1e12 });
    for (let i = 1; i <= 500; i++) {
      replica.fold(key(`${i}`, i, start + i * 10));
      replica.fold({ kind: 'checkpoint', index: i, drop: 0 });
    }
    const segments = pagesOf(replica.directory).filter(({ isSegment }) => isSegment);
    expect(segments.map(({ count }) => count)).toEqual([101, 101, 101, 101]);
  });

  test('a checkpoint without keys leaves the pages as they are', () => {
    const replica = replicaWith(wide, 5, 2);
    const before = replica.directory;
    replica.fold({ kind: 'checkpoint', index: 100, drop: 0 });
    expect(replica.directory).toEqual(before);
    const empty = replicaWith(wide, 0, 1);
    expect([empty.directory, empty.store.rows.size]).toEqual([[], 0]);
  });
});

describe('the window', () => {
  test('by time ends exactly windowMs after the newest key of a page', () => {
    const replica = new Replica({ windowMs: 2000, windowBytes: 1024 * 1024 });
    replica.fold(key('a', 1, start));
    replica.fold(key('b', 2, start + 100));
    replica.fold({ kind: 'checkpoint', index: 3, drop: 0 });
    expect(replica.keys.expiredUpTo(start + 2099)).toBe(0);
    expect(replica.keys.expiredUpTo(start + 2100)).toBe(3);
    expect(lookUp(replica.keys, replica.store, 'a', start + 2099)?.index).toBe(1);
    expect(lookUp(replica.keys, replica.store, 'a', start + 2100)).toBeNull();
  });

  test('a page that was found expired does not come back where the time asked for falls', () => {
    const replica = new Replica({ windowMs: 2000, windowBytes: 1024 * 1024 });
    replica.fold(key('a', 1, start));
    replica.fold({ kind: 'checkpoint', index: 3, drop: 0 });
    expect(replica.keys.find('a', start + 2000)).toEqual({ kind: 'new' });
    expect(replica.keys.find('a', start + 1999)).toEqual({ kind: 'new' });
  });

  test('of two messages of one key the newer is found, in memory, in pages and in segments', () => {
    const replica = new Replica({ windowMs: 100, windowBytes: 1024 * 1024 });
    const find = (nowMs: number) => lookUp(replica.keys, replica.store, 'a', nowMs)?.index;
    replica.fold(key('a', 1, start));
    replica.fold({ kind: 'checkpoint', index: 2, drop: 0 });
    expect(find(start + 100)).toBeUndefined();
    replica.fold(key('a', 3, start + 100));
    expect(find(start + 101)).toBe(3);
    replica.fold({ kind: 'checkpoint', index: 4, drop: 0 });
    replica.restart();
    expect(find(start + 101)).toBe(3);
  });
});

describe('between freeze and written', () => {
  test('keys frozen, folded since, and of pages about to be merged are all found', () => {
    const [store, keys] = [new RowStore(), new DedupeKeys({ windowMs: 1e12, windowBytes: 1024 })];
    const fold = (identity: string, index: number) =>
      keys.fold(identityOfText(identity), { seq: index, index, slot: 0 }, start);
    const indexes = () => ['a', 'b', 'c'].map((id) => lookUp(keys, store, id, start)?.index);
    fold('a', 1);
    const first = keys.write(keys.freeze(2, 0), []);
    store.apply(first.rows);
    keys.written(first);
    for (const i of [3, 4, 5]) fold(i === 3 ? 'b' : `more ${i}`, i);
    const frozen = keys.freeze(6, 0);
    expect(frozen).toMatchObject({ isSegment: true, removed: [{ name: 2 }] });
    fold('c', 7);
    expect(indexes()).toEqual([1, 3, 7]);
    const second = keys.write(frozen, store.get(frozen.reads));
    store.apply(second.rows);
    keys.written(second);
    expect(indexes()).toEqual([1, 3, 7]);
  });

  test('a key that the pages did not hold is found once a checkpoint has put it there', () => {
    const replica = new Replica(wide);
    const find = (identity: string) => lookUp(replica.keys, replica.store, identity, start)?.index;
    replica.fold(key('a', 1));
    replica.fold({ kind: 'checkpoint', index: 2, drop: 0 });
    expect(find('b')).toBeUndefined();
    replica.fold(key('b', 3));
    replica.fold({ kind: 'checkpoint', index: 4, drop: 0 });
    expect(find('b')).toBe(3);
  });

  test('a block that is gone from disk stops the partition: it never makes a key new', () => {
    const replica = new Replica({ windowMs: 1e12, windowBytes: 32 * 8 * 2 });
    replica.fold(key('a', 1));
    replica.fold({ kind: 'checkpoint', index: 2, drop: 0 });
    replica.store.rows.clear();
    expect(() => lookUp(replica.keys, replica.store, 'a', start)).toThrow(/on disk/);
    replica.fold(key('b', 3));
    expect(() => replica.fold({ kind: 'checkpoint', index: 4, drop: 0 })).toThrow(/on disk/);
  });

  test('a directory that is damaged, or whose filters are gone, is not restored', () => {
    const replica = new Replica(wide);
    replica.fold(key('a', 1));
    replica.fold({ kind: 'checkpoint', index: 2, drop: 0 });
    for (const damaged of [replica.directory, [[1, 2, 3]], 'directory']) {
      expect(new DedupeKeys(wide).restore(damaged, [null])).toBe(false);
    }
  });
});
