// What can be said of a message before it is kept: a refusal that comes later leaves a hole in its chain.
import { scanCommand } from '../command.ts';
import { isBadName, parseConversation } from '../conversation.ts';
import { PacelineError, type Reason } from '../errors.ts';
import { encodeAppend } from './append.ts';
import type { KeptMessage, OutboxMessage } from './outbox-store.ts';

const deviceBytesMax = 64;
const anyKey = 'k'.repeat(64);

/** Whose messages the outbox sends. */
export interface Sender {
  readonly sender: string;
  readonly device: string;
  readonly epoch: number;
}

/** Throws PacelineError. */
export function checkSender({ sender, device, epoch }: Sender): void {
  checkMessage({ conversation: 's:0', body: '' }, sender, 0);
  const deviceBytes = Buffer.byteLength(device);
  if (deviceBytes > deviceBytesMax) {
    const message = `device has ${deviceBytes} bytes, the limit is ${deviceBytesMax}`;
    throw new PacelineError({
      reason: 'TOO_LARGE',
      field: 'device',
      limit: deviceBytesMax,
      message,
    });
  }
  checkNumber('epoch', epoch);
}

/** The message as it is kept: named canonically, with bytes of its own. Throws PacelineError. */
export function checkMessage(
  message: OutboxMessage,
  sender: string,
  nowMs: number,
): KeptMessage['message'] {
  const name = parseConversation(message.conversation);
  if (isBadName(name)) throw refused('BAD_CONVERSATION', 'conversation', name.problem);
  const { clientTimeMs = Math.floor(nowMs) } = message;
  const body = Buffer.from(message.body);
  const headers = message.headers?.map(({ name: key, value }) => ({ name: key, value }));
  checkNumber('expected_seq', message.expectedSeq);
  checkNumber('client_time_ms', clientTimeMs);
  checkNumber('seen_seq', message.seenSeq);
  const { contentType, expectedSeq } = message;
  const kept = {
    ...message,
    ...(headers === undefined ? {} : { headers }),
    conversation: name.text,
    body,
    clientTimeMs,
  };
  const command = {
    conversation: name.text,
    sender,
    body,
    ...(contentType === undefined ? {} : { contentType }),
    ...(headers === undefined ? {} : { headers }),
    ...(expectedSeq === undefined ? {} : { expectedSeq }),
  };
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
