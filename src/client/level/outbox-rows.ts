// The values of an outbox's rows: CRC-32 of key and value (4 bytes, big-endian), then msgpack, positional
// arrays that begin with a version. A row that was damaged, or came under another key, is CORRUPT.
import { Packr } from 'msgpackr';
import { crc32 } from '../../checksum.ts';
import { PacelineError } from '../../errors.ts';
import type { ChainRow, KeptMessage, OutboxHead } from '../outbox-store.ts';

const version = 1;
const valueAt = 4;
const packr = new Packr({ useRecords: false });

export function encodeHead(key: Buffer, { sender, device, epoch, uuid }: OutboxHead): Buffer {
  return encodeRow(key, [sender, device, epoch, uuid]);
}

export function decodeHead(key: Buffer, stored: Buffer): OutboxHead {
  const [sender, device, epoch, uuid] = decodeRow(key, stored);
  if (!isText(sender) || !isText(device) || !isCount(epoch) || !isText(uuid)) throw badShape();
  return { sender, device, epoch, uuid };
}

export function encodeChain(key: Buffer, row: ChainRow): Buffer {
  return encodeRow(key, [row.conversation, row.epoch, row.last, row.linked, row.kept]);
}

export function decodeChain(key: Buffer, stored: Buffer): ChainRow {
  const [conversation, epoch, last, linked, kept] = decodeRow(key, stored);
  if (!isText(conversation) || !isCount(epoch) || !isCount(last)) throw badShape();
  if (!isCount(linked) || !isCount(kept)) throw badShape();
  return { conversation, epoch, last, linked, kept };
}

export function encodeMessage(key: Buffer, { message, clientSeq, epoch, key: id }: KeptMessage) {
  const { conversation, body, contentType, headers, expectedSeq } = message;
  const { clientTimeMs, seenSeq, pending } = message;
  return encodeRow(key, [
    conversation,
    clientSeq,
    epoch,
    id,
    Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    contentType ?? null,
    headers?.flatMap(({ name, value }) => [name, value]) ?? null,
    expectedSeq ?? null,
    clientTimeMs ?? null,
    seenSeq ?? null,
    pending ?? null,
  ]);
}

export function decodeMessage(key: Buffer, stored: Buffer): KeptMessage {
  const [conversation, clientSeq, epoch, id, body, ...rest] = decodeRow(key, stored);
  const [contentType, headers, expectedSeq, clientTimeMs, seenSeq, pending] = rest;
  if (!isText(conversation) || !isCount(clientSeq) || !isCount(epoch)) throw badShape();
  if (!isText(id) || !Buffer.isBuffer(body)) throw badShape();
  const message = {
    conversation,
    body,
    ...(isText(contentType) ? { contentType } : {}),
    ...(Array.isArray(headers) ? { headers: pairs(headers) } : {}),
    ...(isCount(expectedSeq) ? { expectedSeq } : {}),
    ...(isCount(clientTimeMs) ? { clientTimeMs } : {}),
    ...(isCount(seenSeq) ? { seenSeq } : {}),
    ...(typeof pending === 'boolean' ? { pending } : {}),
  };
  return { message, clientSeq, epoch, key: id };
}

function encodeRow(key: Buffer, fields: readonly unknown[]): Buffer {
  const value = packr.pack([version, ...fields]);
  const stored = Buffer.allocUnsafe(valueAt + value.length);
  stored.writeUInt32BE(crc32(value, crc32(key)));
  stored.set(value, valueAt);
  return stored;
}

function decodeRow(key: Buffer, stored: Buffer): unknown[] {
  const value = stored.subarray(valueAt);
  if (stored.length <= valueAt || stored.readUInt32BE() !== crc32(value, crc32(key))) {
    throw corrupt('is damaged: its checksum does not match');
  }
  const fields: unknown = packr.unpack(value);
  if (!Array.isArray(fields)) throw badShape();
  if (fields[0] !== version) throw corrupt(`is of unknown version ${fields[0]}`);
  return fields.slice(1);
}

function pairs(flat: readonly unknown[]): { name: string; value: string }[] {
  const headers: { name: string; value: string }[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at];
    const value = flat[at + 1];
    if (!isText(name) || !isText(value)) throw badShape();
    headers.push({ name, value });
  }
  return headers;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function badShape(): PacelineError {
  return corrupt('does not have the shape of its version');
}

function corrupt(what: string): PacelineError {
  return new PacelineError({ reason: 'CORRUPT', message: `a row of the outbox ${what}` });
}
