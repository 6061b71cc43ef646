// The store in a directory, on two databases of LevelDB, each opened with one set of options.
import { Level } from 'level';
import { checkDatabaseFiles, makeDirectory, pathIn, syncDirectories } from '../../directories.ts';
import { PacelineError } from '../../errors.ts';
import { randomBytes } from '../../hash.ts';
import { causeCode, type Database, storageError } from '../database.ts';
import { type DurableStore, openStoreIn } from '../store.ts';
import { type LevelDatabase, SplitDatabase } from './split-database.ts';

const MiB = 1024 * 1024;
const segmentBytes = 32 * MiB;

interface LevelOptions {
  readonly writeBufferSize: number;
  readonly cacheSize: number;
  readonly blockSize: number;
  readonly maxOpenFiles: number;
}

/**
 * A segment is flushed when it is full: before that LevelDB should see no reason to. Of each open file, a segment each,
 * it keeps an index of the blocks in memory.
 */
const logOptions: LevelOptions = {
  writeBufferSize: 2 * segmentBytes,
  cacheSize: 4 * MiB,
  blockSize: 16 * 1024,
  maxOpenFiles: 256,
};
const stateOptions: LevelOptions = {
  writeBufferSize: 16 * MiB,
  cacheSize: 8 * MiB,
  blockSize: 4096,
  maxOpenFiles: 1000,
};

export interface OpenOptions {
  /** Created where it is missing; all in it belongs to the store. */
  readonly directory: string;
  /** Of the log; for tests. */
  readonly segmentBytes?: number;
}

/** Throws CORRUPT where the store's own rows or its batches are not whole. */
export async function openStore(options: OpenOptions): Promise<DurableStore> {
  const { directory } = options;
  const created = async () => {
    for (const path of [...databasesOf(directory), directory]) await syncDirectories(path);
  };
  return openStoreIn(await openDatabase(options), { place: directory, randomBytes, created });
}

/** Where the databases of a store lie. */
export function databasesOf(directory: string): [log: string, state: string] {
  return [pathIn(directory, 'log'), pathIn(directory, 'state')];
}

export async function openDatabase(options: OpenOptions): Promise<Database> {
  const { directory } = options;
  const [logPath, statePath] = databasesOf(directory);
  const opened: LevelDatabase[] = [];
  try {
    if ((await makeDirectory(directory)).includes('CURRENT')) throw oldFormat(directory);
    const log = await openLevel(logPath, logOptions);
    opened.push(log);
    const state = await openLevel(statePath, stateOptions);
    opened.push(state);
    return await SplitDatabase.open(log, state, { segmentBytes, ...options, randomBytes });
  } catch (error) {
    for (const database of opened) await database.close();
    throw openError(directory, error);
  }
}

export async function openLevel(directory: string, options = logOptions): Promise<LevelDatabase> {
  await checkDatabaseFiles(directory);
  const db = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    // What was appended can be found in the files with grep; bodies are small and mostly packed.
    compression: false,
    ...options,
  });
  await db.open();
  // Level's types say what all its platforms have in common.
  return db as Level<Buffer, Buffer> & LevelDatabase;
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

function oldFormat(directory: string): PacelineError {
  return new PacelineError({
    reason: 'INTERNAL',
    message: `the store in ${directory} has format 1 or 2; this version reads 3`,
  });
}
