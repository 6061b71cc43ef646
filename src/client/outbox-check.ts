// What can be said of a message before it is kept: a refusal that comes later leaves a hole in its chain.
import { scanCommand } from '../command.ts';
import { isBadName, parseConversation } from '../conversation.ts';
import { PacelineError, type Reason } from '../errors.ts';
import { encodeAppend } from './append.ts';
import type { KeptMessage, OutboxMessage } from './outbox-store.ts';

const anyKey = 'k'.repeat(64);

/** Whose messages the outbox sends. */
export interface Sender {
  readonly sender: string;
  readonly device: string;
  readonly epoch: number;
}

/** Throws PacelineError. */
export function checkSender(from: Sender): void {
  checkNumber('epoch', from.epoch);
  checkMessage({ conversation: 's:0', body: '' }, from, 0);
}

/** The message as it is kept: named canonically, with bytes of its own. Throws PacelineError. */
export function checkMessage(
  message: OutboxMessage,
  { sender, device, epoch }: Sender,
  nowMs: number,
): KeptMessage['message'] {
  const name = parseConversation(message.conversation);
  if (isBadName(name)) throw refused('BAD_CONVERSATION', 'conversation', name.problem);
  const headers = message.headers?.map(({ name: header, value }) => ({ name: header, value }));
  const kept = {
    ...message,
    ...(headers === undefined ? {} : { headers }),
    conversation: name.text,
    body: Buffer.from(message.body),
    clientTimeMs: message.clientTimeMs ?? Math.floor(nowMs),
  };
  checkNumber('expected_seq', kept.expectedSeq);
  checkNumber('client_time_ms', kept.clientTimeMs);
  checkNumber('seen_seq', kept.seenSeq);
  const command = { ...kept, sender, device, epoch, clientSeq: 1, prevClientSeq: 0 };
  const scanned = scanCommand(encodeAppend(command, name.text, anyKey));
  if (scanned.kind === 'refused') throw new PacelineError(scanned.refusal);
  return kept;
}

function checkNumber(field: string, value = 0): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw refused('BAD_COMMAND', field, `${field} is not an integer from 0 to 2^53 - 1`);
}

function refused(reason: Reason, field: string, message: string): PacelineError {
  return new PacelineError({ reason, field, message });
}
