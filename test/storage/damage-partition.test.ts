// Damage to what one partition has: the store opens, other partitions are recovered, this one is
// refused with a message that names what is damaged but nothing of a user's.
import { describe, expect, test } from 'vitest';
import type { LogEntry } from '../../src/entry.ts';
import { checkpointKey, entryKey, hardStateKey, rowKey } from '../../src/storage/keys.ts';
import { openStore } from '../../src/storage/level/store.ts';
import { encodeHardState } from '../../src/storage/own-rows.ts';
import { encodeRecord } from '../../src/storage/record-codec.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import {
  checksum,
  copy,
  type Damage,
  flip,
  place,
  remove,
  replaceEntries,
  sampleStore,
  secret,
  withDatabase,
} from './damage.ts';
import { founding, LogMaker, writeEntries } from './fixture.ts';

const bytesDiffer = 'is damaged: its bytes do not match its checksum';
const entryAt = (index: number): Buffer => entryKey(place, index);
const lowTerm = encodeHardState({ term: 1, votedFor: 0, commit: 0 });

describe('a partition is not recovered', () => {
  const cases: [string, Damage, string][] = [
    ['an entry is damaged', flip(entryAt(5), -1), `entry 5 ${bytesDiffer}`],
    [
      'an entry in the middle is gone',
      remove(entryAt(5)),
      'entry 5 is missing while entry 6 stands',
    ],
    [
      'the first entry above the checkpoint is gone',
      remove(entryAt(4)),
      'entry 4 is missing while entry 5 stands',
    ],
    [
      'an entry lies under the wrong index',
      copy(entryAt(5), entryAt(6)),
      'entry 6 holds entry 5 in its place',
    ],
    [
      'an entry lies beyond the end',
      copy(entryAt(8), entryAt(10)),
      'entry 9 is missing while entry 10 stands',
    ],
    [
      "an entry is another partition's",
      copy(entryKey({ ...place, partition: 9 }, 5), entryAt(5)),
      `entry 5 ${bytesDiffer}`,
    ],
    [
      'a key among the entries is none',
      copy(entryAt(8), Buffer.concat([entryAt(8), Buffer.from([0])])),
      "entry 9 is followed by a key that is not an entry's",
    ],
    [
      'the entry at the checkpoint is gone',
      remove(entryAt(3)),
      'entry 3 is missing while a checkpoint stands at it',
    ],
    ['the entry at the checkpoint is damaged', flip(entryAt(3), 90), `entry 3 ${bytesDiffer}`],
    [
      'the entry at the checkpoint is another',
      replaceEntries(otherHistory(3, 3)),
      'entry 3 is not the entry that the checkpoint stands at',
    ],
    [
      'an entry is of another history',
      replaceEntries(otherHistory(7, 7)),
      'entry 7 does not link to the entry before it',
    ],
    ['the hard state is damaged', flip(hardStateKey(6), -1), `the hard state ${checksum}`],
    [
      'the hard state is gone',
      remove(hardStateKey(6)),
      'the hard state is missing while other rows stand',
    ],
    [
      'the hard state is old',
      (db) => db.put(hardStateKey(6), encodeRecord(hardStateKey(6), lowTerm)),
      'the hard state is of term 1 while the log has entries of 2',
    ],
    [
      'the hard state is of an unknown version',
      (db) => db.put(hardStateKey(6), Buffer.alloc(9, 7)),
      'the hard state is of unknown version 7',
    ],
    [
      'the hard state has another shape',
      (db) => db.put(hardStateKey(6), encodeRecord(hardStateKey(6), Buffer.from([0x93, 1]))),
      'the hard state does not have the shape of its version',
    ],
    ['the checkpoint is damaged', flip(checkpointKey(place), -1), `the checkpoint ${checksum}`],
    [
      'the checkpoint is gone',
      remove(checkpointKey(place)),
      'the checkpoint is missing while rows that it describes stand',
    ],
  ];
  test.each(cases)('where %s', async (_, damage, what) => {
    const directory = await sampleStore();
    await withDatabase(directory, damage);
    const store = await openStore({ directory });
    const refusal = { reason: 'CORRUPT', message: `partition 6: ${what}` };
    await expect(store.recover(6)).rejects.toMatchObject(refusal);
    await expect(store.recover(6)).rejects.toMatchObject(refusal);
    expect((await store.recover(9)).log.entries).toHaveLength(8);
    await store.close();
  });

  function otherHistory(from: number, to: number): () => LogEntry[] {
    return () => new LogMaker(place.partition).many(8, 2).slice(from - 1, to);
  }
});

describe('a vote that was given and is gone', () => {
  test('is not taken for none: a partition without any entry is not recovered', async () => {
    const directory = temporaryDirectory();
    const store = await openStore({ directory });
    await store.putFounding(founding);
    const batch = store.createBatch();
    batch.putHardState(6, { term: 3, votedFor: 2, commit: 0 });
    await store.write(batch);
    await store.close();
    await withDatabase(directory, remove(hardStateKey(6)));
    const damaged = await openStore({ directory });
    const message = 'partition 6: the hard state is missing while other rows stand';
    await expect(damaged.recover(6)).rejects.toMatchObject({ reason: 'CORRUPT', message });
    expect((await damaged.recover(7)).hardState).toEqual({ term: 0, votedFor: 0, commit: 0 });
    await damaged.close();
  });
});

describe('a log that was linked wrongly is not recovered', () => {
  test('where a term falls', async () => {
    const directory = temporaryDirectory();
    const store = await openStore({ directory });
    await store.putFounding(founding);
    const maker = new LogMaker(0);
    const entries = [maker.next(2), maker.next(1)];
    const batch = store.createBatch();
    batch.putHardState(0, { term: 2, votedFor: 0, commit: 0 });
    for (const entry of entries) batch.putEntry(0, entry);
    await store.write(batch);
    const message = 'partition 0: entry 2 is of a lower term than the one before it';
    await expect(store.recover(0)).rejects.toMatchObject({ reason: 'CORRUPT', message });
    await store.close();
  });

  test('where a time falls', async () => {
    const directory = temporaryDirectory();
    const store = await openStore({ directory });
    await store.putFounding(founding);
    const maker = new LogMaker(0);
    const body = Buffer.from('x');
    await writeEntries(store, 0, [maker.next(1, body, 2000), maker.next(1, body, 1999)]);
    const message = 'partition 0: entry 2 is older than the one before it';
    await expect(store.recover(0)).rejects.toMatchObject({ reason: 'CORRUPT', message });
    await store.close();
  });
});

describe('a read refuses what is damaged', () => {
  test('a row, without naming its key', async () => {
    const directory = await sampleStore();
    await withDatabase(directory, flip(rowKey(place, secret), -1));
    const store = await openStore({ directory });
    const refusal = { reason: 'CORRUPT', message: `partition 6: a row ${checksum}` };
    await expect(store.getRows(6, [secret])).rejects.toMatchObject(refusal);
    const range = { from: Buffer.from('a'), to: Buffer.from('z'), limit: 9 };
    await expect(store.scanRows(6, range)).rejects.toMatchObject(refusal);
    expect(await store.getRows(6, [Buffer.from('other')])).toHaveLength(1);
    await store.close();
  });

  test('a row that lies under the key of another', async () => {
    const directory = await sampleStore();
    const other = rowKey(place, Buffer.from('other'));
    await withDatabase(directory, copy(rowKey(place, secret), other));
    const store = await openStore({ directory });
    const refusal = { reason: 'CORRUPT', message: `partition 6: a row ${checksum}` };
    await expect(store.getRows(6, [Buffer.from('other')])).rejects.toMatchObject(refusal);
    await store.close();
  });

  test('an entry, by its index', async () => {
    const directory = await sampleStore();
    await withDatabase(directory, flip(entryAt(2), 50));
    const store = await openStore({ directory });
    const refusal = { reason: 'CORRUPT', message: `partition 6: entry 2 ${bytesDiffer}` };
    await expect(store.readEntries(6, 1, 4, 1e6)).rejects.toMatchObject(refusal);
    await expect(store.getEntries(6, [2])).rejects.toMatchObject(refusal);
    expect(await store.getEntries(6, [1, 3])).toHaveLength(2);
    await store.close();
  });

  test('a range with a hole, by the index that is missing', async () => {
    const directory = await sampleStore();
    await withDatabase(directory, remove(entryAt(2)));
    const store = await openStore({ directory });
    const refusal = { reason: 'CORRUPT', message: 'partition 6: entry 2 is missing' };
    await expect(store.readEntries(6, 1, 4, 1e6)).rejects.toMatchObject(refusal);
    await expect(store.readEntries(6, 2, 4, 1e6)).rejects.toMatchObject(refusal);
    await store.close();
  });

  test('whichever byte of an entry, a hard state or a checkpoint it is', async () => {
    const directory = await sampleStore();
    for (const key of [entryAt(6), hardStateKey(6), checkpointKey(place)]) {
      let length = 1;
      for (let at = 0; at < length; at++) {
        await withDatabase(directory, async (db) => {
          length = (await db.get(key)).length;
          await flip(key, at)(db);
        });
        const store = await openStore({ directory });
        await expect(store.recover(6), `byte ${at}`).rejects.toMatchObject({ reason: 'CORRUPT' });
        await store.close();
        await withDatabase(directory, flip(key, at));
      }
    }
    const store = await openStore({ directory });
    expect((await store.recover(6)).log.entries).toHaveLength(5);
    await store.close();
  }, 30_000);
});
