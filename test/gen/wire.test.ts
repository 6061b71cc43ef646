import fc from 'fast-check';
import Long from 'long';
import protobuf from 'protobufjs/light.js';
import { expect, test } from 'vitest';
import { descriptor } from '../../src/gen/descriptor.ts';
import { AppendSessionResponse } from '../../src/gen/proto.ts';
import { createWriter } from '../../src/gen/wire.ts';

const type = protobuf.Root.fromJSON(descriptor).lookupType('paceline.v1.AppendSessionResponse');
const edges = [7, 14, 21, 28, 31, 32, 35, 42, 49, 53].flatMap((bits) => [
  2 ** bits - 1,
  2 ** bits,
  2 ** bits + 1,
]);
const number = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(0, 1, ...edges));
const long = fc
  .tuple(fc.integer(), fc.integer(), fc.boolean())
  .map(([low, high, unsigned]) => Long.fromBits(low, high, unsigned));
const either = fc.oneof(number, long);

const result = fc.record(
  {
    seq: either,
    rev: either,
    id: either,
    timeMs: either,
    duplicate: fc.boolean(),
    index: either,
    term: either,
    dedupeUntilMs: either,
    readToken: fc.uint8Array({ maxLength: 300 }),
    error: fc.record({ message: fc.string({ maxLength: 200 }), retryAfterMs: fc.nat() }),
    late: fc.boolean(),
    lateFor: either,
    epoch: either,
  },
  { requiredKeys: [] },
);
const group = fc.record({
  frame: either,
  group: fc.nat(),
  results: fc.array(result),
  mapVersion: either,
});

test('an answer is encoded as protobufjs itself encodes it', () => {
  fc.assert(
    fc.property(fc.array(group), (groups) => {
      const theirs = type.encode({ groups }).finish();
      expect(AppendSessionResponse.encode({ groups }).equals(theirs)).toBe(true);
    }),
  );
});

test('64-bit numbers are written as protobufjs itself writes them, those it only rounds too', () => {
  const odd = [-1, -(2 ** 40), 1.5, 2 ** 40 + 0.5, 2 ** 60, Number.NaN, '12345678901234567890'];
  const any = fc.oneof(either, fc.constantFrom(...odd), fc.double());
  fc.assert(
    fc.property(any, (value) => {
      const written = (writer: protobuf.Writer) =>
        Buffer.from(writer.uint64(value).fixed64(value).finish()).toString('hex');
      expect(written(createWriter())).toBe(written(protobuf.Writer.create()));
    }),
    { numRuns: 2000 },
  );
});
