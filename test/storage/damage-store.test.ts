// Damage to the store's own rows, or batches that are missing: it does not open, says why, at every
// start, and changes nothing.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  batchRingKey,
  foundingKey,
  generationKey,
  identityKey,
  newestBatchKey,
} from '../../src/storage/keys.ts';
import { firstEntryRow, inSegment } from '../../src/storage/level/segments.ts';
import { databasesOf, openStore } from '../../src/storage/level/store.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { checksum, type Damage, flip, remove, sampleStore, withDatabase } from './damage.ts';
import { LogMaker, writeEntries } from './fixture.ts';

const [identity, newest] = ['store: the identity', 'store: the newest batch record'];

describe('a store does not open', () => {
  const cases: [string, Damage, string][] = [
    ['its identity is damaged', flip(identityKey, -1), `${identity} ${checksum}`],
    [
      'its identity is cut short',
      (db) => db.put(identityKey, Buffer.from([1, 2])),
      `${identity} is cut short`,
    ],
    ['its identity is gone', remove(identityKey), `${identity} is missing while other rows stand`],
    [
      'its founding record is damaged',
      flip(foundingKey, 7),
      `store: the founding record ${checksum}`,
    ],
    ['the newest batch record is gone', remove(newestBatchKey), `${newest} is missing`],
    ['the newest batch record is damaged', flip(newestBatchKey, -1), `${newest} ${checksum}`],
    [
      'a batch was skipped',
      remove(batchRingKey(4)),
      'store: batch 4 is missing while batch 6 stands: what it wrote is lost',
    ],
    [
      'batches were skipped',
      async (db) => {
        for (const slot of [1, 2, 3, 5]) await db.del(batchRingKey(slot));
      },
      'store: batch 1-3, 5 is missing while batch 6 stands: what it wrote is lost',
    ],
    [
      'a batch record is damaged',
      flip(batchRingKey(4), -1),
      `store: a batch record of the ring ${checksum}`,
    ],
    [
      'a generation is damaged',
      flip(generationKey(6), -1),
      `partition 6: the generation ${checksum}`,
    ],
    [
      'a generation is gone',
      remove(generationKey(6)),
      'partition 6: the generation is missing while other rows stand',
    ],
  ];
  test.each(cases)('where %s', async (_, damage, message) => {
    const directory = await sampleStore();
    await withDatabase(directory, damage);
    for (const _ of [1, 2]) {
      await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
    }
  });

  test('where the newest batch record is an old one', async () => {
    const directory = await sampleStore();
    let old: Buffer = Buffer.alloc(0);
    await withDatabase(directory, async (db) => {
      old = await db.get(newestBatchKey);
    });
    const store = await openStore({ directory });
    await writeEntries(store, 1, new LogMaker(1).many(1));
    await store.close();
    // The second opening began a second segment.
    await withDatabase(directory, async ({ log }) => {
      const batch = log.batch();
      batch.put(inSegment(2, newestBatchKey), old);
      await batch.write({ sync: true });
    });
    const message = `${newest} says 6 while the ring holds 7`;
    await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
  });

  test('where a batch record is that of another history', async () => {
    const directory = await sampleStore();
    const other = await sampleStore();
    let foreign: Buffer = Buffer.alloc(0);
    await withDatabase(other, async (db) => {
      foreign = await db.get(batchRingKey(4));
    });
    await withDatabase(directory, (db) => db.put(batchRingKey(4), foreign));
    const message = 'store: the record of batch 4 is not the one that batch 5 followed';
    await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
  });

  test("where LevelDB's recovery skipped batches in the middle of its log", async () => {
    const directory = temporaryDirectory();
    const store = await openStore({ directory });
    const maker = new LogMaker(0);
    for (let round = 0; round < 40; round++) {
      await writeEntries(store, 0, [maker.next(1, Buffer.alloc(8000, round))]);
    }
    await store.close();
    flipInLog(databasesOf(directory)[0], 100_000);
    const message = expect.stringMatching(
      /^store: batch \d+(-\d+)? is missing while batch 41 stands: what it wrote is lost$/,
    );
    for (const _ of [1, 2]) {
      await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
    }
  });

  test('where that happened to what checkpoints brought', async () => {
    const directory = temporaryDirectory();
    const store = await openStore({ directory });
    for (let round = 0; round < 40; round++) {
      const batch = store.createBatch();
      batch.putRow(0, { key: Buffer.from([round]), value: Buffer.alloc(8000, round) });
      await store.write(batch);
    }
    await store.close();
    flipInLog(databasesOf(directory)[1], 100_000);
    const message = expect.stringMatching(
      /^store: checkpoint batch \d+(-\d+)? is missing while checkpoint batch 40 stands: what it wrote is lost$/,
    );
    for (const _ of [1, 2]) {
      await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
    }
  });

  test('where a segment does not say any more which of its entries is the first', async () => {
    const directory = await sampleStore();
    const place = { partition: 6, generation: 1 };
    const [key] = firstEntryRow(1, place, 1);
    await withDatabase(directory, async ({ log }) => {
      const batch = log.batch();
      batch.put(key, Buffer.from('damaged'));
      await batch.write({ sync: true });
    });
    const message = 'partition 6: its first entry in segment 1 is of unknown version 100';
    await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'CORRUPT', message });
  });
});

describe("a store whose LevelDB's files cannot be read does not open, and keeps them", () => {
  const away = '.away';
  const cases: [string, (database: string) => string, (file: string) => void, string][] = [
    ['CURRENT is missing', currentOf, () => {}, 'CORRUPT'],
    ['CURRENT cannot be opened', currentOf, (file) => symlinkSync(file, file), 'INTERNAL'],
    ['its log cannot be opened', logOf, (file) => symlinkSync(file, file), 'INTERNAL'],
    ['its log cannot be read', logOf, (file) => mkdirSync(file), 'INTERNAL'],
  ];
  describe.each([0, 1])('of database %i', (at) => {
    test.each(cases)('where %s', async (_, fileOf, put, reason) => {
      const directory = await sampleStore();
      // The first opening makes tables of what was in the log.
      await (await openStore({ directory })).close();
      const store = await openStore({ directory });
      await writeEntries(store, 1, new LogMaker(1).many(3));
      const batch = store.createBatch();
      batch.putRow(6, { key: Buffer.from('key'), value: Buffer.from('value') });
      await store.write(batch);
      await store.close();
      const database = databasesOf(directory)[at] ?? '';
      const file = fileOf(database);
      renameSync(file, file + away);
      put(file);
      const files = readdirSync(database);
      for (const _ of [1, 2]) {
        await expect(openStore({ directory })).rejects.toMatchObject({ reason });
      }
      expect(readdirSync(database)).toEqual(files);
      if (reason === 'INTERNAL') renameSync(file, `${file}.was`);
      renameSync(file + away, file);
      const again = await openStore({ directory });
      expect((await again.recover(1)).log.entries.length).toBe(3);
      expect((await again.recover(6)).log.entries.length).toBe(5);
      expect(await again.getRows(6, [Buffer.from('key')])).toEqual([Buffer.from('value')]);
      await again.close();
    });
  });

  test('unless it was not made yet: then it is a new one', async () => {
    const directory = await sampleStore();
    const [database] = databasesOf(directory);
    const made = readdirSync(database).filter((file) => /^(LOCK|LOG|MANIFEST)/.test(file));
    for (const file of readdirSync(database)) {
      if (!made.includes(file)) unlinkSync(join(database, file));
    }
    const [, state] = databasesOf(directory);
    for (const file of readdirSync(state)) unlinkSync(join(state, file));
    const store = await openStore({ directory });
    expect(store.founding).toBeNull();
    await store.close();
  });
});

function currentOf(database: string): string {
  return join(database, 'CURRENT');
}

function logOf(database: string): string {
  const [log = ''] = readdirSync(database).filter((file) => file.endsWith('.log'));
  return join(database, log);
}

/** One bit of what LevelDB has not flushed yet. */
function flipInLog(database: string, at: number): void {
  const path = logOf(database);
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(path, bytes);
}
