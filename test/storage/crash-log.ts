// Shared by the crash tests and their child: a log that goes on where the store ends, and the
// newest of LevelDB's log files. Free of vitest, which cannot be loaded in the child.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createPayload, entryChain, type LogEntry } from '../../src/entry.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { databasesOf } from '../../src/storage/level/store.ts';
import type { Store } from '../../src/storage/types.ts';

export interface GrowingLog {
  next(body: Uint8Array): LogEntry;
}

export async function createLog(store: Store, partition: number): Promise<GrowingLog> {
  const { log } = await store.recover(partition);
  let last: { index: number; chain: Uint8Array } = log.entries.at(-1) ?? log.base;
  return {
    next(body) {
      const payload = createPayload(new Uint8Array(0), [body], body.length);
      const index = last.index + 1;
      const fields = { index, term: 1, kind: EntryKind.COMMANDS, timeMs: 1, payload };
      const entry = { ...fields, payloadBytes: body.length };
      const chained = { ...entry, chain: entryChain(last.chain, entry) };
      last = chained;
      return chained;
    },
  };
}

/** Of the log's database. */
export function newestLog(directory: string): { log: string; size: number } {
  const [path] = databasesOf(directory);
  const logs = readdirSync(path).filter((file) => file.endsWith('.log'));
  const log = logs.sort().at(-1) ?? '';
  return { log, size: statSync(join(path, log)).size };
}
