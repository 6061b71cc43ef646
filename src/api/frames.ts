// An AppendSession frame from its bytes to raw groups, without copying a command.
import { createReader } from '../gen/wire.ts';

export interface RawGroup {
  readonly partition: number;
  readonly atomic: boolean;
  readonly restart: readonly string[];
  /** Wire forms, as they came: views of the frame. */
  readonly commands: readonly Uint8Array[];
  readonly bytes: number;
}

export interface RawFrame {
  readonly frame: number;
  readonly groups: readonly RawGroup[];
  readonly bytes: number;
}

/** Tags of AppendSessionRequest and AppendGroup: field number and wire type. */
const frameTag = { frame: 0x08, groups: 0x12 } as const;
const groupTag = { partition: 0x10, restart: 0x1a, atomic: 0x20, commands: 0x2a } as const;

/** null: not an AppendSessionRequest. */
export function readFrame(bytes: Buffer): RawFrame | null {
  try {
    const reader = createReader(bytes);
    let frame = 0;
    const groups: RawGroup[] = [];
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === frameTag.frame) frame = Number(reader.uint64());
      else if (tag === frameTag.groups) groups.push(readGroup(reader.bytes()));
      else reader.skipType(tag & 7);
    }
    return { frame, groups, bytes: bytes.length };
  } catch {
    return null;
  }
}

function readGroup(bytes: Uint8Array): RawGroup {
  const reader = createReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  let partition = 0;
  let atomic = false;
  const restart: string[] = [];
  const commands: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === groupTag.commands) commands.push(reader.bytes());
    else if (tag === groupTag.partition) partition = reader.uint32();
    else if (tag === groupTag.atomic) atomic = reader.bool();
    else if (tag === groupTag.restart) restart.push(reader.string());
    else reader.skipType(tag & 7);
  }
  return { partition, atomic, restart, commands, bytes: bytes.length };
}
