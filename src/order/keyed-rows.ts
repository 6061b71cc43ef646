// Rows of one kind, a value a name, as memory knows them: written since the last checkpoint, frozen for
// the one being written, or as on disk. What is in none of them is cold: fetched and admitted.
import { CleanRows } from './clean-rows.ts';
import type { Row } from './dedupe.ts';

interface Written<T> {
  readonly key: Uint8Array;
  /** null: the row is removed. */
  readonly value: T | null;
}

export class KeyedRows<T> {
  private live = new Map<string, Written<T>>();
  private frozen: Map<string, Written<T>> | null = null;
  private readonly clean = new CleanRows<T | null>();
  private readonly encode: (value: T) => Uint8Array;

  constructor(encode: (value: T) => Uint8Array) {
    this.encode = encode;
  }

  get liveCount(): number {
    return this.live.size;
  }

  /** undefined: not in memory; null: no row stands. */
  get(name: string): T | null | undefined {
    const written = this.live.get(name) ?? this.frozen?.get(name);
    return written === undefined ? this.clean.get(name) : written.value;
  }

  /** What a fold writes: whole, without looking at the row before. */
  set(name: string, key: Uint8Array, value: T | null): void {
    this.live.set(name, { key, value });
    this.clean.forget(name);
  }

  admit(name: string, value: T | null): void {
    if (this.get(name) === undefined) this.clean.admit(name, value);
  }

  release(): void {
    this.clean.release();
  }

  /** Names that memory has something newer about than the disk, oldest first, with their values. */
  *newer(): Generator<[string, T | null]> {
    for (const rows of [this.frozen, this.live]) {
      for (const [name, { value }] of rows ?? []) yield [name, value];
    }
  }

  freeze(): ReadonlyMap<string, Written<T>> {
    const frozen = this.live;
    this.frozen = frozen;
    this.live = new Map();
    return frozen;
  }

  rowsOf(frozen: ReadonlyMap<string, Written<T>>): Row[] {
    return [...frozen.values()].map(({ key, value }) => {
      return { key, value: value === null ? null : this.encode(value) };
    });
  }

  /** The frozen rows are durable. */
  written(): void {
    for (const [name, { value }] of this.frozen ?? []) this.clean.keep(name, value);
    this.frozen = null;
  }
}

export type FrozenKeyedRows<T> = ReadonlyMap<string, Written<T>>;
