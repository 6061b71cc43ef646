// What can be said of a message before it is kept: a refusal that comes later leaves a hole in its chain.
import { scanCommand } from '../command.ts';
import { PacelineError } from '../errors.ts';
import { encodeAppend } from './append.ts';
import { checkAppend } from './check-append.ts';
import { checkConversation, checkNumber } from './check-value.ts';
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
  checkAppend({ ...message, sender, device, epoch });
  const name = checkConversation(message.conversation);
  const headers = message.headers?.map(({ name: header, value }) => ({ name: header, value }));
  const kept = {
    ...message,
    ...(headers === undefined ? {} : { headers }),
    conversation: name.text,
    body: Buffer.from(message.body),
    clientTimeMs: message.clientTimeMs ?? Math.floor(nowMs),
  };
  checkNumber('client_time_ms', kept.clientTimeMs);
  const command = { ...kept, sender, device, epoch, clientSeq: 1, prevClientSeq: 0 };
  const scanned = scanCommand(encodeAppend(command, name.text, anyKey));
  if (scanned.kind === 'refused') throw new PacelineError(scanned.refusal);
  return kept;
}
