// Answers are written by hand: they have to be what the codec makes of the same answers as objects.
import fc from 'fast-check';
import Long from 'long';
import { expect, test } from 'vitest';
import { encodeAnswers, encodeResponse, mapVersion } from '../../src/api/answers.ts';
import { encodeToken } from '../../src/api/read-token.ts';
import { detailsOf } from '../../src/errors.ts';
import {
  AppendResponse,
  type AppendResultInput,
  AppendSessionResponse,
} from '../../src/gen/proto.ts';
import type { Final, Outcome } from '../../src/node/groups.ts';
import type { Node } from '../../src/node/node.ts';
import { idEpochMs } from '../../src/order/ids.ts';
import { composeId } from '../order/whole-id.ts';

const windowMs = 604_800_000;
const node = {
  partitionOf: (shard: number) => shard % 4,
  config: { id: 3, cluster: { dedupe: { windowMs } } },
  founding: { record: { clusterId: Buffer.from('cluster-id') } },
} as unknown as Node;

const number = fc.oneof(fc.nat(3), fc.maxSafeNat());
const timeMs = fc.integer({ min: idEpochMs, max: idEpochMs + 2 ** 40 });
const stored: fc.Arbitrary<Final> = fc.record({
  kind: fc.constant('stored' as const),
  duplicate: fc.boolean(),
  seq: number,
  rev: number,
  idMs: fc.oneof(timeMs, fc.constant(idEpochMs)),
  idCounter: fc.nat(1023),
  shard: fc.nat(8191),
  timeMs,
  index: fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1)),
  term: number,
  lateFor: fc.oneof(fc.constant(null), number),
  epoch: number,
});
const refused: fc.Arbitrary<Final> = fc.record({
  kind: fc.constant('refused' as const),
  refusal: fc.record({
    reason: fc.constantFrom('BUSY' as const, 'NOT_LEADER' as const),
    message: fc.string(),
    limit: fc.nat(),
    leader: fc.nat(7),
  }),
});
const final = fc.oneof({ weight: 4, arbitrary: stored }, refused);
const held: fc.Arbitrary<Outcome> = fc.record({
  kind: fc.constant('held' as const),
  last: number,
  want: number,
});
const outcome = fc.oneof({ weight: 4, arbitrary: final }, held);
const group = fc.record({ frame: number, group: fc.nat(9), outcomes: fc.array(outcome) });
const heldEnd = fc.record({ frame: number, group: fc.nat(9), slot: fc.nat(9), outcome: final });

function resultOf(given: Outcome): AppendResultInput {
  if (given.kind === 'held') return { held: { resendFrom: given.last, want: given.want } };
  if (given.kind === 'refused') {
    const { reason, message } = given.refusal;
    return { error: { reason, message, ...detailsOf(given.refusal) } };
  }
  const { idMs, shard, idCounter, lateFor, kind, ...numbers } = given;
  const id = composeId(idMs, shard, idCounter);
  return {
    ...numbers,
    id: Long.fromString(id.toString(), true),
    dedupeUntilMs: given.timeMs + windowMs,
    readToken: encodeToken(node, node.partitionOf(shard), given.index),
    late: lateFor !== null,
    lateFor: lateFor ?? 0,
  };
}

test('the answers of a session are the bytes that the message type encodes', () => {
  fc.assert(
    fc.property(fc.array(group), fc.array(heldEnd), (groups, ends) => {
      const expected = AppendSessionResponse.encode({
        groups: groups.map(({ outcomes, ...of }) => {
          return { ...of, results: outcomes.map(resultOf), mapVersion };
        }),
        held: ends.map(({ outcome: end, ...of }) => ({ ...of, result: resultOf(end) })),
      });
      expect(encodeAnswers(node, groups, ends).equals(expected)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('the response of a unary append', () => {
  fc.assert(
    fc.property(outcome, (given) => {
      const expected = AppendResponse.encode({ result: resultOf(given), servedBy: 3 });
      expect(encodeResponse(node, given).equals(expected)).toBe(true);
    }),
  );
});
