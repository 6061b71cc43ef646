// Damages a store as tests need it: by opening LevelDB directly and changing single rows.
import { Level } from 'level';
import { encodeEntry, type LogEntry } from '../../src/entry.ts';
import { entryKey } from '../../src/storage/keys.ts';
import { openStore } from '../../src/storage/level/store.ts';
import { checkpointAt, founding, LogMaker, temporaryDirectory, writeEntries } from './fixture.ts';

export type Damage = (db: Level<Buffer, Buffer>) => Promise<void>;

export const place = { partition: 6, generation: 1 };
export const secret = Buffer.from('user:4711');

/** Partition 6: entries 1-8 of term 2, a checkpoint at 3, two rows; batches 1-6. */
export async function sampleStore(): Promise<string> {
  const directory = temporaryDirectory();
  const store = await openStore({ directory });
  await store.putFounding(founding);
  const entries = new LogMaker(place.partition).many(8, 2);
  await writeEntries(store, place.partition, entries.slice(0, 4));
  await writeEntries(store, place.partition, entries.slice(4));
  const batch = store.createBatch();
  const third = entries.slice(2, 3);
  for (const entry of third) batch.putCheckpoint(place.partition, checkpointAt(entry));
  batch.putRow(place.partition, { key: secret, value: Buffer.from('secret value') });
  batch.putRow(place.partition, { key: Buffer.from('other'), value: Buffer.from('other') });
  await store.write(batch);
  await writeEntries(store, 9, new LogMaker(9).many(8, 2));
  await store.close();
  return directory;
}

export async function withDatabase(directory: string, work: Damage): Promise<void> {
  const db = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  });
  await work(db);
  await db.close();
}

export function flip(key: Buffer, at: number): Damage {
  return async (db) => {
    const stored = await db.get(key);
    const from = at < 0 ? stored.length + at : at;
    stored.writeUInt8(stored.readUInt8(from) ^ 0x10, from);
    await db.put(key, stored);
  };
}

export function remove(key: Buffer): Damage {
  return (db) => db.del(key);
}

export function copy(from: Buffer, to: Buffer): Damage {
  return async (db) => db.put(to, await db.get(from));
}

export function replaceEntries(make: () => LogEntry[]): Damage {
  return async (db) => {
    for (const entry of make()) {
      await db.put(entryKey(place, entry.index), encodeEntry(place.partition, entry));
    }
  };
}

export const checksum = 'is damaged: its checksum does not match';
