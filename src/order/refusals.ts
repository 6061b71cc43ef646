// The sequencer's refusals. `decided` = it rests on state: it is answered once that state is committed
// and confirmed.
import type { Refusal } from '../errors.ts';
import { chainLimits } from './chains.ts';

interface Refused {
  readonly kind: 'refused';
  readonly refusal: Refusal;
  readonly decided: boolean;
}

export const idsExhausted: Refused = {
  kind: 'refused',
  decided: false,
  refusal: {
    reason: 'BUSY',
    field: 'conversation',
    message: 'the shard has given all its ids up to 200 ms ahead',
    retryAfterMs: 50,
  },
};

export const tooManyDevices: Refused = decided({
  reason: 'QUOTA',
  field: 'device',
  limit: chainLimits.devices,
  message: `the sender has ${chainLimits.devices} devices in this conversation, the limit`,
});

export function keyMismatch(seq: number): Refused {
  const message = `the key or client_seq was used with another body, content type or headers at seq ${seq}`;
  return decided({ reason: 'IDEMPOTENCY_MISMATCH', field: 'key', message, actual: seq });
}

export function mismatch(expected: number, actual: number): Refused {
  const message = `expected_seq is ${expected}, the head is ${actual}`;
  return decided({ reason: 'EXPECTED_SEQ_MISMATCH', field: 'expected_seq', message, actual });
}

export function seenTooFar(seen: number, head: number): Refused {
  const message = `seen_seq is ${seen}, the head is ${head}`;
  return decided({ reason: 'IN_FUTURE', field: 'seen_seq', message, actual: head });
}

export function fenced(epoch: number, actual: number): Refused {
  const message = `the device wrote here with epoch ${actual}, ${epoch} is over`;
  return decided({ reason: 'EPOCH_FENCED', field: 'epoch', message, actual });
}

export function passed(clientSeq: number, last: number): Refused {
  const message = `the chain is at client_seq ${last}, ${clientSeq} has no place in it`;
  return decided({ reason: 'CHAIN_PASSED', field: 'client_seq', message, actual: last });
}

export function senderGap(want: number, last: number): Refused {
  const message = `the chain is at client_seq ${last}, the command follows ${want}`;
  return decided({ reason: 'SENDER_GAP', field: 'prev_client_seq', message, actual: last, want });
}

export function notPending(seq: number): Refused {
  return decided({ reason: 'NOT_PENDING', field: 'seq', message: `seq ${seq} is not pending` });
}

function decided(refusal: Refusal): Refused {
  return { kind: 'refused', refusal, decided: true };
}
