// Logs made as raft makes them.
import { createPayload, entryChain, foundingChain, type LogEntry } from '../../src/entry.ts';
import { EntryKind } from '../../src/raft/types.ts';
import type { Checkpoint, Store } from '../../src/storage/types.ts';

export const founding = Buffer.from('the founding record');

/** Grows like a leader's log: each entry linked to the one before. */
export class LogMaker {
  readonly partition: number;
  #last: { index: number; chain: Uint8Array };

  constructor(partition: number, last?: { index: number; chain: Uint8Array }) {
    this.partition = partition;
    this.#last = last ?? { index: 0, chain: foundingChain(founding, partition) };
  }

  next(term = 1, body: Uint8Array = Buffer.from('a body'), timeMs = 1000): LogEntry {
    const payload = createPayload(Buffer.from('header'), [body], body.length);
    const index = this.#last.index + 1;
    const payloadBytes = payload.headerBytes + body.length;
    const entry = { index, term, kind: EntryKind.COMMANDS, timeMs, payload, payloadBytes };
    const chained = { ...entry, chain: entryChain(this.#last.chain, entry) };
    this.#last = chained;
    return chained;
  }

  many(count: number, term = 1): LogEntry[] {
    return Array.from({ length: count }, () => this.next(term));
  }
}

export function checkpointAt(entry: LogEntry): Checkpoint {
  const { index, term, timeMs, chain } = entry;
  return { index, term, timeMs, chain, terms: [[1, term]], state: Buffer.from('state') };
}

export async function writeEntries(
  store: Store,
  partition: number,
  entries: readonly LogEntry[],
): Promise<void> {
  const batch = store.createBatch();
  const term = entries.at(-1)?.term ?? 1;
  batch.putHardState(partition, { term, votedFor: 1, commit: 0 });
  for (const entry of entries) batch.putEntry(partition, entry);
  await store.write(batch);
}

/** What two reads of one log must agree in. */
export function essence(entries: readonly LogEntry[]): string[] {
  return entries.map(({ index, term, payload }) => {
    return `${index} ${term} ${payload.bytes.toString('base64')}`;
  });
}
