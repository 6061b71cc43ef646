// What a connection between nodes carries, as bytes. Each direction is frames: length (4 bytes, big-endian, of what
// follows), kind (1 byte), body. The first frame of who dialed is a hello, so the first byte of a connection is 0,
// which no HTTP begins with. A batch's encoder leaves room in front, so that a batch is copied once.
import { PeerHello, Lane as WireLane } from '../gen/proto.ts';
import { lengthBytes } from './frame-reader.ts';
import { encodeBatch } from './message-codec.ts';
import type { Hello, Lane, PeerBatch } from './types.ts';

/** Of a connection that speaks this protocol. */
export const firstByte = 0;

const headBytes = lengthBytes + 1;
const storeUuidBytes = 16;

/** On the wire: a number is never given to another kind. */
const Kind = { HELLO: 1, BATCH: 2, REFUSAL: 3, ALIVE: 4 } as const;

export interface LaneHello {
  readonly hello: Hello;
  readonly lane: Lane;
}

export type Frame =
  | ({ readonly kind: 'hello' } & LaneHello)
  | { readonly kind: 'batch'; readonly bytes: Uint8Array }
  /** The last one: why the connection ends. */
  | { readonly kind: 'refusal'; readonly reason: string }
  /** Its sender reads and writes. */
  | { readonly kind: 'alive' };

const alive: Frame = { kind: 'alive' };

export function encodeHello(hello: Hello, lane: Lane): Buffer {
  return frameOf(Kind.HELLO, PeerHello.encode(helloFields(hello, lane)));
}

export function encodeBatchFrame(batch: PeerBatch): Buffer {
  const frame = encodeBatch(batch, headBytes);
  return withHead(frame, Kind.BATCH);
}

export function encodeRefusal(reason: string): Buffer {
  return frameOf(Kind.REFUSAL, Buffer.from(reason));
}

export function encodeAlive(): Buffer {
  return frameOf(Kind.ALIVE, Buffer.alloc(0));
}

/** Without its length; null: not a frame of this protocol. */
export function decodeFrame(bytes: Buffer): Frame | null {
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case Kind.BATCH:
      return { kind: 'batch', bytes: body };
    case Kind.ALIVE:
      return alive;
    case Kind.HELLO: {
      const hello = readHello(body);
      return hello === null ? null : { kind: 'hello', ...hello };
    }
    case Kind.REFUSAL:
      return { kind: 'refusal', reason: body.toString() };
    default:
      return null;
  }
}

function frameOf(kind: number, body: Buffer): Buffer {
  return withHead(Buffer.concat([Buffer.alloc(headBytes), body]), kind);
}

/** Writes length and kind into the room left for them. */
function withHead(frame: Buffer, kind: number): Buffer {
  frame.writeUInt32BE(frame.length - lengthBytes, 0);
  frame[lengthBytes] = kind;
  return frame;
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

function readHello(bytes: Uint8Array): LaneHello | null {
  const fields = decodeOrNull(bytes);
  if (fields === null) return null;
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

function decodeOrNull(bytes: Uint8Array): PeerHello | null {
  try {
    return PeerHello.decode(bytes);
  } catch {
    // protobufjs throws at whatever is not such a message; the caller ends the connection.
    return null;
  }
}

function readLane(lane: number): Lane | null {
  if (lane === WireLane.LANE_CONTROL) return 'control';
  return lane === WireLane.LANE_DATA ? 'data' : null;
}
