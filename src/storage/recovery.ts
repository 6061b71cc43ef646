// Reads one partition at a start. Above the checkpoint the log must be whole: every index there,
// every link of the chain right, terms and times never falling. Whatever is not so is CORRUPT with
// the partition and index named; nothing is cut off or repaired here, for a follower that drops
// what it acknowledged can lose committed entries. A lost tail cannot be seen: batch-record.ts.

import { assert } from '../assert.ts';
import { sameBytes } from '../bytes.ts';
import { entryChain, foundingChain, type LogEntry } from '../entry.ts';
import type { HardState, LogTail } from '../raft/types.ts';
import { type Database, readPage } from './database.ts';
import {
  checkpointKey,
  entriesRange,
  entryIndexOf,
  entryKey,
  generationKey,
  hardStateKey,
  type Place,
  rowsRange,
} from './keys.ts';
import { decodeCheckpoint, decodeHardState } from './own-rows.ts';
import { corrupt, decodeShapedRecord, decodeStoredEntry, entryName } from './record-codec.ts';
import type { Checkpoint, RecoveredPartition } from './types.ts';

const page = { rows: 1000, bytes: 1024 * 1024 };

export async function recoverPartition(
  db: Database,
  place: Place,
  founding: Uint8Array | null,
): Promise<RecoveredPartition> {
  assert(
    founding !== null,
    'a partition is recovered only in a store that has its founding record',
  );
  const { partition } = place;
  const hardState = await readHardState(db, partition);
  const checkpoint = await readCheckpoint(db, place);
  if (checkpoint === null) await checkNoRows(db, place);
  else await checkEntryAt(db, place, checkpoint);
  const base = checkpoint ?? firstBase(foundingChain(founding, partition));
  const entries = await readLog(db, place, base);
  const lastTerm = entries.at(-1)?.term ?? base.term;
  if (lastTerm > hardState.term) {
    const name = { partition, row: 'the hard state' };
    throw corrupt(name, `is of term ${hardState.term} while the log has entries of ${lastTerm}`);
  }
  const { index, term, chain, timeMs } = base;
  const terms = (checkpoint?.terms ?? []).map(([firstIndex, of]) => ({ firstIndex, term: of }));
  // No log is compacted yet.
  const log = { base: { index, term, chain, timeMs }, boundary: 0, terms, entries };
  return { hardState, checkpoint, log };
}

function firstBase(chain: Uint8Array): LogTail {
  return { index: 0, term: 0, chain, timeMs: 0 };
}

async function readHardState(db: Database, partition: number): Promise<HardState> {
  const key = hardStateKey(partition);
  const stored = await db.get(key);
  const name = { partition, row: 'the hard state' };
  if (stored !== undefined) return decodeShapedRecord(key, stored, name, decodeHardState);
  // A partition's first batch brings its term. Once that stood, "no vote yet" would be a lie.
  if ((await db.get(generationKey(partition))) !== undefined) {
    throw corrupt(name, 'is missing while other rows stand');
  }
  return { term: 0, votedFor: 0, commit: 0 };
}

async function readCheckpoint(db: Database, place: Place): Promise<Checkpoint | null> {
  const key = checkpointKey(place);
  const stored = await db.get(key);
  if (stored === undefined) return null;
  const name = { partition: place.partition, row: 'the checkpoint' };
  return decodeShapedRecord(key, stored, name, decodeCheckpoint);
}

/** Rows are written with a checkpoint only: a replay from the start would fold into them twice. */
async function checkNoRows(db: Database, place: Place): Promise<void> {
  const rows = await readPage(db, rowsRange(place), { rows: 1 });
  if (rows.length === 0) return;
  throw corrupt(
    { partition: place.partition, row: 'the checkpoint' },
    'is missing while rows that it describes stand',
  );
}

async function checkEntryAt(db: Database, place: Place, checkpoint: Checkpoint): Promise<void> {
  const { index } = checkpoint;
  if (index === 0) return;
  const stored = await db.get(entryKey(place, index));
  const name = entryName(place.partition, index);
  if (stored === undefined) throw corrupt(name, 'is missing while a checkpoint stands at it');
  const entry = decodeStoredEntry(place.partition, index, stored);
  const agrees =
    entry.term === checkpoint.term &&
    entry.timeMs === checkpoint.timeMs &&
    sameBytes(entry.chain, checkpoint.chain);
  if (!agrees) throw corrupt(name, 'is not the entry that the checkpoint stands at');
}

/** All entries above `base`, in pages, each with its own short iterator. */
async function readLog(db: Database, place: Place, base: LogTail): Promise<LogEntry[]> {
  const { partition } = place;
  const entries: LogEntry[] = [];
  let last: LogTail = base;
  for (;;) {
    const rows = await readPage(db, entriesRange(place, last.index + 1), page);
    if (rows.length === 0) return entries;
    for (const [key, stored] of rows) {
      const entry = decodeFollowing(partition, last.index, key, stored);
      checkFollows(partition, last, entry);
      entries.push(entry);
      last = entry;
    }
  }
}

function decodeFollowing(
  partition: number,
  previous: number,
  key: Buffer,
  stored: Buffer,
): LogEntry {
  const name = entryName(partition, previous + 1);
  const index = entryIndexOf(key);
  if (index === null) throw corrupt(name, "is followed by a key that is not an entry's");
  if (index !== previous + 1) throw corrupt(name, `is missing while entry ${index} stands`);
  return decodeStoredEntry(partition, index, stored);
}

function checkFollows(partition: number, previous: LogTail, entry: LogEntry): void {
  const name = entryName(partition, entry.index);
  if (!sameBytes(entryChain(previous.chain, entry), entry.chain)) {
    throw corrupt(name, 'does not link to the entry before it');
  }
  if (entry.term < previous.term) throw corrupt(name, 'is of a lower term than the one before it');
  if (entry.timeMs < previous.timeMs) throw corrupt(name, 'is older than the one before it');
}
