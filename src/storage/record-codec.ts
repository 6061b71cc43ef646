// What lies around every value but entries: version (1 byte), CRC-32 of full key and value (4,
// big-endian), value. So a row that was damaged, or came under another key, is never taken for
// good. Entries carry the same guarantee in their own bytes (entry.ts) and are stored as they are.
import { crc32 } from '../checksum.ts';
import { decodeEntry, type LogEntry } from '../entry.ts';
import { PacelineError } from '../errors.ts';

const recordVersion = 1;
const crcAt = 1;
const valueAt = 5;

/** Names a row for people; null = the store's own. Never a user's key. */
export interface RecordName {
  readonly partition: number | null;
  readonly row: string;
}

export function encodeRecord(key: Uint8Array, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(valueAt + value.length);
  stored[0] = recordVersion;
  stored.writeUInt32BE(recordCrc(key, value), crcAt);
  stored.set(value, valueAt);
  return stored;
}

/** The value, sharing memory with `stored`; throws CORRUPT unless encodeRecord made it. */
export function decodeRecord(key: Uint8Array, stored: Buffer, name: RecordName): Buffer {
  if (stored.length < valueAt) throw corrupt(name, 'is cut short');
  if (stored[0] !== recordVersion) throw corrupt(name, `is of unknown version ${stored[0]}`);
  const value = stored.subarray(valueAt);
  if (stored.readUInt32BE(crcAt) !== recordCrc(key, value)) {
    throw corrupt(name, 'is damaged: its checksum does not match');
  }
  return value;
}

/** The same for a value that `decode` understands; null from it means that the shape is wrong. */
export function decodeShapedRecord<T>(
  key: Uint8Array,
  stored: Buffer,
  name: RecordName,
  decode: (value: Buffer) => T | null,
): T {
  const shaped = decode(decodeRecord(key, stored, name));
  if (shaped === null) throw corrupt(name, 'does not have the shape of its version');
  return shaped;
}

/** The entry stored under `index`; throws CORRUPT where it is anything else. */
export function decodeStoredEntry(partition: number, index: number, stored: Buffer): LogEntry {
  const entry = decodeEntry(partition, stored);
  const name = entryName(partition, index);
  if (entry === null) throw corrupt(name, 'is damaged: its bytes do not match its checksum');
  if (entry.index !== index) throw corrupt(name, `holds entry ${entry.index} in its place`);
  return entry;
}

export function entryName(partition: number, index: number): RecordName {
  return { partition, row: `entry ${index}` };
}

export function corrupt(name: RecordName, what: string): PacelineError {
  const owner = name.partition === null ? 'store' : `partition ${name.partition}`;
  return new PacelineError({ reason: 'CORRUPT', message: `${owner}: ${name.row} ${what}` });
}

function recordCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key));
}
