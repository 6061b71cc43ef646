// What a store is read for when it is opened: who it is, the newest batch, the founding record and
// the generation of every partition. A directory without any row becomes a new store, in one batch.
import { PacelineError } from '../errors.ts';
import { nextBatchRecord, readNewestBatch } from './batch-record.ts';
import { type Database, isEmpty, readPage } from './database.ts';
import {
  everything,
  foundingKey,
  generationKey,
  identityKey,
  partitionMax,
  partitionOf,
  partitionsFrom,
} from './keys.ts';
import { type BatchRecord, decodeGeneration, decodeIdentity, uuidBytes } from './own-rows.ts';
import { corrupt, decodeRecord, decodeShapedRecord } from './record-codec.ts';
import { StoreBatch } from './store-batch.ts';
import type { StoreIdentity } from './types.ts';

const formatVersion = 3;

export interface Opening {
  readonly identity: StoreIdentity;
  readonly newest: BatchRecord;
  readonly founding: Uint8Array | null;
  /** Of every partition that has rows. */
  readonly generations: ReadonlyMap<number, number>;
}

export interface OpeningOptions {
  /** Names the store in errors. */
  readonly place: string;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Of a new store: makes durable that it exists. */
  readonly created: () => Promise<void>;
}

export async function readOpening(db: Database, options: OpeningOptions): Promise<Opening> {
  const stored = await db.get(identityKey);
  if (stored === undefined) return createIdentity(db, options);
  const name = { partition: null, row: 'the identity' };
  const identity = decodeShapedRecord(identityKey, stored, name, decodeIdentity);
  if (identity.formatVersion !== formatVersion) throw unknownFormat(options.place, identity);
  return {
    identity,
    newest: await readNewestBatch(db),
    founding: await readFounding(db),
    generations: await readGenerations(db),
  };
}

async function createIdentity(
  db: Database,
  { randomBytes, created }: OpeningOptions,
): Promise<Opening> {
  if (!(await isEmpty(db, everything))) {
    throw corrupt({ partition: null, row: 'the identity' }, 'is missing while other rows stand');
  }
  const identity = { formatVersion, uuid: randomBytes(uuidBytes) };
  const generations = new Map<number, number>();
  const batch = new StoreBatch(db.batch(), generations);
  batch.putIdentity(identity);
  const newest = nextBatchRecord(null, randomBytes);
  await batch.commit(newest);
  await created();
  return { identity, newest, founding: null, generations };
}

async function readFounding(db: Database): Promise<Buffer | null> {
  const stored = await db.get(foundingKey);
  if (stored === undefined) return null;
  return decodeRecord(foundingKey, stored, { partition: null, row: 'the founding record' });
}

/** One seek a partition: from each to the first key of the next. */
async function readGenerations(db: Database): Promise<Map<number, number>> {
  const generations = new Map<number, number>();
  let next = 0;
  while (next <= partitionMax) {
    const [first] = await readPage(db, partitionsFrom(next), { rows: 1 });
    if (first === undefined) break;
    const partition = partitionOf(first[0]);
    generations.set(partition, await readGeneration(db, partition));
    next = partition + 1;
  }
  return generations;
}

async function readGeneration(db: Database, partition: number): Promise<number> {
  const key = generationKey(partition);
  const name = { partition, row: 'the generation' };
  const stored = await db.get(key);
  if (stored === undefined) throw corrupt(name, 'is missing while other rows stand');
  return decodeShapedRecord(key, stored, name, decodeGeneration);
}

function unknownFormat(place: string, identity: StoreIdentity): PacelineError {
  const { formatVersion: found } = identity;
  return new PacelineError({
    reason: 'INTERNAL',
    message: `the store in ${place} has format ${found}; this version reads ${formatVersion}`,
  });
}
