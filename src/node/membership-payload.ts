// A membership as the payload of a CONFIG entry: the entry's header, and no commands.
import { assert } from '../assert.ts';
import { createPayload, type EntryPayload, payloadBytes, payloadHeader } from '../entry.ts';
import { isNumbers, pack, unpackArray } from '../order/packing.ts';
import type { Membership } from '../raft/membership.ts';

const version = 1;

export function membershipPayload(membership: Membership, salt?: Uint8Array) {
  const { incoming, outgoing, learners, learnersNext, highestId, autoLeave } = membership;
  const lists = [incoming, outgoing, learners, learnersNext];
  const payload = createPayload(pack([version, ...lists, highestId, autoLeave]), [], 0, salt);
  return { payload, payloadBytes: payloadBytes(payload) };
}

/** Written by a leader's core and covered by the entry's checksum: anything else is a broken invariant. */
export function readMembership(payload: EntryPayload): Membership {
  const fields = unpackArray(payloadHeader(payload)) ?? [];
  const [of, incoming, outgoing, learners, learnersNext, highestId, autoLeave] = fields;
  assert(of === version, 'a config entry is of a known version');
  const areIds =
    isNumbers(incoming) && isNumbers(outgoing) && isNumbers(learners) && isNumbers(learnersNext);
  assert(areIds, 'a config entry lists replica ids');
  assert(
    typeof highestId === 'number' && typeof autoLeave === 'boolean',
    'a config entry says the highest id and how it is left',
  );
  return { incoming, outgoing, learners, learnersNext, highestId, autoLeave };
}
