// What LevelDB does with its files by and by, done at once.
import { Level } from 'level';

/** What `level` leaves out of its types, as browsers have nothing like it. */
type Compactable = Level<Buffer, Buffer> & {
  compactRange(from: Buffer, to: Buffer): Promise<void>;
};

const before = Buffer.alloc(0);
const after = Buffer.from([0xff]);

/** Of databases that nobody has open. */
export async function compactAll(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    // As the store opens it: what is packed would be smaller.
    const options = { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false } as const;
    const db = new Level<Buffer, Buffer>(directory, options) as Compactable;
    await db.open();
    await db.compactRange(before, after);
    await db.close();
  }
}
