// What LevelDB leaves to those who open one: that its directory itself outlives a loss of power.
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

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
