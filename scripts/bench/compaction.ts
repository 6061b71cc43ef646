// What LevelDB does with its files by and by, done at once.
import type { Database } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/level/store.ts';

/** What a store has no use for. */
type Compactable = Database & { compactRange(from: Buffer, to: Buffer): Promise<void> };

const before = Buffer.alloc(0);
const after = Buffer.from([0xff]);

/** Of databases that nobody has open. */
export async function compactAll(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    const db = (await openDatabase(directory)) as Compactable;
    await db.compactRange(before, after);
    await db.close();
  }
}
