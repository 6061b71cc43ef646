// What every store must do, whatever lies below. `open` may be called again with the same directory
// once the store before it is closed, and then finds what was written.
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/assert.ts';
import { foundingChain } from '../../src/entry.ts';
import type { Store } from '../../src/storage/types.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { checkpointAt, essence, founding, LogMaker, writeEntries } from './fixture.ts';

type Open = (directory: string) => Promise<Store>;

const lastPartition = 65535;

export function storeSuite(name: string, open: Open): void {
  describe(name, () => {
    describe('identity and founding', () => identityTests(open));
    describe('the log', () => logTests(open));
    describe('reading entries', () => readTests(open));
    describe('rows', () => rowTests(open));
    describe('writes', () => writeTests(open));
  });
}

async function founded(open: Open, directory = temporaryDirectory()): Promise<Store> {
  const store = await open(directory);
  if (store.founding === null) await store.putFounding(founding);
  return store;
}

async function reopened(open: Open, directory: string, store: Store): Promise<Store> {
  await store.close();
  return open(directory);
}

function identityTests(open: Open): void {
  test('a new store has a uuid, keeps it, and is blank', async () => {
    const directory = temporaryDirectory();
    const store = await open(directory);
    const { uuid } = store.identity;
    expect(uuid).toHaveLength(16);
    expect(store.founding).toBeNull();
    const again = await reopened(open, directory, store);
    expect(Buffer.from(again.identity.uuid)).toEqual(Buffer.from(uuid));
    expect(again.founding).toBeNull();
    await again.close();
  });

  test('two stores have different uuids', async () => {
    const one = await open(temporaryDirectory());
    const two = await open(temporaryDirectory());
    expect(Buffer.from(one.identity.uuid)).not.toEqual(Buffer.from(two.identity.uuid));
    await Promise.all([one.close(), two.close()]);
  });

  test('the founding record stands at once and after reopening', async () => {
    const directory = temporaryDirectory();
    const store = await open(directory);
    await store.putFounding(founding);
    expect(Buffer.from(store.founding ?? [])).toEqual(founding);
    const again = await reopened(open, directory, store);
    expect(Buffer.from(again.founding ?? [])).toEqual(founding);
    await again.close();
  });

  test('recovering a partition of a blank store is a broken invariant', async () => {
    const store = await open(temporaryDirectory());
    await expect(store.recover(0)).rejects.toThrow(InvariantError);
    await store.close();
  });
}

function logTests(open: Open): void {
  test('an untouched partition is empty and starts at its founding chain', async () => {
    const store = await founded(open);
    const { hardState, log, checkpoint } = await store.recover(3);
    expect(hardState).toEqual({ term: 0, votedFor: 0, commit: 0 });
    expect(checkpoint).toBeNull();
    expect(log.base).toMatchObject({ index: 0, term: 0 });
    expect(Buffer.from(log.base.chain)).toEqual(Buffer.from(foundingChain(founding, 3)));
    expect(log.entries).toEqual([]);
    expect(log.terms).toEqual([]);
    await store.close();
  });

  test('hard state and entries of several partitions, the last too, are kept', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const logs = [0, 7, lastPartition].map((partition) => ({
      partition,
      entries: new LogMaker(partition).many(5),
    }));
    const batch = store.createBatch();
    for (const { partition, entries } of logs) {
      batch.putHardState(partition, { term: 2, votedFor: 3, commit: 4 });
      for (const entry of entries) batch.putEntry(partition, entry);
    }
    await store.write(batch);
    const again = await reopened(open, directory, store);
    for (const { partition, entries } of logs) {
      const { hardState, log } = await again.recover(partition);
      expect(hardState).toEqual({ term: 2, votedFor: 3, commit: 4 });
      expect(essence(log.entries)).toEqual(essence(entries));
    }
    await again.close();
  });

  test('terms and times beyond 32 bits are kept', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const term = 2 ** 45 + 1;
    const entry = new LogMaker(0).next(term, Buffer.from('x'), 2 ** 52 + 3);
    await writeEntries(store, 0, [entry]);
    const again = await reopened(open, directory, store);
    const { log, hardState } = await again.recover(0);
    expect(hardState.term).toBe(term);
    expect(log.entries[0]).toMatchObject({ term, timeMs: 2 ** 52 + 3 });
    await again.close();
  });

  test('truncation and the entries in place of the removed ones are one batch', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const maker = new LogMaker(0);
    const kept = maker.many(3);
    const third = kept[2];
    const dropped = maker.many(4);
    await writeEntries(store, 0, [...kept, ...dropped]);
    const replaced = new LogMaker(0, third).many(2, 2);
    const batch = store.createBatch();
    batch.putHardState(0, { term: 2, votedFor: 2, commit: 3 });
    batch.removeEntries(0, 4, 7);
    for (const entry of replaced) batch.putEntry(0, entry);
    await store.write(batch);
    const again = await reopened(open, directory, store);
    const { log } = await again.recover(0);
    expect(essence(log.entries)).toEqual(essence([...kept, ...replaced]));
    await again.close();
  });

  test('a log is recovered from its checkpoint on, with the terms below it', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const entries = new LogMaker(1).many(10);
    await writeEntries(store, 1, entries);
    const [sixth] = entries.slice(5);
    const batch = store.createBatch();
    if (sixth !== undefined) batch.putCheckpoint(1, checkpointAt(sixth));
    await store.write(batch);
    const again = await reopened(open, directory, store);
    const { log, checkpoint } = await again.recover(1);
    expect(checkpoint).toMatchObject({ index: 6, term: 1, timeMs: 1000, terms: [[1, 1]] });
    expect(Buffer.from(checkpoint?.state ?? []).toString()).toBe('state');
    expect(log.base).toMatchObject({ index: 6, term: 1, timeMs: 1000 });
    expect(log.terms).toEqual([{ firstIndex: 1, term: 1 }]);
    expect(essence(log.entries)).toEqual(essence(entries.slice(6)));
    await again.close();
  });

  test('a log of many pages is recovered whole', async () => {
    const store = await founded(open);
    const maker = new LogMaker(0);
    const body = Buffer.alloc(2000, 1);
    const entries = Array.from({ length: 2500 }, () => maker.next(1, body));
    await writeEntries(store, 0, entries);
    const { log } = await store.recover(0);
    expect(log.entries).toHaveLength(2500);
    expect(log.entries.at(-1)?.index).toBe(2500);
    await store.close();
  });
}

function readTests(open: Open): void {
  test('a range of entries is read in order, bounded by bytes but never empty', async () => {
    const store = await founded(open);
    const entries = new LogMaker(0).many(20);
    await writeEntries(store, 0, entries);
    const bytesOfOne = entries[0]?.payload.bytes.length ?? 0;
    expect(essence(await store.readEntries(0, 4, 9, 1e6))).toEqual(essence(entries.slice(3, 9)));
    expect(await store.readEntries(0, 4, 9, 1)).toHaveLength(1);
    expect(await store.readEntries(0, 4, 9, 0)).toHaveLength(1);
    expect(await store.readEntries(0, 4, 9, bytesOfOne * 3)).toHaveLength(3);
    expect(await store.readEntries(0, 4, 9, bytesOfOne * 3 + 1)).toHaveLength(3);
    expect(await store.readEntries(0, 20, 20, 1e6)).toHaveLength(1);
    await store.close();
  });

  test('single entries are read in the order asked for', async () => {
    const store = await founded(open);
    await writeEntries(store, 0, new LogMaker(0).many(9));
    const found = await store.getEntries(0, [7, 2, 9, 2]);
    expect(found.map((entry) => entry.index)).toEqual([7, 2, 9, 2]);
    expect(await store.getEntries(0, [])).toEqual([]);
    await store.close();
  });

  test('an entry that is not there is named, whichever way it is read', async () => {
    const store = await founded(open);
    await writeEntries(store, 5, new LogMaker(5).many(4));
    const missing = { reason: 'CORRUPT', message: 'partition 5: entry 5 is missing' };
    await expect(store.readEntries(5, 3, 6, 1e6)).rejects.toMatchObject(missing);
    await expect(store.readEntries(5, 5, 6, 1e6)).rejects.toMatchObject(missing);
    await expect(store.getEntries(5, [1, 5])).rejects.toMatchObject(missing);
    await store.close();
  });
}

function rowTests(open: Open): void {
  const key = (text: string): Buffer => Buffer.from(text);

  async function storeWithRows(keys: readonly string[]): Promise<Store> {
    const store = await founded(open);
    const batch = store.createBatch();
    for (const name of keys) batch.putRow(1, { key: key(name), value: key(`value ${name}`) });
    batch.putRow(0, { key: key('b'), value: key('of partition 0') });
    batch.putRow(2, { key: key('b'), value: key('of partition 2') });
    await store.write(batch);
    return store;
  }

  test('rows are read by key; null where none stands, also in a neighbour', async () => {
    const store = await storeWithRows(['a', 'b', '']);
    const rows = await store.getRows(1, [key('b'), key('x'), key('a'), key('')]);
    expect(rows.map((row) => row && Buffer.from(row).toString())).toEqual([
      'value b',
      null,
      'value a',
      'value ',
    ]);
    expect(await store.getRows(3, [key('b')])).toEqual([null]);
    await store.close();
  });

  test('a row is replaced, and removed by null', async () => {
    const store = await storeWithRows(['a', 'b']);
    const batch = store.createBatch();
    batch.putRow(1, { key: key('a'), value: key('new') });
    batch.putRow(1, { key: key('b'), value: null });
    await store.write(batch);
    const rows = await store.getRows(1, [key('a'), key('b')]);
    expect(rows.map((row) => row && Buffer.from(row).toString())).toEqual(['new', null]);
    await store.close();
  });

  test('a scan keeps key order, its bounds and its partition, from either end', async () => {
    const store = await storeWithRows(['a', 'aa', 'b', 'c', 'd']);
    const names = async (from: string, to: string, limit: number, reverse = false) => {
      const rows = await store.scanRows(1, { from: key(from), to: key(to), limit, reverse });
      return rows.map((row) => {
        expect(Buffer.from(row.value).toString()).toBe(`value ${Buffer.from(row.key)}`);
        return Buffer.from(row.key).toString();
      });
    };
    expect(await names('a', 'c', 10)).toEqual(['a', 'aa', 'b']);
    expect(await names('', 'z', 2)).toEqual(['a', 'aa']);
    expect(await names('a', 'd', 2, true)).toEqual(['c', 'b']);
    expect(await names('c', 'z', 10, true)).toEqual(['d', 'c']);
    expect(await names('x', 'z', 10)).toEqual([]);
    await store.close();
  });

  test('a scan of more rows than one chunk returns all of them', async () => {
    const names = Array.from({ length: 2300 }, (_, at) => String(at).padStart(5, '0'));
    const store = await storeWithRows(names);
    const rows = await store.scanRows(1, { from: key('0'), to: key('9'), limit: 5000 });
    expect(rows.map((row) => Buffer.from(row.key).toString())).toEqual(names);
    await store.close();
  });
}

function writeTests(open: Open): void {
  test('a second write before the first ended breaks an invariant; the first stands', async () => {
    const store = await founded(open);
    const maker = new LogMaker(0);
    const first = writeEntries(store, 0, maker.many(1));
    await expect(writeEntries(store, 0, maker.many(1))).rejects.toThrow(InvariantError);
    await first;
    expect((await store.recover(0)).log.entries).toHaveLength(1);
    await store.close();
  });

  test('nothing of a batch is there before it is written', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const batch = store.createBatch();
    batch.putHardState(0, { term: 9, votedFor: 1, commit: 0 });
    expect((await store.recover(0)).hardState.term).toBe(0);
    const again = await reopened(open, directory, store);
    expect((await again.recover(0)).hardState.term).toBe(0);
    await again.close();
  });

  test('closing waits for the write in flight', async () => {
    const directory = temporaryDirectory();
    const store = await founded(open, directory);
    const write = writeEntries(store, 0, new LogMaker(0).many(100));
    await store.close();
    await write;
    const again = await open(directory);
    expect((await again.recover(0)).log.entries).toHaveLength(100);
    await again.close();
  });

  test('a closed store refuses every call and may be closed again', async () => {
    const store = await founded(open);
    const batch = store.createBatch();
    batch.putHardState(0, { term: 1, votedFor: 0, commit: 0 });
    await store.close();
    await store.close();
    const closed = { reason: 'STOPPING', message: 'the store is closed' };
    const key = Buffer.from('a');
    await expect(store.write(batch)).rejects.toMatchObject(closed);
    await expect(store.putFounding(founding)).rejects.toMatchObject(closed);
    await expect(store.recover(0)).rejects.toMatchObject(closed);
    await expect(store.getRows(0, [key])).rejects.toMatchObject(closed);
    const range = { from: key, to: Buffer.from('b'), limit: 1 };
    await expect(store.scanRows(0, range)).rejects.toMatchObject(closed);
    await expect(store.readEntries(0, 1, 1, 1)).rejects.toMatchObject(closed);
    await expect(store.getEntries(0, [1])).rejects.toMatchObject(closed);
    expect(() => store.createBatch()).toThrow('the store is closed');
  });
}
