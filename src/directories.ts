// What LevelDB leaves to those who open one: where it lies, and that its directory itself outlives a loss of power.
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

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

export function pathIn(directory: string, name: string): string {
  return join(directory, name);
}
