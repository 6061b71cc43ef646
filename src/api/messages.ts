// Stored messages and events on the wire, as far as the one who reads may see them.
import Long from 'long';
import {
  AppendCommand,
  type AppendCommandInput,
  type ChatMessageInput,
  MessageState,
} from '../gen/proto.ts';
import type { StoredMessage } from '../node/stored-message.ts';
import { isEvent } from '../order/header.ts';
import { composeIdHalves } from '../order/ids.ts';

const states = {
  normal: MessageState.MESSAGE_STATE_UNSPECIFIED,
  pending: MessageState.MESSAGE_STATE_PENDING,
  rejected: MessageState.MESSAGE_STATE_REJECTED,
} as const;

/** `viewer`: who reads, '' = nobody in particular. */
export function messageOf(message: StoredMessage, viewer: string): ChatMessageInput {
  const { rev, timeMs, index, slot, state, subject, epoch, lateFor } = message;
  const command = AppendCommand.decode(message.command);
  const shown: ChatMessageInput = { rev, id: idOf(message), timeMs, command, index, slot };
  if (isEvent(message)) {
    if (subject !== null) shown.subject = messageOf(subject, viewer);
    if (epoch > 0) shown.epoch = epoch;
    return shown;
  }
  shown.seq = message.seq;
  if (state !== 'normal') {
    shown.state = states[state];
    if (command.sender !== viewer) shown.command = stubOf(command);
  }
  if (lateFor !== null) {
    shown.late = true;
    shown.lateFor = lateFor;
  }
  return shown;
}

function idOf({ idMs, shard, idCounter }: StoredMessage): Long {
  const [low, high] = composeIdHalves(idMs, shard, idCounter);
  return Long.fromBits(low, high, true);
}

/** That there is something, from whom and when they sent it. */
function stubOf(command: AppendCommand): AppendCommandInput {
  const { key, body, contentType, headers, ...stub } = command;
  return stub;
}
