// Frames of an append session, from commands that are already encoded and back from the answers.
import { AppendSessionResponse } from '../gen/proto.ts';
import { createWriter } from '../gen/wire.ts';

export const frameBounds = { commands: 4096, bytes: 1000 * 1024 } as const;

export interface FrameGroup {
  readonly partition: number;
  readonly restart: readonly string[];
  readonly commands: readonly Uint8Array[];
}

export function encodeFrame(frame: number, groups: readonly FrameGroup[]): Buffer {
  const writer = createWriter().uint32(0x08).uint64(frame);
  for (const { partition, restart, commands } of groups) {
    writer.uint32(0x12).fork();
    if (partition > 0) writer.uint32(0x10).uint32(partition);
    for (const conversation of restart) writer.uint32(0x1a).string(conversation);
    for (const command of commands) writer.uint32(0x2a).bytes(command);
    writer.ldelim();
  }
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function decodeResponse(bytes: Buffer): AppendSessionResponse {
  return AppendSessionResponse.decode(bytes);
}
