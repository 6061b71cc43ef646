// The suite on LevelDB, and what only this store promises: its lock, its format, readable files.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { nextBatchRecord } from '../../src/storage/batch-record.ts';
import { identityKey } from '../../src/storage/keys.ts';
import { SplitDatabase } from '../../src/storage/level/split-database.ts';
import { databasesOf, openDatabase, openLevel, openStore } from '../../src/storage/level/store.ts';
import { encodeIdentity } from '../../src/storage/own-rows.ts';
import { encodeRecord } from '../../src/storage/record-codec.ts';
import { StoreBatch } from '../../src/storage/store-batch.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { withDatabase } from './damage.ts';
import { founding, LogMaker, writeEntries } from './fixture.ts';
import { storeSuite } from './store-suite.ts';

storeSuite('the LevelDB store', (directory) => openStore({ directory }));
storeSuite('the LevelDB store with a segment a batch', (directory) => {
  return openStore({ directory, segmentBytes: 1 });
});

test('a store keeps the uuid that it was made with, and two have different ones', async () => {
  const directory = join(temporaryDirectory(), 'made', 'on the way');
  const store = await openStore({ directory });
  const other = await openStore({ directory: temporaryDirectory() });
  await Promise.all([store.close(), other.close()]);
  const again = await openStore({ directory });
  expect(Buffer.from(again.identity.uuid)).toEqual(Buffer.from(store.identity.uuid));
  expect(Buffer.from(again.identity.uuid)).not.toEqual(Buffer.from(other.identity.uuid));
  await again.close();
});

test('a directory that another process has open is refused by name', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory });
  const module = new URL('../../src/storage/level/store.ts', import.meta.url).href;
  const script = `
    import { openStore } from ${JSON.stringify(module)};
    await openStore({ directory: process.argv[1] }).catch((error) => console.log(error.message));
  `;
  const args = ['--import', 'tsx', '--input-type=module', '-e', script, directory];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(child.stdout.trim()).toBe(`the store in ${directory} is in use by another process`);
  await store.close();
});

test('a store of an unknown format is refused and left as it is', async () => {
  const directory = temporaryDirectory();
  await (await openStore({ directory })).close();
  const later = encodeIdentity({ formatVersion: 4, uuid: Buffer.alloc(16) });
  await withDatabase(directory, (db) => db.put(identityKey, encodeRecord(identityKey, later)));
  for (const _ of [1, 2]) {
    await expect(openStore({ directory })).rejects.toMatchObject({
      reason: 'INTERNAL',
      message: `the store in ${directory} has format 4; this version reads 3`,
    });
  }
});

test('a store of a format with one database is refused and left as it is', async () => {
  const directory = temporaryDirectory();
  const old = await openLevel(directory);
  await old.close();
  const before = readdirSync(directory);
  const message = `the store in ${directory} has format 1 or 2; this version reads 3`;
  await expect(openStore({ directory })).rejects.toMatchObject({ reason: 'INTERNAL', message });
  expect(readdirSync(directory)).toEqual(before);
});

test('the number of the newest batch rises by one with every write and is kept', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory });
  expect(store.newestBatch).toBe(1);
  await store.putFounding(founding);
  const maker = new LogMaker(0);
  await writeEntries(store, 0, maker.many(2));
  await writeEntries(store, 0, maker.many(2));
  expect(store.newestBatch).toBe(4);
  await store.close();
  const again = await openStore({ directory });
  expect(again.newestBatch).toBe(4);
  await again.close();
});

test('more batches than the ring has slots do not confuse the next opening', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory });
  for (let term = 1; term <= 4200; term++) {
    const batch = store.createBatch();
    batch.putHardState(0, { term, votedFor: 0, commit: 0 });
    await store.write(batch);
  }
  await store.close();
  const again = await openStore({ directory });
  expect(again.newestBatch).toBe(4201);
  await again.close();
}, 60_000);

test('every batch is synced as it is written', async () => {
  const db = await openDatabase({ directory: temporaryDirectory() });
  const rows = db.batch();
  const write = vi.spyOn(rows, 'write');
  await new StoreBatch(rows, new Map()).commit(nextBatchRecord(null, randomBytes));
  expect(write.mock.calls).toEqual([[{ sync: true }]]);
  await db.close();
});

test('a batch with a checkpoint is synced in both databases', async () => {
  const [logPath, statePath] = databasesOf(temporaryDirectory());
  const [log, state] = [await openLevel(logPath), await openLevel(statePath)];
  const writes = [log, state].map((db) => {
    const calls: unknown[] = [];
    const { batch } = db;
    vi.spyOn(db, 'batch').mockImplementation(() => {
      const made = batch.call(db);
      const write = made.write.bind(made);
      made.write = (options) => {
        calls.push(options);
        return write(options);
      };
      return made;
    });
    return calls;
  });
  const db = await SplitDatabase.open(log, state, { segmentBytes: 1, randomBytes });
  const batch = new StoreBatch(db.batch(), new Map());
  batch.putRow(0, { key: Buffer.from('a'), value: Buffer.from('b') });
  await batch.commit(nextBatchRecord(null, randomBytes));
  expect(writes).toEqual([[{ sync: true }], [{ sync: true }]]);
  await db.close();
});

test('what was appended can be found in the files as it is', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory });
  await store.putFounding(founding);
  const body = Buffer.from('a body that someone looks for with grep');
  await writeEntries(store, 0, [new LogMaker(0).next(1, body)]);
  await store.close();
  const [log] = databasesOf(directory);
  const files = readdirSync(log).map((file) => readFileSync(join(log, file)));
  expect(files.some((bytes) => bytes.includes(body))).toBe(true);
});
