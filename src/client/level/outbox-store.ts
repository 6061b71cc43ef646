// An outbox's store in LevelDB, for one process at a time. Keys: `h` the head, `c` a conversation's chain, `m`
// a message under its conversation and number.
import { Level } from 'level';
import { checkDatabaseFiles, syncDirectories } from '../../directories.ts';
import { PacelineError } from '../../errors.ts';
import type {
  ChainRow,
  KeptMessage,
  OutboxHead,
  OutboxStore,
  OutboxWrite,
  PageLimit,
} from '../outbox-store.ts';
import {
  decodeChain,
  decodeHead,
  decodeMessage,
  encodeChain,
  encodeHead,
  encodeMessage,
} from './outbox-rows.ts';

type Database = Level<Buffer, Buffer>;

const chunkRows = 100;
const headKey = Buffer.from('h');
const chains = { gt: Buffer.from('c'), lt: Buffer.from('d') };

/** Created where it is missing; belongs to LevelDB alone. INTERNAL where another process has it, CORRUPT where it is not whole. */
export async function openOutboxStore(directory: string): Promise<OutboxStore> {
  try {
    await checkDatabaseFiles(directory);
    // It opens itself, soon.
    const db: Database = new Level<Buffer, Buffer>(directory, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    });
    await db.open();
    await syncDirectories(directory);
    return new LevelOutboxStore(db);
  } catch (error) {
    throw openError(directory, error);
  }
}

class LevelOutboxStore implements OutboxStore {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  async readHead(): Promise<OutboxHead | null> {
    const stored = await this.db.get(headKey);
    return stored === undefined ? null : decodeHead(headKey, stored);
  }

  async readChains(): Promise<ChainRow[]> {
    const rows: ChainRow[] = [];
    for await (const [key, stored] of this.db.iterator(chains)) rows.push(decodeChain(key, stored));
    return rows;
  }

  async readMessages(
    conversation: string,
    afterClientSeq: number,
    limit: PageLimit,
  ): Promise<KeptMessage[]> {
    const page: KeptMessage[] = [];
    let bytes = 0;
    const iterator = this.db.iterator({
      gt: messageKey(conversation, afterClientSeq),
      lte: messageKey(conversation, Number.MAX_SAFE_INTEGER),
      highWaterMarkBytes: limit.bytes,
    });
    try {
      while (page.length < limit.count && bytes < limit.bytes) {
        const rows = await iterator.nextv(Math.min(limit.count - page.length, chunkRows));
        if (rows.length === 0) break;
        for (const [key, stored] of rows) {
          if (bytes >= limit.bytes && page.length > 0) break;
          page.push(decodeMessage(key, stored));
          bytes += stored.length;
        }
      }
    } finally {
      await iterator.close();
    }
    return page;
  }

  /** Always a chained batch: the array form costs ten times as much with `sync`. */
  async write(
    { head, chains: rows, puts, removes }: OutboxWrite,
    { sync }: { readonly sync: boolean },
  ): Promise<void> {
    const batch = this.db.batch();
    if (head !== undefined) batch.put(headKey, encodeHead(headKey, head));
    for (const row of rows) {
      const key = Buffer.from(`c${row.conversation}`);
      batch.put(key, encodeChain(key, row));
    }
    for (const kept of puts) {
      const key = messageKey(kept.message.conversation, kept.clientSeq);
      batch.put(key, encodeMessage(key, kept));
    }
    for (const { conversation, clientSeq } of removes) {
      batch.del(messageKey(conversation, clientSeq));
    }
    await batch.write({ sync });
  }

  close(): Promise<void> {
    return this.db.close();
  }
}

/** Names hold no byte below 0x21: none is the beginning of another's key. */
function messageKey(conversation: string, clientSeq: number): Buffer {
  const key = Buffer.alloc(conversation.length + 10);
  key.write(`m${conversation}`, 'latin1');
  key.writeBigUInt64BE(BigInt(clientSeq), conversation.length + 2);
  return key;
}

/** Level says the general thing first and LevelDB's own words in `cause`. */
function openError(directory: string, error: unknown): PacelineError {
  if (error instanceof PacelineError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = `opening the outbox in ${directory} failed: ${String(cause)}`;
  return new PacelineError({ reason: 'INTERNAL', message });
}
