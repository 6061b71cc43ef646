// Commands that the leader itself writes: they pass no edge, and no client can send the like.
import type { Command, Link } from '../command.ts';
import type { CommandEvent } from '../command-event.ts';
import { AppendCommand } from '../gen/proto.ts';
import type { Due } from './rows.ts';

/** In the place of what is missing before `link`, of the same sender. */
export function encodeGapMarker(command: Command, link: Link, after: number): Command {
  const { conversation, sender, device } = AppendCommand.decode(command.bytes);
  const { epoch, clientSeq: before } = link;
  const gapMarker = {
    ...(device === '' ? {} : { device }),
    ...(epoch === 0 ? {} : { epoch }),
    ...(after === 0 ? {} : { after }),
    before,
  };
  return leaderCommand(conversation, AppendCommand.encode({ conversation, sender, gapMarker }));
}

/** A pending message ends because nobody ended it in time. */
export function encodePendingEnd({ conversation, seq, releases }: Due): Command {
  const end = releases ? { release: { seq } } : { reject: { seq } };
  const event = { kind: releases ? ('release' as const) : ('reject' as const), seq };
  return leaderCommand(conversation, AppendCommand.encode({ conversation, ...end }), event);
}

function leaderCommand(
  conversation: string,
  bytes: Uint8Array,
  event: CommandEvent | null = null,
): Command {
  return {
    ...{ bytes, conversation, identity: '', identityEnd: 0, payloadEnd: 0 },
    ...{ expectedSeq: null, link: null, seenSeq: 0, pending: false, event },
  };
}
