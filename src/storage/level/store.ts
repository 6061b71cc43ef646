// The store in a directory, on LevelDB, opened with one set of options.
import { Level } from 'level';
import { syncDirectories } from '../../directories.ts';
import { PacelineError } from '../../errors.ts';
import { randomBytes } from '../../hash.ts';
import { causeCode, type Database, storageError } from '../database.ts';
import { type DurableStore, openStoreIn } from '../store.ts';

const writeBufferBytes = 32 * 1024 * 1024;
const cacheBytes = 8 * 1024 * 1024;

export interface OpenOptions {
  /** Created where it is missing; belongs to LevelDB alone. */
  readonly directory: string;
}

/** Throws CORRUPT where the store's own rows or its batches are not whole. */
export async function openStore({ directory }: OpenOptions): Promise<DurableStore> {
  const created = () => syncDirectories(directory);
  return openStoreIn(await openDatabase(directory), { place: directory, randomBytes, created });
}

export async function openDatabase(directory: string): Promise<Database> {
  const db = new Level<Buffer, Buffer>(directory, {
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

function openError(directory: string, error: unknown): Error {
  if (causeCode(error) !== 'LEVEL_LOCKED') {
    return storageError(`opening the store in ${directory}`, error);
  }
  return new PacelineError({
    reason: 'INTERNAL',
    message: `the store in ${directory} is in use by another process`,
  });
}
