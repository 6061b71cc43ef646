// msgpackr's packer for everything order keeps; positional arrays only.
import { Packr } from 'msgpackr';
import { assert } from '../assert.ts';

const packr = new Packr({ useRecords: false });

export function pack(fields: readonly unknown[]): Uint8Array {
  const bytes = packr.pack(fields);
  assert(bytes.length > 0, 'a packed array is never empty');
  return bytes;
}

/** null where the bytes are not one msgpack array. */
export function unpackArray(bytes: Uint8Array): unknown[] | null {
  try {
    const value: unknown = packr.unpack(bytes);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

export function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const item of value) if (typeof item !== 'number') return false;
  return true;
}
