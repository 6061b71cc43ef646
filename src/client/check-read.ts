// What can be said of a read before any node is asked: on the wire a limit of 1.5 is 1, one of 0 is 100, and a
// direction that is none is forward. Beyond a limit the reason is the node's.
import {
  checkConversation,
  checkNumber,
  checkServer,
  checkText,
  checkWord,
  refused,
} from './check-value.ts';
import type { Read } from './reads.ts';

const pageMax = 1000;
const headsMax = 1000;

/** Throws PacelineError with the field. */
export function checkRead(read: Read): void {
  if (typeof read !== 'object' || read === null) {
    throw refused('BAD_REQUEST', 'read', 'a read is an object');
  }
  const { limit, viewer, server, token } = read;
  checkConversation(read.conversation);
  checkNumber('after_seq', read.afterSeq, 'BAD_REQUEST');
  checkNumber('before_seq', read.beforeSeq, 'BAD_REQUEST');
  checkNumber('around_seq', read.aroundSeq, 'BAD_REQUEST');
  checkWord('BAD_REQUEST', 'direction', read.direction, ['forward', 'backward']);
  checkWord('BAD_REQUEST', 'level', read.level, ['linearizable', 'at-least', 'eventual']);
  if (limit !== undefined) checkLimit(limit);
  if (viewer !== undefined) checkText('BAD_REQUEST', 'viewer', viewer);
  if (server !== undefined) checkServer('server', server);
  if (token !== undefined && !(token instanceof Uint8Array)) {
    throw refused('BAD_REQUEST', 'read_token', 'read_token is not a Uint8Array');
  }
}

/** Throws PacelineError with the field. */
export function checkHeads(conversations: readonly string[]): void {
  if (!Array.isArray(conversations)) {
    throw refused('BAD_REQUEST', 'conversations', 'conversations is not an array of names');
  }
  const { length } = conversations;
  if (length > headsMax) throw tooLarge('conversations', length, headsMax);
  for (const [i, name] of conversations.entries()) checkConversation(name, `conversations[${i}]`);
}

function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1) {
    const message = `limit is not an integer from 1 to ${pageMax}`;
    throw refused('BAD_REQUEST', 'limit', message, pageMax);
  }
  if (limit > pageMax) throw tooLarge('limit', limit, pageMax);
}

function tooLarge(field: string, has: number, limit: number) {
  return refused('TOO_LARGE', field, `${field} is ${has}, the limit is ${limit}`, limit);
}
