// What the bound's nodes and client say to each other. A client's frame is Paceline's own
// AppendSessionRequest; nodes read of it only whose messages it holds.
import { createReader, type Reader } from '../../../src/gen/wire.ts';

const service = '/paceline.bench.Bound';
export const paths = {
  append: `${service}/Append`,
  replicate: `${service}/Replicate`,
  follow: `${service}/Follow`,
  count: `${service}/Count`,
} as const;

export const asIs = (bytes: Buffer): Buffer => bytes;

/** Frames one after the other, each with its length: an entry of the log. */
export function packFrames(frames: readonly Buffer[]): Buffer {
  const entry = Buffer.allocUnsafe(frames.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const frame of frames) {
    at = entry.writeUInt32LE(frame.length, at);
    at += frame.copy(entry, at);
  }
  return entry;
}

export function unpackFrames(entry: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < entry.length; ) {
    const end = at + 4 + entry.readUInt32LE(at);
    frames.push(entry.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

/** The number of a frame, and the conversation of each of its commands, in order. */
export function readFrame(frame: Buffer): { number: number; conversations: string[] } {
  const reader = createReader(frame);
  const conversations: string[] = [];
  let number = 0;
  while (reader.pos < reader.len) {
    const isGroup = reader.uint32() >>> 3 === 2;
    if (isGroup) readGroup(reader, reader.uint32() + reader.pos, conversations);
    else number = reader.uint32();
  }
  return { number, conversations };
}

function readGroup(reader: Reader, end: number, conversations: string[]): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 !== 5) {
      reader.skipType(tag & 7);
      continue;
    }
    const commandEnd = reader.uint32() + reader.pos;
    // The canonical form begins with the conversation.
    reader.pos += 1;
    conversations.push(reader.string());
    reader.pos = commandEnd;
  }
}
