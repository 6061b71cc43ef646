// Rows folded from entries: heads and places are those of the entries whatever was checkpointed,
// evicted or restarted, and equal logs make equal rows.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { headKey, indexKey, indexKeyFirstSeq } from '../../src/order/row-keys.ts';
import {
  decodeHead,
  decodeIndexRow,
  emptyHead,
  type Head,
  type Place,
  headOf as plainHead,
} from '../../src/order/row-values.ts';
import { type FrozenRows, Rows } from '../../src/order/rows.ts';
import { checkpoint, commandOf, entryOf, hexOf, lookUp, RowStore, type Slot } from './fixture.ts';

const time = Date.UTC(2026, 0, 1);
const window = { windowMs: 1e12, windowBytes: 32 * 8 * 30 };
const shard = 5;

/** As a node does: from memory, else from disk. */
function headOf(rows: Rows, store: RowStore, conversation: string): Head {
  const known = rows.head(conversation);
  if (known !== undefined) return plainHead(known);
  const key = headKey(shard, conversation);
  const [value] = store.get([key]);
  rows.admit({ kind: 'head', conversation, key }, value ?? null);
  const admitted = rows.head(conversation);
  expect(admitted).toEqual(decodeHead(value ?? null));
  return admitted ?? emptyHead;
}

/** Every place of a conversation: memory, or the head's own, and index rows on disk before that. */
function placesOf(rows: Rows, store: RowStore, conversation: string): Place[] {
  const held = rows.placesInMemory(conversation, 1, 1e9);
  const { seq, index, slot } = headOf(rows, store, conversation);
  const inMemory = held.length > 0 || seq === 0 ? held : [{ seq, index, slot }];
  const prefix = hexOf(indexKey(shard, conversation, 0)).slice(0, -16);
  const onDisk = [...store.rows]
    .filter(([key]) => key.startsWith(prefix) && key.length === prefix.length + 16)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]) => {
      return decodeIndexRow(value, indexKeyFirstSeq(Buffer.from(key, 'hex')));
    });
  const before = inMemory[0]?.seq ?? Number.POSITIVE_INFINITY;
  return [...onDisk.filter(({ seq }) => seq < before), ...inMemory];
}

interface Message {
  readonly conversation: number;
  readonly key: number;
}

/** As the leader gives it. */
type Numbered = Pick<Slot, 'seq' | 'previous'>;

type Entry =
  | { readonly kind: 'commands'; readonly index: number; readonly messages: readonly Message[] }
  | { readonly kind: 'checkpoint'; readonly index: number };

const nameOf = (conversation: number) => `g:room ${conversation}`;

function commandFor({ conversation, key }: Message) {
  return commandOf({
    conversation: nameOf(conversation),
    ...(key === 0 ? {} : { key: `k${key}` }),
  });
}

/** A replica that may be slow with its checkpoints and may crash at any time. */
class Replica {
  rows = new Rows(window);
  store = new RowStore();
  private state: Uint8Array | null = null;
  private frozen: { readonly rows: FrozenRows; readonly at: number } | null = null;
  private log: { readonly entry: Entry; readonly numbers: readonly Numbered[] }[] = [];
  /** Folded of `log`, which begins above the checkpoint on disk. */
  private folded = 0;

  append(entry: Entry, numbers: readonly Numbered[]): void {
    this.log.push({ entry, numbers });
    this.advance();
  }

  finishCheckpoint(): void {
    const { frozen } = this;
    if (frozen === null) return;
    this.frozen = null;
    const written = this.rows.write(frozen.rows, this.store.get(frozen.rows.keys.reads));
    this.store.apply(written.rows);
    this.state = written.state;
    this.rows.written(written);
    const through = this.log.findIndex(({ entry }) => entry.index === frozen.at) + 1;
    this.log = this.log.slice(through);
    this.folded -= through;
    this.advance();
  }

  crash(): void {
    this.rows = new Rows(window);
    this.frozen = null;
    this.folded = 0;
    if (this.state !== null) {
      const values = this.store.get(Rows.restoreKeys(this.state));
      expect(this.rows.restore(this.state, values)).toBe(true);
    }
    this.advance();
  }

  /** False: a Checkpoint entry waits for the one before. */
  get caughtUp(): boolean {
    return this.folded === this.log.length;
  }

  get checkpointState(): string {
    return hexOf(this.state ?? new Uint8Array(0));
  }

  private advance(): void {
    for (; this.folded < this.log.length; this.folded++) {
      const next = this.log[this.folded];
      if (next === undefined) return;
      const { entry, numbers } = next;
      if (entry.kind === 'checkpoint') {
        if (this.rows.freezing) return;
        this.frozen = { rows: this.rows.freeze(entry.index, 0), at: entry.index };
      } else {
        const slots = entry.messages.map((message, slot) => {
          const numbered = numbers[slot] ?? { seq: 0 };
          return { command: commandFor(message), idAheadMs: slot, ...numbered };
        });
        const { header, commands } = entryOf(slots, entry.index);
        this.rows.fold(entry.index, time + entry.index, header, commands);
      }
    }
  }
}

describe('random histories', () => {
  const message: fc.Arbitrary<Message> = fc.record({ conversation: fc.nat(4), key: fc.nat(300) });
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.array(message, { minLength: 1, maxLength: 30 }) },
    { weight: 3, arbitrary: fc.constant('checkpoint' as const) },
    { weight: 3, arbitrary: fc.constant('finish' as const) },
    { weight: 1, arbitrary: fc.constant('crash' as const) },
    { weight: 1, arbitrary: fc.constant('release' as const) },
  );

  test('every head, place and key is right at any moment, and equal logs make equal rows', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const [steady, shaky] = [new Replica(), new Replica()];
        const places = new Map<number, Place[]>();
        const keyPlaces = new Map<string, Place>();
        let index = 0;
        const check = ({ rows, store }: Replica) => {
          for (let conversation = 0; conversation < 5; conversation++) {
            const known = places.get(conversation) ?? [];
            const name = nameOf(conversation);
            const seq = known.length;
            const newest = known.at(-1) ?? { index: 0, slot: 0 };
            const head = { seq, rev: seq, index: newest.index, slot: newest.slot, extra: null };
            expect(headOf(rows, store, name)).toEqual(head);
            expect(placesOf(rows, store, name)).toEqual(known);
          }
          for (const [identity, place] of keyPlaces) {
            expect(lookUp(rows.keys, store, identity, time)).toEqual(place);
          }
          expect(lookUp(rows.keys, store, 'another key', time)).toBeNull();
        };
        const append = (entry: Entry) => {
          const messages = entry.kind === 'commands' ? entry.messages : [];
          const numbers = messages.map((each, slot) => {
            const known = places.get(each.conversation) ?? [];
            const place = { seq: known.length + 1, index: entry.index, slot };
            places.set(each.conversation, [...known, place]);
            if (each.key !== 0) keyPlaces.set(commandFor(each).identity, place);
            const previous = known.at(-1);
            return previous === undefined ? { seq: place.seq } : { seq: place.seq, previous };
          });
          steady.append(entry, numbers);
          shaky.append(entry, numbers);
        };
        for (const each of steps) {
          index += 1;
          if (each === 'checkpoint') append({ kind: 'checkpoint', index });
          else if (each === 'finish') shaky.finishCheckpoint();
          else if (each === 'crash') shaky.crash();
          else if (each === 'release') shaky.rows.release();
          else append({ kind: 'commands', index, messages: each });
          steady.finishCheckpoint();
          if (index % 5 === 0 && shaky.caughtUp) check(shaky);
        }
        check(steady);
        while (shaky.rows.freezing) shaky.finishCheckpoint();
        check(shaky);
        expect(shaky.store.dump()).toEqual(steady.store.dump());
        expect(shaky.checkpointState).toBe(steady.checkpointState);
        expect(shaky.rows.highestIdMs).toBe(steady.rows.highestIdMs);
      }),
      { numRuns: 40 },
    );
  });
});

describe('memory and disk', () => {
  const fold = (rows: Rows, index: number, conversation: string, seq: number, key = '') => {
    const command = commandOf(key === '' ? { conversation } : { conversation, key });
    const { header, commands } = entryOf([{ command, seq, shard }]);
    rows.fold(index, time, header, commands);
  };
  const cold = (conversation: string) => {
    return { kind: 'head' as const, conversation, key: headKey(shard, conversation) };
  };

  test('what was fetched never replaces what memory has', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    fold(rows, 1, 'g:a', 1);
    checkpoint(rows, store, 2);
    const [old] = store.get([headKey(shard, 'g:a')]);
    fold(rows, 3, 'g:a', 2);
    rows.admit(cold('g:a'), old ?? null);
    expect(rows.head('g:a')?.seq).toBe(2);
    checkpoint(rows, store, 4);
    rows.admit(cold('g:a'), old ?? null);
    rows.release();
    expect(rows.head('g:a')?.seq).toBe(2);
  });

  test('a head admitted and then folded stays the folded one after release and checkpoint', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    rows.admit(cold('g:a'), null);
    expect(rows.head('g:a')).toEqual(emptyHead);
    fold(rows, 1, 'g:a', 1);
    rows.release();
    expect(rows.head('g:a')?.seq).toBe(1);
    checkpoint(rows, store, 2);
    expect(rows.head('g:a')?.seq).toBe(1);
  });

  test('a head admitted and folded does not come back old where release comes last', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    rows.admit(cold('g:a'), null);
    fold(rows, 1, 'g:a', 1);
    checkpoint(rows, store, 2);
    rows.release();
    expect(rows.head('g:a')?.seq).toBe(1);
  });

  test('the highest ms of any id survives a restart', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    const { header, commands } = entryOf([{ command: commandOf({}), seq: 1, idAheadMs: 150 }]);
    rows.fold(1, time, header, commands);
    const { state } = checkpoint(rows, store, 2);
    const restored = new Rows(window);
    expect(restored.restore(state, store.get(Rows.restoreKeys(state)))).toBe(true);
    expect(restored.highestIdMs).toBe(time + 150);
  });

  test('keeps a bounded number of clean heads, and finds the others on disk', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    for (let i = 0; i < 5000; i++) fold(rows, i + 1, `g:${i}`, 1);
    checkpoint(rows, store, 6000);
    expect(rows.dirtyRows).toBe(0);
    const known = Array.from({ length: 5000 }, (_, i) => rows.head(`g:${i}`) !== undefined);
    expect(known.filter(Boolean)).toHaveLength(4096);
    expect(headOf(rows, store, 'g:0')).toMatchObject({ seq: 1, rev: 1 });
    expect(headOf(rows, store, 'g:never')).toEqual(emptyHead);
  });

  test('a hole in a conversation stops the partition', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    fold(rows, 1, 'g:a', 1);
    expect(() => fold(rows, 2, 'g:a', 3)).toThrow(/head \+ 1/);
    checkpoint(rows, store, 3);
    expect(() => fold(rows, 4, 'g:a', 1)).toThrow(/head \+ 1/);
  });

  test('one checkpoint at a time, and each that is written raises the version', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    const frozen = rows.freeze(1, 0);
    expect(rows.freezing).toBe(true);
    expect(() => rows.freeze(2, 0)).toThrow(/one checkpoint/);
    rows.written(rows.write(frozen, []));
    expect([rows.freezing, rows.version]).toEqual([false, 1]);
    checkpoint(rows, store, 3);
    expect(rows.version).toBe(2);
  });

  test('a long run of places is cut into rows of 256', () => {
    const [rows, store] = [new Rows(window), new RowStore()];
    for (let seq = 1; seq <= 600; seq++) fold(rows, 2 ** 33 + seq, 'g:a', seq);
    checkpoint(rows, store, 2 ** 34);
    expect(store.rows.size).toBe(4);
    const places = placesOf(rows, store, 'g:a');
    expect(places[599]).toEqual({ seq: 600, index: 2 ** 33 + 600, slot: 0 });
  });

  test('any bytes fold to something: a header that is none has no slots', () => {
    const rows = new Rows(window);
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (header, commands) => {
        rows.fold(1, time, header, commands);
      }),
    );
    expect(rows.dirtyBytes).toBe(0);
    expect(new Rows(window).restore(Buffer.from('state'), [])).toBe(false);
  });
});
