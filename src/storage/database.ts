// The ordered keys and values a store lies in, as it uses them: read by keys or in short pages, its
// errors turned into ours. LevelDB (level/) or the lab's disk. Iterators are closed before a function
// here returns: a living one keeps LevelDB from dropping what was deleted.
import { InvariantError } from '../assert.ts';
import { PacelineError } from '../errors.ts';
import type { KeyRange } from './keys.ts';

export type StoredRow = [key: Buffer, value: Buffer];

export interface Database {
  get(key: Buffer): Promise<Buffer | undefined>;
  getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]>;
  iterator(options: DatabaseRange): DatabaseIterator;
  batch(): DatabaseBatch;
  close(): Promise<void>;
}

export interface DatabaseRange extends KeyRange {
  readonly reverse: boolean;
  readonly highWaterMarkBytes: number;
}

export interface DatabaseIterator {
  /** The next rows, at most `size`; none at the end. */
  nextv(size: number): Promise<StoredRow[]>;
  close(): Promise<void>;
}

export interface DatabaseBatch {
  put(key: Buffer, value: Buffer): unknown;
  del(key: Buffer): unknown;
  /** All of it or nothing is there, and with `sync` it is durable, when this resolves. */
  write(options: { readonly sync: boolean }): Promise<void>;
}

const chunkRows = 1000;
const chunkBytes = 256 * 1024;

export interface PageLimits {
  readonly rows: number;
  /** Ends the page once its values reach this many; at most one chunk and a row go beyond. */
  readonly bytes?: number;
  readonly reverse?: boolean;
}

/** The first rows of the range, fewer than there are where a limit was reached. */
export async function readPage(
  db: Database,
  range: KeyRange,
  limits: PageLimits,
): Promise<StoredRow[]> {
  const bytesMax = limits.bytes ?? Number.POSITIVE_INFINITY;
  const iterator = db.iterator({
    gte: range.gte,
    lt: range.lt,
    reverse: limits.reverse ?? false,
    highWaterMarkBytes: Math.min(bytesMax, chunkBytes),
  });
  const rows: StoredRow[] = [];
  let bytes = 0;
  try {
    while (rows.length < limits.rows && bytes < bytesMax) {
      const chunk = await iterator.nextv(Math.min(limits.rows - rows.length, chunkRows));
      if (chunk.length === 0) break;
      for (const row of chunk) {
        rows.push(row);
        bytes += row[1].length;
      }
    }
  } finally {
    await iterator.close();
  }
  return rows;
}

export async function isEmpty(db: Database, range: KeyRange): Promise<boolean> {
  return (await readPage(db, range, { rows: 1 })).length === 0;
}

/** What went wrong below, as one error of ours; errors that already are ours stay as they are. */
export function storageError(doing: string, error: unknown): Error {
  if (error instanceof PacelineError || error instanceof InvariantError) return error;
  const reason = causeCode(error) === 'LEVEL_CORRUPTION' ? 'CORRUPT' : 'INTERNAL';
  return new PacelineError({ reason, message: `${doing} failed: ${causeMessage(error)}` });
}

/** Level says the general thing first and LevelDB's own words in `cause`. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

export function causeCode(error: unknown): unknown {
  const cause = causeOf(error);
  return cause instanceof Error && 'code' in cause ? cause.code : null;
}

function causeMessage(error: unknown): string {
  const cause = causeOf(error);
  return cause instanceof Error ? cause.message : String(cause);
}
