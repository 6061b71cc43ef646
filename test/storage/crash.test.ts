// A process that dies in the middle of its writes loses nothing that was promised: a child writes
// and is killed, or its disk refuses more; LevelDB's log is also cut as a dead machine leaves it.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { databasesOf, openStore } from '../../src/storage/level/store.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { newestLog } from './crash-log.ts';

interface Promised {
  readonly batch: number;
  readonly log: string;
  readonly size: number;
}

/** The identity and the founding record are the two batches before the child's first. */
const batchesBefore = 2;
/** What they take in the log, at most: a control that cut into them would find a new store. */
const foundedBytes = 1000;
const writer = new URL('./crash-writer.ts', import.meta.url).pathname;
const args = ['--import', 'tsx', writer];
const minute = 60_000;

test(
  'after kill -9 every batch that was promised is whole, and a last one is whole or absent',
  async () => {
    const directory = temporaryDirectory();
    for (let round = 0; round < 20; round++) {
      const promised = await killAfter(directory, randomInt(1, 40));
      const { batch, number } = await readBack(directory);
      expect(batch, `round ${round}`).toBeGreaterThanOrEqual(promised.batch);
      expect(batch, `round ${round}`).toBeLessThanOrEqual(promised.batch + 1);
      expect(number).toBe(batch + batchesBefore);
    }
  },
  minute,
);

test(
  'the same holds where the log ends anywhere behind what was synced',
  async () => {
    const directory = temporaryDirectory();
    for (let round = 0; round < 10; round++) {
      const promised = await killAfter(directory, randomInt(1, 40));
      const cut = cutLog(directory, promised, ({ synced, size }) => randomInt(synced, size + 1));
      const { batch, number } = await readBack(directory);
      expect(batch, `round ${round}, cut to ${cut}`).toBeGreaterThanOrEqual(promised.batch);
      expect(batch).toBeLessThanOrEqual(promised.batch + 1);
      expect(number).toBe(batch + batchesBefore);
    }
  },
  minute,
);

test(
  'a log that lost synced bytes shows a lower batch number than promised, and is whole up to it',
  async () => {
    for (let round = 0; round < 5; round++) {
      const directory = temporaryDirectory();
      const promised = await killAfter(directory, randomInt(2, 40));
      const cut = cutLog(directory, promised, ({ synced }) => {
        return randomInt(Math.max(foundedBytes, synced - 30_000), synced);
      });
      const { batch, number } = await readBack(directory);
      expect(number, `cut to ${cut}`).toBeLessThan(promised.batch + batchesBefore);
      expect(number).toBe(batch + batchesBefore);
    }
  },
  minute,
);

test(
  'after a write that failed every later call is refused with the same error',
  async () => {
    const directory = temporaryDirectory();
    // The kernel refuses to let a file grow beyond 512 KiB: a real failure of a real write.
    const limited = [
      '-c',
      'ulimit -f 512; exec "$@"',
      'bash',
      process.execPath,
      ...args,
      directory,
    ];
    const child = spawn('bash', limited, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    });
    const lines = await linesUntil(child, () => false);
    const last: { failures?: string[] } = JSON.parse(lines.pop() ?? '{}');
    const { failures = [] } = last;
    expect(failures).toHaveLength(8);
    expect(failures[0]).toMatch(
      /^PacelineError: writing the store failed: IO error: .*File too large/,
    );
    expect(new Set(failures).size).toBe(1);
    const promised: Promised = JSON.parse(lines.at(-1) ?? '');
    const { batch } = await readBack(directory);
    expect(batch).toBe(promised.batch);
  },
  minute,
);

/** Runs the writer, kills it once it has promised that many batches; returns its last promise. */
async function killAfter(directory: string, batches: number): Promise<Promised> {
  const child = spawn(process.execPath, [...args, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = await linesUntil(child, (count) => count >= batches);
  expect(lines.length).toBeGreaterThanOrEqual(batches);
  return JSON.parse(lines.at(-1) ?? '');
}

/** All lines that the child wrote before it ended. */
async function linesUntil(
  child: ChildProcess,
  enough: (count: number) => boolean,
): Promise<string[]> {
  if (child.stdout === null) throw new Error('the child has no stdout');
  const ended = once(child, 'close');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (enough(lines.length)) child.kill('SIGKILL');
  }
  await ended;
  return lines;
}

/** Cuts the newest log; where LevelDB began it after the promise, nothing of it was synced. */
function cutLog(
  directory: string,
  promised: Promised,
  choose: (log: { synced: number; size: number }) => number,
): number {
  const { log, size } = newestLog(directory);
  const length = choose({ synced: log === promised.log ? promised.size : 0, size });
  truncateSync(join(databasesOf(directory)[0], log), length);
  return length;
}

/** The batch that the store ends with, after checking that it is there whole. */
async function readBack(directory: string): Promise<{ batch: number; number: number }> {
  const store = await openStore({ directory });
  const [zero, one] = [await store.recover(0), await store.recover(1)];
  const number = store.newestBatch;
  await store.close();
  const batch = zero.hardState.commit;
  expect(one.hardState.commit).toBe(batch);
  expect(zero.log.entries).toHaveLength(3 * batch);
  expect(one.log.entries).toHaveLength(2 * batch);
  return { batch, number };
}
