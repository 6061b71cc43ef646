// The edge's check of what clients send, once: limits, names, canonical form. What passes is trusted
// inside; what does not is answered with the field and the limit.
import { type Command, commandLimits, type Scanned, scanCommand } from '../command.ts';
import { isBadName } from '../conversation.ts';
import type { Refusal } from '../errors.ts';
import { encodeCanonical } from '../gen/canonical.ts';
import { asBuffer, createReader, skipField } from '../gen/wire.ts';
import type { BadCommand } from '../node/groups.ts';
import type { Node } from '../node/node.ts';
import type { Placed } from '../order/sequencer.ts';
import type { Place } from '../shard.ts';
import { frameLimits, type RawFrame, type RawGroup } from './frames.ts';

/** Field number and wire type. */
const conversationTag = 0x0a;

/** A command with its place, or why it is refused: where `partition` is given also for being in another one. */
export function checkCommand(node: Node, bytes: Uint8Array, partition?: number): Placed | Refusal {
  const command = canonicalCommand(bytes);
  if ('reason' in command) return command;
  const place = checkConversation(node, command.conversation);
  if ('reason' in place) {
    // The command's is read as Latin-1: what is wrong is said of the name as it was written.
    const written = checkConversation(node, conversationIn(bytes));
    return 'reason' in written ? written : place;
  }
  const belongs = node.partitionOf(place.shard);
  if (partition !== undefined && belongs !== partition) {
    const message = `the conversation is in partition ${belongs}, not ${partition}`;
    return { reason: 'NO_SUCH_PARTITION', field: 'partition', message, actual: belongs };
  }
  if (place.text === command.conversation) return { command, shard: place.shard };
  const renamed = canonicalCommand(encodeCanonical(command.bytes, place.text));
  return 'reason' in renamed ? renamed : { command: renamed, shard: place.shard };
}

/** A command that did not pass, with the conversation whose order it breaks. */
export function badCommand(node: Node, bytes: Uint8Array, refusal: Refusal): BadCommand {
  const place = checkConversation(node, conversationIn(bytes));
  return { refusal, conversation: 'shard' in place ? place.text : '' };
}

/** Of a command of any bytes; '' where it names none, or is no protobuf. */
function conversationIn(bytes: Uint8Array): string {
  let conversation = '';
  try {
    const reader = createReader(asBuffer(bytes));
    for (let fields = 0; reader.pos < reader.len; fields += 1) {
      if (fields === commandLimits.fields) return '';
      const tag = reader.uint32();
      if (tag === conversationTag) conversation = reader.string();
      else skipField(reader, tag);
    }
  } catch {
    return '';
  }
  return conversation;
}

/** The canonical name and its shard. */
export function checkConversation(node: Node, name: string): Place | Refusal {
  const place = node.placeOf(name);
  if ('shard' in place) return place;
  const problem = isBadName(place) ? place.problem : 'not a name';
  const message = `conversation: ${problem}`;
  const limit = isBadName(place) && place.limit !== undefined ? { limit: place.limit } : {};
  return { reason: 'BAD_CONVERSATION', field: 'conversation', message, ...limit };
}

/** Why there is no such partition, or null. */
export function checkPartition(node: Node, partition: number): Refusal | null {
  const limit = node.config.cluster.partitions - 1;
  if (partition <= limit) return null;
  const message = `there is no partition ${partition}, they are 0 to ${limit}`;
  return { reason: 'NO_SUCH_PARTITION', field: 'partition', limit, message };
}

/** Why the whole frame is refused, or null. */
export function checkFrame(frame: RawFrame): Refusal | null {
  // A group without commands is answered too.
  const commands = frame.groups.reduce((sum, group) => sum + (group.commands.length || 1), 0);
  const { commands: commandsMax, bytes: bytesMax } = frameLimits;
  if (commands > commandsMax) return tooLarge('groups', commands, commandsMax, 'commands');
  if (frame.bytes > bytesMax && commands > 1) {
    return tooLarge('groups', frame.bytes, bytesMax, 'bytes');
  }
  return null;
}

/** Why the whole group is refused, or null. */
export function checkGroup(node: Node, group: RawGroup): Refusal | null {
  if (group.commands.length === 0) {
    return { reason: 'BAD_REQUEST', field: 'commands', message: 'a group has no commands' };
  }
  const refusal = checkPartition(node, group.partition);
  if (refusal !== null || !group.atomic) return refusal;
  const { atomicCommands, atomicBytes } = frameLimits;
  const { length } = group.commands;
  if (length > atomicCommands) return tooLarge('commands', length, atomicCommands, 'commands');
  if (group.bytes > atomicBytes) return tooLarge('commands', group.bytes, atomicBytes, 'bytes');
  return null;
}

/** An atomic batch is in one conversation. */
export function checkAtomic(placed: readonly (Placed | BadCommand)[]): Refusal | null {
  const names = new Set<string>();
  for (const item of placed) if ('command' in item) names.add(item.command.conversation);
  if (names.size <= 1) return null;
  const message = 'an atomic batch is in one conversation';
  return { reason: 'BAD_REQUEST', field: 'atomic', limit: 1, actual: names.size, message };
}

function tooLarge(field: string, has: number, limit: number, unit: string): Refusal {
  const message = `${field} has ${has} ${unit}, the limit is ${limit}`;
  return { reason: 'BATCH_TOO_LARGE', field, limit, actual: has, message };
}

function canonicalCommand(bytes: Uint8Array): Command | Refusal {
  const scanned = scanCommand(bytes);
  if (scanned.kind === 'command') return scanned.command;
  if (scanned.kind === 'refused') return scanned.refusal;
  const again = scanAgain(bytes);
  if (again?.kind === 'command') return again.command;
  if (again?.kind === 'refused') return again.refusal;
  return { reason: 'BAD_COMMAND', field: 'command', message: 'not an AppendCommand' };
}

/** In canonical form; null: what the scan has passed over is no protobuf, such as a number of too many bytes. */
function scanAgain(bytes: Uint8Array): Scanned | null {
  try {
    return scanCommand(encodeCanonical(bytes));
  } catch {
    return null;
  }
}
