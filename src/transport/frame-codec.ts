// Frames of PeerService.Connect as bytes. A hello goes through protobuf; the frame around a batch is
// written by hand, in room that the batch's encoder left in front, so that a batch is copied once.
import { ConnectRequest, ConnectResponse, type PeerHello, Lane as WireLane } from '../gen/proto.ts';
import { encodeBatch } from './message-codec.ts';
import type { Hello, Lane, PeerBatch } from './types.ts';

const batchTag = (2 << 3) | 2;
const batchPrefixBytesMax = 6;
const storeUuidBytes = 16;

export interface LaneHello {
  readonly hello: Hello;
  readonly lane: Lane;
}

export type RequestFrame =
  | ({ readonly kind: 'hello' } & LaneHello)
  | { readonly kind: 'batch'; readonly bytes: Uint8Array };

export function encodeHelloRequest(hello: Hello, lane: Lane): Buffer {
  return ConnectRequest.encode({ hello: helloFields(hello, lane) });
}

export function encodeHelloResponse(hello: Hello, lane: Lane): Buffer {
  return ConnectResponse.encode({ hello: helloFields(hello, lane) });
}

/** ConnectRequest{batch}. */
export function encodeBatchRequest(batch: PeerBatch): Buffer {
  const room = encodeBatch(batch, batchPrefixBytesMax);
  const length = room.length - batchPrefixBytesMax;
  const start = batchPrefixBytesMax - 1 - varintBytes(length);
  room[start] = batchTag;
  writeVarint(room, length, start + 1);
  return room.subarray(start);
}

/** null: not a request of this protocol. */
export function decodeRequest(bytes: Buffer): RequestFrame | null {
  const request = decodeOrNull(() => ConnectRequest.decode(bytes));
  if (request === null) return null;
  if (request.hello === null) return { kind: 'batch', bytes: request.batch };
  const hello = readHello(request.hello);
  return hello === null || request.batch.length > 0 ? null : { kind: 'hello', ...hello };
}

export function decodeResponse(bytes: Buffer): LaneHello | null {
  const response = decodeOrNull(() => ConnectResponse.decode(bytes));
  return response?.hello ? readHello(response.hello) : null;
}

function decodeOrNull<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch {
    // protobufjs throws at whatever is not such a message; the caller ends the call.
    return null;
  }
}

function helloFields(hello: Hello, lane: Lane): PeerHello {
  const founding = hello.founding ?? new Uint8Array(0);
  const wireLane = lane === 'control' ? WireLane.LANE_CONTROL : WireLane.LANE_DATA;
  const { version, cluster, node, to, storeUuid, address, partitionCount, mapping } = hello;
  return {
    lane: wireLane,
    version,
    cluster,
    node,
    to,
    storeUuid,
    founding,
    address,
    partitionCount,
    mapping,
  };
}

function readHello(fields: PeerHello): LaneHello | null {
  const lane = readLane(fields.lane);
  if (lane === null || fields.storeUuid.length !== storeUuidBytes) return null;
  const { version, cluster, node, to, address, partitionCount, mapping } = fields;
  // Copied: a hello is kept for long, the frame it came in should not be.
  const storeUuid = Uint8Array.from(fields.storeUuid);
  const founding = fields.founding.length === 0 ? null : Uint8Array.from(fields.founding);
  return {
    lane,
    hello: { version, cluster, node, to, storeUuid, founding, address, partitionCount, mapping },
  };
}

function readLane(lane: number): Lane | null {
  if (lane === WireLane.LANE_CONTROL) return 'control';
  return lane === WireLane.LANE_DATA ? 'data' : null;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) count += 1;
  return count;
}

function writeVarint(target: Buffer, value: number, at: number): void {
  let rest = value;
  let next = at;
  for (; rest > 0x7f; rest >>>= 7, next += 1) target[next] = (rest & 0x7f) | 0x80;
  target[next] = rest;
}
