// An AppendSession frame from its bytes to raw groups, without copying a command.
import { createReader, skipField } from '../gen/wire.ts';

export const frameLimits = {
  commands: 4096,
  bytes: 1024 * 1024,
  atomicCommands: 128,
  atomicBytes: 1024 * 1024,
  /** Groups and commands, and names to restart: what has more ends its stream, as each costs work. */
  parts: 2 * 4096,
  /** With their numbers, also such as are given again. */
  fields: 8 * 4096,
  restarts: 65_536,
  /** What has more ends its stream, unless it is one command: the rest would be read for nothing. */
  readBytes: 4 * 1024 * 1024,
} as const;

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
  /** It has more parts than are read: it is not whole. */
  readonly isOverfull: boolean;
}

interface Count {
  fields: number;
  parts: number;
  restarts: number;
}

/** Tags of AppendSessionRequest and AppendGroup: field number and wire type. */
const frameTag = { frame: 0x08, groups: 0x12 } as const;
const groupTag = { partition: 0x10, restart: 0x1a, atomic: 0x20, commands: 0x2a } as const;

/** One command in one group. */
const aloneParts = 2;

/** null: not an AppendSessionRequest. */
export function readFrame(bytes: Buffer): RawFrame | null {
  try {
    const reader = createReader(bytes);
    const count = { fields: 0, parts: 0, restarts: 0 };
    let frame = 0;
    const groups: RawGroup[] = [];
    while (reader.pos < reader.len && !isOver(count)) {
      const tag = reader.uint32();
      count.fields += 1;
      if (tag === frameTag.frame) frame = Number(reader.uint64());
      else if (tag === frameTag.groups) groups.push(readGroup(reader.bytes(), count));
      else skipField(reader, tag);
    }
    // Answered as another number, its sender would not know it.
    if (!Number.isSafeInteger(frame)) return null;
    const isTooLong = bytes.length > frameLimits.readBytes && count.parts > aloneParts;
    return { frame, groups, bytes: bytes.length, isOverfull: isTooLong || isOver(count) };
  } catch {
    return null;
  }
}

function isOver({ fields, parts, restarts }: Count): boolean {
  const { fields: fieldsMax, parts: partsMax, restarts: restartsMax } = frameLimits;
  return fields > fieldsMax || parts > partsMax || restarts > restartsMax;
}

function readGroup(bytes: Uint8Array, count: Count): RawGroup {
  count.parts += 1;
  const reader = createReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  let partition = 0;
  let atomic = false;
  const restart: string[] = [];
  const commands: Uint8Array[] = [];
  while (reader.pos < reader.len && !isOver(count)) {
    const tag = reader.uint32();
    count.fields += 1;
    if (tag === groupTag.commands) {
      commands.push(reader.bytes());
      count.parts += 1;
    } else if (tag === groupTag.partition) partition = reader.uint32();
    else if (tag === groupTag.atomic) atomic = reader.bool();
    else if (tag === groupTag.restart) {
      restart.push(reader.string());
      count.restarts += 1;
      count.fields -= 1;
    } else skipField(reader, tag);
  }
  return { partition, atomic, restart, commands, bytes: bytes.length };
}
