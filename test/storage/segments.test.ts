// Whichever segment of the log an entry lies in, it is read as it was written, and what was cut off is not; and
// LevelDB merges none of the log's files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogEntry } from '../../src/entry.ts';
import { databasesOf, openStore } from '../../src/storage/level/store.ts';
import type { Batch, Store } from '../../src/storage/types.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { essence, founding, LogMaker, writeEntries } from './fixture.ts';

const partitions = [0, 1, 65535];

/** A log as it should be, by partition. */
class Model {
  readonly entries: LogEntry[] = [];
  private readonly partition: number;
  private readonly random: () => number;
  private maker: LogMaker;
  term = 1;

  constructor(partition: number, random: () => number) {
    this.partition = partition;
    this.random = random;
    this.maker = new LogMaker(partition);
  }

  /** In one batch: some entries more, perhaps in place of the last ones, or only fewer. */
  async change(store: Store): Promise<void> {
    const batch = store.createBatch();
    for (const chance of [0.3, 0.15]) {
      this.append(batch);
      if (this.random() < chance) this.cut(batch);
    }
    if (this.random() < 0.5) this.append(batch);
    batch.putHardState(this.partition, this.hardState);
    await store.write(batch);
  }

  private append(batch: Batch): void {
    for (let left = Math.floor(this.random() * 4); left > 0; left--) {
      const entry = this.maker.next(this.term, Buffer.alloc(this.random() * 300));
      this.entries.push(entry);
      batch.putEntry(this.partition, entry);
    }
  }

  get hardState() {
    return { term: this.term, votedFor: 1, commit: this.entries.length };
  }

  private cut(batch: Batch): void {
    const { length: before } = this.entries;
    const length = Math.max(0, before - Math.floor(this.random() * 12));
    if (length === before) return;
    batch.removeEntries(this.partition, length + 1, this.entries.length);
    this.entries.length = length;
    this.term += 1;
    this.maker = new LogMaker(this.partition, this.entries.at(-1));
  }

  async check(store: Store): Promise<void> {
    const { entries, partition } = this;
    const { log, hardState } = await store.recover(partition);
    expect(essence(log.entries)).toEqual(essence(entries));
    if (entries.length === 0) return;
    expect(hardState).toEqual(this.hardState);
    const from = 1 + Math.floor(this.random() * entries.length);
    const read = await store.readEntries(partition, from, entries.length, 1e9);
    expect(essence(read)).toEqual(essence(entries.slice(from - 1)));
    const [single] = await store.getEntries(partition, [from]);
    expect(single?.chain).toEqual(read[0]?.chain);
  }
}

test.each([1, 500, 3000, 1e6])(
  'a log in segments of %i bytes',
  async (segmentBytes) => {
    for (let seed = 1; seed <= 5; seed++) {
      const random = seeded(seed);
      const directory = temporaryDirectory();
      const models = partitions.map((partition) => new Model(partition, random));
      let store: Store = await openStore({ directory, segmentBytes });
      await store.putFounding(founding);
      for (let round = 0; round < 60; round++) {
        for (const model of models) if (random() < 0.5) await model.change(store);
        if (random() < 0.1) {
          await store.close();
          store = await openStore({ directory, segmentBytes });
        }
        if (random() < 0.2) for (const model of models) await model.check(store);
      }
      await store.close();
      store = await openStore({ directory, segmentBytes });
      for (const model of models) await model.check(store);
      await store.close();
    }
  },
  60_000,
);

test('a file has one segment, and none is merged with another', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory, segmentBytes: 100_000 });
  await store.putFounding(founding);
  const makers = partitions.map((partition) => new LogMaker(partition));
  for (let round = 0; round < 400; round++) {
    for (const maker of makers) {
      await writeEntries(store, maker.partition, [maker.next(1, Buffer.alloc(1000))]);
    }
  }
  await store.close();
  const said = readFileSync(join(databasesOf(directory)[0], 'LOG'), 'utf8');
  const flushed = said.match(/Level-0 table #\d+: \d+ bytes OK/g) ?? [];
  expect(flushed.length).toBeGreaterThanOrEqual(12);
  expect(flushed.length).toBeLessThanOrEqual(16);
  expect(said).not.toContain('Compacting');
});

test('a hard state written long ago is there after many segments', async () => {
  const directory = temporaryDirectory();
  const store = await openStore({ directory, segmentBytes: 1 });
  await store.putFounding(founding);
  const batch = store.createBatch();
  batch.putHardState(7, { term: 4, votedFor: 2, commit: 0 });
  await store.write(batch);
  for (const entry of new LogMaker(0).many(20)) await writeEntries(store, 0, [entry]);
  await store.close();
  const again = await openStore({ directory, segmentBytes: 1 });
  expect((await again.recover(7)).hardState).toEqual({ term: 4, votedFor: 2, commit: 0 });
  await again.close();
});

/** Numerical Recipes' generator: enough to choose by. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
