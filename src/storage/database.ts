// LevelDB as the store uses it: opened with one set of options, read by keys or in short pages, its
// errors turned into ours. Iterators are closed before a function here returns: a living one keeps
// LevelDB from dropping what was deleted.
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ChainedBatch, Level } from 'level';
import { InvariantError } from '../assert.ts';
import { PacelineError } from '../errors.ts';
import type { KeyRange } from './keys.ts';

export type Database = Level<Buffer, Buffer>;
export type DatabaseBatch = ChainedBatch<Database, Buffer, Buffer>;
export type StoredRow = [key: Buffer, value: Buffer];

const writeBufferBytes = 16 * 1024 * 1024;
const cacheBytes = 8 * 1024 * 1024;
const chunkRows = 1000;
const chunkBytes = 256 * 1024;

export async function openDatabase(directory: string): Promise<Database> {
  const db: Database = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    writeBufferSize: writeBufferBytes,
    cacheSize: cacheBytes,
    // What was appended can be found in the files with grep; bodies are small and mostly packed.
    compression: false,
  });
  try {
    await db.open();
  } catch (error) {
    throw openError(directory, error);
  }
  return db;
}

/** LevelDB syncs its files, not its directory's entry in the parent nor the rename of CURRENT. */
export async function syncDirectories(directory: string): Promise<void> {
  for (const path of [directory, dirname(directory)]) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

export async function getValue(db: Database, key: Buffer): Promise<Buffer | undefined> {
  return db.get(key);
}

export async function getValues(
  db: Database,
  keys: readonly Buffer[],
): Promise<(Buffer | undefined)[]> {
  return db.getMany([...keys]);
}

export interface PageLimits {
  readonly rows: number;
  /** Ends the page once its values reach this many; at most one chunk and a row go beyond. */
  readonly bytes?: number;
  readonly reverse?: boolean;
}

/** The first rows of the range, fewer than there are where a limit was reached. */
export async function readPage(
  db: Database,
  range: KeyRange,
  limits: PageLimits,
): Promise<StoredRow[]> {
  const bytesMax = limits.bytes ?? Number.POSITIVE_INFINITY;
  const iterator = db.iterator({
    gte: range.gte,
    lt: range.lt,
    reverse: limits.reverse ?? false,
    highWaterMarkBytes: Math.min(bytesMax, chunkBytes),
  });
  const rows: StoredRow[] = [];
  let bytes = 0;
  try {
    while (rows.length < limits.rows && bytes < bytesMax) {
      const chunk = await iterator.nextv(Math.min(limits.rows - rows.length, chunkRows));
      if (chunk.length === 0) break;
      for (const row of chunk) {
        rows.push(row);
        bytes += row[1].length;
      }
    }
  } finally {
    await iterator.close();
  }
  return rows;
}

/** What went wrong below, as one error of ours; errors that already are ours stay as they are. */
export function storageError(doing: string, error: unknown): Error {
  if (error instanceof PacelineError || error instanceof InvariantError) return error;
  const reason = causeCode(error) === 'LEVEL_CORRUPTION' ? 'CORRUPT' : 'INTERNAL';
  return new PacelineError({ reason, message: `${doing} failed: ${causeMessage(error)}` });
}

function openError(directory: string, error: unknown): Error {
  if (causeCode(error) !== 'LEVEL_LOCKED') {
    return storageError(`opening the store in ${directory}`, error);
  }
  return new PacelineError({
    reason: 'INTERNAL',
    message: `the store in ${directory} is in use by another process`,
  });
}

/** Level says the general thing first and LevelDB's own words in `cause`. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function causeCode(error: unknown): unknown {
  const cause = causeOf(error);
  return cause instanceof Error && 'code' in cause ? cause.code : null;
}

function causeMessage(error: unknown): string {
  const cause = causeOf(error);
  return cause instanceof Error ? cause.message : String(cause);
}
