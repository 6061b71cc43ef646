import { expect, test } from 'vitest';
import { createPayload } from '../../src/entry.ts';
import { membershipPayload, readMembership } from '../../src/node/membership-payload.ts';

const membership = {
  incoming: [1, 2, 4],
  outgoing: [1, 2, 3],
  learners: [5],
  learnersNext: [3],
  highestId: 5,
  autoLeave: true,
};

test('a config entry says the membership it was made of', () => {
  const { payload, payloadBytes } = membershipPayload(membership);
  expect(readMembership(payload)).toEqual(membership);
  expect(payloadBytes).toBe(payload.headerBytes);
});

test.each([[new Uint8Array(0)], [Uint8Array.of(0x90)], [Uint8Array.of(0x91, 2)]])(
  'a config entry of %j is refused as a broken invariant',
  (header) => {
    expect(() => readMembership(createPayload(header, [], 0))).toThrow(/config entry/);
  },
);
