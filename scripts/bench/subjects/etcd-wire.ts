// As much of etcd's v3 API as the benchmark calls, by its field numbers (etcd's rpc.proto and kv.proto).
import { createReader, createWriter, type Reader } from '../../../src/gen/wire.ts';

export const paths = {
  put: '/etcdserverpb.KV/Put',
  range: '/etcdserverpb.KV/Range',
  watch: '/etcdserverpb.Watch/Watch',
  status: '/etcdserverpb.Maintenance/Status',
} as const;

export const asIs = (bytes: Buffer): Buffer => bytes;

/** PutRequest: key = 1, value = 2. */
export function putRequest(key: string, value: Uint8Array): Buffer {
  return asBuffer(createWriter().uint32(10).string(key).uint32(18).bytes(value).finish());
}

/** RangeRequest: key = 1, range_end = 2, serializable = 7 (what this node has), count_only = 9. */
export function countRequest(from: string, to: string): Buffer {
  const range = createWriter().uint32(10).string(from).uint32(18).string(to);
  return asBuffer(range.uint32(56).bool(true).uint32(72).bool(true).finish());
}

/** RangeResponse: count = 4. */
export function readCount(response: Buffer): number {
  let count = 0;
  eachField(response, (field, reader) => {
    if (field !== 4) return false;
    count = Number(reader.uint64());
    return true;
  });
  return count;
}

/** WatchRequest: create_request = 1 { key = 1, range_end = 2 }. */
export function watchRequest(from: string, to: string): Buffer {
  const create = createWriter().uint32(10).fork().uint32(10).string(from).uint32(18).string(to);
  return asBuffer(create.ldelim().finish());
}

/** WatchResponse: events = 11 { kv = 2 { value = 5 } }. */
export function readValues(response: Buffer): Uint8Array[] {
  const values: Uint8Array[] = [];
  eachField(response, (field, events) => {
    if (field !== 11) return false;
    eachField(events.bytes(), (eventField, kv) => {
      if (eventField !== 2) return false;
      eachField(kv.bytes(), (kvField, value) => {
        if (kvField !== 5) return false;
        values.push(value.bytes());
        return true;
      });
      return true;
    });
    return true;
  });
  return values;
}

/** StatusResponse: header = 1 { member_id = 2 }, version = 2, leader = 4. */
export function readStatus(response: Buffer): { version: string; isLeader: boolean } {
  let [member, leader, version] = ['', '', ''];
  eachField(response, (field, reader) => {
    if (field === 1) {
      eachField(reader.bytes(), (headerField, header) => {
        if (headerField !== 2) return false;
        member = String(header.uint64());
        return true;
      });
    } else if (field === 2) version = reader.string();
    else if (field === 4) leader = String(reader.uint64());
    else return false;
    return true;
  });
  return { version, isLeader: member === leader && member !== '' };
}

/** `onField` reads the field's value, or answers false. */
function eachField(bytes: Uint8Array, onField: (field: number, reader: Reader) => boolean): void {
  const reader = createReader(asBuffer(bytes));
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!onField(tag >>> 3, reader)) reader.skipType(tag & 7);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
