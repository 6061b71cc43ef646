// Run as a child, to be killed: writes batches to the store in argv[2] until it dies, and says of
// each that resolved: its number, and the newest LevelDB log's name and size. Batch n adds 3
// entries to partition 0 and 2 to partition 1, and stands as `commit` in both hard states. Once a
// write fails it says what that and every later call was refused with, and ends.
import { randomInt } from 'node:crypto';
import { openStore } from '../../src/storage/level/store.ts';
import type { Store } from '../../src/storage/types.ts';
import { createLog, newestLog } from './crash-log.ts';

const [directory = '', bodyBytesMax = '8000'] = process.argv.slice(2);
const store = await openStore({ directory });
if (store.founding === null) await store.putFounding(Buffer.from('the founding record'));
const logs = [await createLog(store, 0), await createLog(store, 1)];
let number = (await store.recover(0)).hardState.commit;

for (;;) {
  number++;
  const batch = store.createBatch();
  logs.forEach((log, partition) => {
    batch.putHardState(partition, { term: 1, votedFor: 1, commit: number });
    for (let left = 3 - partition; left > 0; left--) {
      batch.putEntry(
        partition,
        log.next(Buffer.alloc(randomInt(10, Number(bodyBytesMax)), number)),
      );
    }
  });
  const failure = await failureOf(store.write(batch));
  if (failure !== null) {
    say({ failures: [failure, ...(await laterFailures(store))] });
    break;
  }
  say({ batch: number, ...newestLog(directory) });
}

async function laterFailures(poisoned: Store): Promise<(string | null)[]> {
  const key = Buffer.from('a');
  return [
    await failureOf((async () => poisoned.write(poisoned.createBatch()))()),
    await failureOf(poisoned.putFounding(key)),
    await failureOf(poisoned.recover(0)),
    await failureOf(poisoned.getRows(0, [key])),
    await failureOf(poisoned.scanRows(0, { from: key, to: key, limit: 1 })),
    await failureOf(poisoned.readEntries(0, 1, 1, 1)),
    await failureOf(poisoned.getEntries(0, [1])),
  ];
}

async function failureOf(call: Promise<unknown>): Promise<string | null> {
  return call.then(
    () => null,
    (error: unknown) => String(error),
  );
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
