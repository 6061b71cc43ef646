// Keys by hash: what a map from identities to places would say, however many there are.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyTable } from '../../src/order/key-table.ts';
import { identityOfText, type KeyPlace } from '../../src/order/page.ts';
import { hashKey } from './fixture.ts';

const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const place: fc.Arbitrary<KeyPlace> = fc.record({
  seq: uint48,
  index: uint48,
  slot: fc.nat(65_535),
});
const identity = fc.oneof(fc.string({ maxLength: 2 }), fc.string());

test('says what a map would, and keeps a record a key', () => {
  const sets = fc.array(fc.tuple(identity, place), { maxLength: 400, size: 'max' });
  fc.assert(
    fc.property(sets, fc.array(identity), (all, others) => {
      const [table, map] = [new KeyTable(), new Map<string, KeyPlace>()];
      for (const [name, where] of all) {
        table.set(identityOfText(name), where);
        map.set(name, where);
        expect(table.get(hashKey(name), 0)).toEqual(where);
      }
      for (const name of [...map.keys(), ...others]) {
        expect(table.get(hashKey(name), 0)).toEqual(map.get(name));
      }
      expect(table.size).toBe(map.size);
      expect(table.records.length).toBe(map.size * 30);
    }),
  );
});

test('finds each of 100,000', () => {
  const table = new KeyTable();
  const placeOf = (i: number) => ({ seq: i, index: i * 2, slot: i % 65_536 });
  for (let i = 0; i < 100_000; i++) table.set(identityOfText(`key ${i}`), placeOf(i));
  for (let i = 0; i < 100_000; i++) expect(table.get(hashKey(`key ${i}`), 0)).toEqual(placeOf(i));
});
