// What can be said of a subscription before any node is asked: on the wire a conversation without a name is a
// partition, with the messages of everybody in it.
import {
  checkConversation,
  checkNumber,
  checkServer,
  checkSignal,
  checkText,
  checkWord,
  refused,
  uint32Max,
} from './check-value.ts';
import type { Subscribe } from './subscription.ts';

/** As many credits as a node takes at once. */
const windowMax = 1_000_000;

/** Throws PacelineError with the field. */
export function checkSubscribe(subscribe: Subscribe): void {
  if (typeof subscribe !== 'object' || subscribe === null) {
    throw refused('BAD_REQUEST', 'subscribe', 'what to subscribe to is an object');
  }
  if ('conversation' in subscribe) {
    checkConversation(subscribe.conversation);
    checkNumber('after_seq', subscribe.afterSeq, 'BAD_REQUEST');
    checkNumber('after_rev', subscribe.afterRev, 'BAD_REQUEST');
    const { afterSeq = 0, afterRev = 0 } = subscribe;
    if (afterSeq > 0 && afterRev > 0) {
      throw refused(
        'BAD_REQUEST',
        'after_rev',
        'after_rev: at most one of after_seq and after_rev',
      );
    }
  } else if ('partition' in subscribe) {
    checkNumber('partition', subscribe.partition ?? null, 'BAD_REQUEST', uint32Max);
    checkNumber('after_index', subscribe.afterIndex, 'BAD_REQUEST');
  } else throw refused('BAD_REQUEST', 'conversation', 'no conversation and no partition is given');
  const { window = 1, viewer, prefer, server, onReach, signal } = subscribe;
  if (!Number.isInteger(window) || window < 1 || window > windowMax) {
    const message = `window is not an integer from 1 to ${windowMax}`;
    throw refused('BAD_REQUEST', 'window', message, windowMax);
  }
  if (viewer !== undefined) checkText('BAD_REQUEST', 'viewer', viewer);
  checkWord('BAD_REQUEST', 'prefer', prefer, ['leader', 'any']);
  if (server !== undefined) checkServer('server', server);
  if (onReach !== undefined && typeof onReach !== 'function') {
    throw refused('BAD_REQUEST', 'onReach', 'onReach is not a function');
  }
  if (signal !== undefined) checkSignal(signal);
}
