// What LevelDB leaves to those who open one: where it lies, and that its directory itself outlives a loss of power.
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PacelineError } from './errors.ts';

/** LevelDB's log, and its tables, also by their name of old. */
const logFile = /^\d+\.log$/;
const dataFile = /^\d+\.(?:log|ldb|sst)$/;
const readBytes = 1024 * 1024;

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

/** With those on the way to it. Returns the names of what is in it. */
export async function makeDirectory(directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  return readdir(directory);
}

/**
 * Before LevelDB opens the directory of a database, which is made where it is missing: LevelDB goes on without what it
 * cannot read of its log, and without CURRENT it begins anew; in both cases it deletes the files. Throws CORRUPT where
 * CURRENT is missing, and the system's error where it, or a log, cannot be read.
 */
export async function checkDatabaseFiles(directory: string): Promise<void> {
  const names = await makeDirectory(directory);
  const current = join(directory, 'CURRENT');
  if (!(await readThrough(current)) && names.some((name) => dataFile.test(name))) {
    const message = `${current} is missing while data stands beside it`;
    throw new PacelineError({ reason: 'CORRUPT', message });
  }
  // One that is gone by now was deleted by a process that still closes the database.
  for (const name of names.filter((each) => logFile.test(each))) {
    await readThrough(join(directory, name));
  }
}

/** False: it is not there. */
async function readThrough(file: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(readBytes);
    for (let bytes = 1; bytes > 0; ) ({ bytesRead: bytes } = await handle.read(buffer));
  } finally {
    await handle.close();
  }
  return true;
}

export function pathIn(directory: string, name: string): string {
  return join(directory, name);
}
