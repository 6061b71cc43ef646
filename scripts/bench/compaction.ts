// What LevelDB does with its files by and by, done at once.
import { openLevel } from '../../src/storage/level/store.ts';

const before = Buffer.alloc(0);
const after = Buffer.from([0xff]);

/** Of LevelDB's databases that nobody has open. */
export async function compactAll(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    const db = await openLevel(directory);
    await db.compactRange(before, after);
    await db.close();
  }
}
