// The chain of batch records. LevelDB's recovery skips what is damaged in its log and goes on with
// what follows, so an older batch can be gone while a newer one stands. Each batch therefore writes
// its record into the next slot of a ring and, the same, into one row for the newest; at open the
// ring must hold every number up to the newest. A lost newest batch leaves no trace here: only
// those who remember a higher number can notice it.
import { hash128, hashBytes } from '../hash.ts';
import { type Database, readPage } from './database.ts';
import { batchRingKey, batchRingRange, newestBatchKey } from './keys.ts';
import { type BatchRecord, decodeBatchRecord, encodeBatchRecord, saltBytes } from './own-rows.ts';
import { corrupt, decodeShapedRecord, type RecordName } from './record-codec.ts';

/** What is missing further back leaves no trace here, and small batches fill LevelDB's log with more than these. */
export const ringSlots = 4096;

export function nextBatchRecord(
  newest: BatchRecord | null,
  randomBytes: (size: number) => Uint8Array,
): BatchRecord {
  return {
    number: (newest?.number ?? 0) + 1,
    previous: newest === null ? Buffer.alloc(hashBytes) : recordHash(newest),
    salt: randomBytes(saltBytes),
  };
}

export function ringKeyOf(record: BatchRecord): Buffer {
  return batchRingKey(record.number % ringSlots);
}

/** The newest record, after checking that no batch before it is missing. `noun` names a batch for people. */
export async function readNewestBatch(db: Database, noun = 'batch'): Promise<BatchRecord> {
  const name = newestName(noun);
  const stored = await db.get(newestBatchKey);
  if (stored === undefined) throw corrupt(name, 'is missing');
  const newest = decodeShapedRecord(newestBatchKey, stored, name, decodeBatchRecord);
  const ring = await readRing(db, noun);
  checkComplete(newest, ring, noun);
  checkLinks(newest, ring, noun);
  return newest;
}

function newestName(noun: string): RecordName {
  return { partition: null, row: `the newest ${noun} record` };
}

async function readRing(db: Database, noun: string): Promise<Map<number, BatchRecord>> {
  const ring = new Map<number, BatchRecord>();
  for (const [key, stored] of await readPage(db, batchRingRange, { rows: ringSlots })) {
    const name = { partition: null, row: `a ${noun} record of the ring` };
    const record = decodeShapedRecord(key, stored, name, decodeBatchRecord);
    ring.set(record.number, record);
  }
  return ring;
}

function checkComplete(
  newest: BatchRecord,
  ring: ReadonlyMap<number, BatchRecord>,
  noun: string,
): void {
  const missing: number[] = [];
  for (let number = oldestInRing(newest); number <= newest.number; number++) {
    if (!ring.has(number)) missing.push(number);
  }
  if (missing.length > 0) {
    const name = { partition: null, row: `${noun} ${ranges(missing)}` };
    throw corrupt(name, `is missing while ${noun} ${newest.number} stands: what it wrote is lost`);
  }
  const newer = [...ring.keys()].filter((number) => number > newest.number);
  if (newer.length > 0) {
    throw corrupt(newestName(noun), `says ${newest.number} while the ring holds ${ranges(newer)}`);
  }
}

function checkLinks(
  newest: BatchRecord,
  ring: ReadonlyMap<number, BatchRecord>,
  noun: string,
): void {
  let following = newest;
  const stop = oldestInRing(newest);
  for (let number = newest.number; number >= stop; number--) {
    const record = ring.get(number);
    const name = { partition: null, row: `the record of ${noun} ${number}` };
    if (record === undefined) throw corrupt(name, 'is missing');
    const fits =
      number === newest.number
        ? encodeBatchRecord(newest).equals(encodeBatchRecord(record))
        : Buffer.from(recordHash(record)).equals(following.previous);
    if (!fits) throw corrupt(name, `is not the one that ${noun} ${following.number} followed`);
    following = record;
  }
}

function oldestInRing(newest: BatchRecord): number {
  return Math.max(1, newest.number - ringSlots + 1);
}

function recordHash(record: BatchRecord): Uint8Array {
  return hash128([encodeBatchRecord(record)]);
}

/** "3, 7-9" */
function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  let first = numbers[0];
  numbers.forEach((number, at) => {
    if (numbers[at + 1] === number + 1) return;
    parts.push(first === number ? `${number}` : `${first}-${number}`);
    first = numbers[at + 1];
  });
  return parts.join(', ');
}
