// The columns of an entry: what is written is read again, also as the first version wrote it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createColumns,
  decodeCheckpointHeader,
  decodeCommandsHeader,
  encodeCheckpointHeader,
  encodeCommandsHeader,
} from '../../src/order/header.ts';
import { pack } from '../../src/order/packing.ts';

const count = fc.nat(2 ** 31 - 1);
const slot = fc.record({
  ...{ length: count, seq: count, events: count, ahead: fc.nat(4095), counter: fc.nat(1023) },
  ...{ shard: fc.nat(8191), back: count, at: fc.nat(4095) },
});
const header = fc.array(slot, { maxLength: 40 }).map((slots) => ({
  ...createColumns(),
  lengths: slots.map(({ length }) => length),
  seqs: slots.map(({ seq }) => seq),
  revs: slots.map(({ seq, events }) => seq + events),
  idAheadMs: slots.map(({ ahead }) => ahead),
  idCounters: slots.map(({ counter }) => counter),
  shards: slots.map(({ shard }) => shard),
  previousBack: slots.map(({ back }) => back),
  previousSlots: slots.map(({ at }) => at),
}));

describe('columns', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(header, (columns) => {
        const bytes = columns.lengths.reduce((sum, length) => sum + length, 0);
        expect(decodeCommandsHeader(encodeCommandsHeader(columns), bytes)).toEqual(columns);
      }),
    );
  });

  test('of the first version have their revs as they stand', () => {
    const fields = [1, [300], [7], [9], [0], [1], [2], [3], [4]];
    const columns = decodeCommandsHeader(pack(fields), 300);
    expect([columns.seqs, columns.revs]).toEqual([[7], [9]]);
  });

  test('of another version are none', () => {
    const fields = [3, [300], [7], [2], [0], [1], [2], [3], [4]];
    expect(decodeCommandsHeader(pack(fields), 300)).toEqual(createColumns());
  });

  test.each([
    ['more', [100, 201]],
    ['fewer', [100, 199]],
    ['negative', [400, -100]],
    ['no whole', [100.5, 199.5]],
  ])('of %s bytes than the commands have are none', (_, lengths) => {
    const fields = [1, lengths, [7, 8], [9, 10], [0, 0], [1, 2], [2, 2], [3, 3], [4, 4]];
    expect(decodeCommandsHeader(pack(fields), 300)).toEqual(createColumns());
  });

  test('take one byte for a rev where a conversation has messages alone', () => {
    const one = { lengths: [300], seqs: [70_000], revs: [70_000], idAheadMs: [0] };
    const more = { idCounters: [0], shards: [1], previousBack: [1], previousSlots: [0] };
    const without = { ...createColumns(), ...one, ...more };
    const withEvents = { ...without, revs: [140_000] };
    const saved = encodeCommandsHeader(withEvents).length - encodeCommandsHeader(without).length;
    expect(saved).toBe(4);
  });
});

test('the header of a checkpoint', () => {
  expect(decodeCheckpointHeader(encodeCheckpointHeader({ dropPagesUpTo: 12 }))).toEqual({
    dropPagesUpTo: 12,
  });
  expect(decodeCheckpointHeader(pack([2, 12]))).toEqual({ dropPagesUpTo: 0 });
});
