// Damages a store as tests need it: by opening LevelDB directly and changing single rows.
import { encodeEntry, type LogEntry } from '../../src/entry.ts';
import type { DatabaseBatch } from '../../src/storage/database.ts';
import { entryKey, homeOf, isHardStateKey } from '../../src/storage/keys.ts';
import { hardStateIn, inSegment, lastingSegment } from '../../src/storage/level/segments.ts';
import type { LevelDatabase } from '../../src/storage/level/split-database.ts';
import { databasesOf, openLevel, openStore } from '../../src/storage/level/store.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { checkpointAt, founding, LogMaker, writeEntries } from './fixture.ts';

export type Damage = (db: DamagedDatabase) => Promise<void>;

/** The rows of a store that was opened once: its log has one segment. */
export class DamagedDatabase {
  readonly log: LevelDatabase;
  readonly state: LevelDatabase;

  constructor(log: LevelDatabase, state: LevelDatabase) {
    this.log = log;
    this.state = state;
  }

  async get(key: Buffer): Promise<Buffer> {
    const { db, full } = this.find(key);
    return (await db.get(full)) ?? Buffer.alloc(0);
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.change(key, (batch, full) => batch.put(full, value));
  }

  del(key: Buffer): Promise<void> {
    return this.change(key, (batch, full) => batch.del(full));
  }

  private async change(
    key: Buffer,
    make: (batch: DatabaseBatch, full: Buffer) => unknown,
  ): Promise<void> {
    const { db, full } = this.find(key);
    const batch = db.batch();
    make(batch, full);
    await batch.write({ sync: true });
  }

  private find(key: Buffer): { db: LevelDatabase; full: Buffer } {
    const home = homeOf(key);
    if (home === 'state') return { db: this.state, full: key };
    const segment = home === 'lasting' ? lastingSegment : 1;
    const isHardState = home === 'log' && isHardStateKey(key);
    const full = isHardState ? hardStateIn(segment, key) : inSegment(segment, key);
    return { db: this.log, full };
  }
}

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
  const [log, state] = databasesOf(directory);
  const db = new DamagedDatabase(await openLevel(log), await openLevel(state));
  await work(db);
  await Promise.all([db.log.close(), db.state.close()]);
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
