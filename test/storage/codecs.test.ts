// Keys sort as the numbers in them do and never meet; decoders take only what encoders make.
import { pack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import {
  checkpointKey,
  entriesRange,
  entryIndexOf,
  entryKey,
  generationKey,
  hardStateKey,
  partitionOf,
  rowKey,
  rowsRange,
} from '../../src/storage/keys.ts';
import {
  decodeBatchRecord,
  decodeCheckpoint,
  decodeGeneration,
  decodeHardState,
  decodeIdentity,
} from '../../src/storage/own-rows.ts';

const place = { partition: 65535, generation: 1 };

describe('keys', () => {
  test('entries sort by index, also beyond 32 bits, and give it back', () => {
    const indexes = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];
    const keys = indexes.map((index) => entryKey(place, index));
    expect(keys.map(entryIndexOf)).toEqual(indexes);
    expect([...keys].reverse().sort(Buffer.compare)).toEqual(keys);
  });

  test('tables, generations and neighbouring partitions do not meet', () => {
    const inOrder = [
      ...[0, 1].flatMap((partition) => [
        generationKey(partition),
        hardStateKey(partition),
        ...[1, 2].flatMap((generation) => [
          checkpointKey({ partition, generation }),
          rowKey({ partition, generation }, Buffer.alloc(40, 0xff)),
          entryKey({ partition, generation }, Number.MAX_SAFE_INTEGER),
        ]),
      ]),
    ];
    expect([...inOrder].sort(Buffer.compare)).toEqual(inOrder);
    expect(partitionOf(entryKey(place, 1))).toBe(65535);
  });

  test('a range ends before the next table', () => {
    const last = entryKey(place, Number.MAX_SAFE_INTEGER);
    expect(Buffer.compare(last, entriesRange(place, 1).lt)).toBe(-1);
    const row = rowKey(place, Buffer.alloc(40, 0xff));
    expect(Buffer.compare(row, rowsRange(place).lt)).toBe(-1);
    expect(Buffer.compare(rowsRange(place).lt, entriesRange(place, 0).gte)).toBeLessThan(1);
  });
});

describe('decoders', () => {
  const bytes = (length: number): Buffer => Buffer.alloc(length, 1);
  const shapes: [string, (value: Buffer) => unknown, readonly unknown[]][] = [
    ['hard state', decodeHardState, [2, 1, 7]],
    ['identity', decodeIdentity, [1, bytes(16)]],
    ['batch record', decodeBatchRecord, [2, bytes(16), bytes(8)]],
    ['generation', decodeGeneration, [1]],
    ['checkpoint', decodeCheckpoint, [2, 1, 3, bytes(16), [[1, 1]], bytes(3)]],
  ];
  test.each(shapes)(
    'a %s is taken whole, and not with any one field of another kind',
    (...shape) => {
      const [, decode, fields] = shape;
      expect(decode(pack(fields))).not.toBeNull();
      expect(decode(pack('x'))).toBeNull();
      expect(decode(Buffer.from([0x93, 1]))).toBeNull();
      expect(decode(pack(fields.slice(0, -1)))).toBeNull();
      fields.forEach((_, at) => {
        for (const wrong of [-1, 1.5, null, 'x', 2 ** 60]) {
          expect(decode(pack(fields.with(at, wrong))), `field ${at}: ${wrong}`).toBeNull();
        }
      });
    },
  );

  test('term runs that do not ascend are not those of a checkpoint', () => {
    for (const runs of [
      [
        [1, 2],
        [3, 2],
      ],
      [
        [3, 1],
        [3, 2],
      ],
      [[1, 2, 3]],
      [1],
    ]) {
      expect(decodeCheckpoint(pack([5, 2, 3, bytes(16), runs, bytes(0)]))).toBeNull();
    }
  });
});
