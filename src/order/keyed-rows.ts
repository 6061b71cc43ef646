// Rows of one kind, a value a name, as memory knows them: written since the last checkpoint, frozen for
// the one being written, or as on disk. What is in none of them is cold: fetched and admitted.
import type { Row } from './dedupe.ts';

interface Written<T> {
  readonly key: Uint8Array;
  /** null: the row is removed. */
  readonly value: T | null;
}

const cleanMax = 4096;

export class KeyedRows<T> {
  private live = new Map<string, Written<T>>();
  private frozen: Map<string, Written<T>> | null = null;
  private readonly clean = new Map<string, T | null>();
  private readonly admitted = new Map<string, T | null>();
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
    if (written !== undefined) return written.value;
    const clean = this.clean.get(name);
    return clean === undefined ? this.admitted.get(name) : clean;
  }

  /** What a fold writes: whole, without looking at the row before. */
  set(name: string, key: Uint8Array, value: T | null): void {
    this.live.set(name, { key, value });
    this.clean.delete(name);
    this.admitted.delete(name);
  }

  admit(name: string, value: T | null): void {
    if (this.get(name) === undefined) this.admitted.set(name, value);
  }

  release(): void {
    for (const [name, value] of this.admitted) this.keepClean(name, value);
    this.admitted.clear();
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
    for (const [name, { value }] of this.frozen ?? []) {
      this.clean.delete(name);
      this.keepClean(name, value);
    }
    this.frozen = null;
  }

  private keepClean(name: string, value: T | null): void {
    if (this.clean.size >= cleanMax) {
      const [oldest] = this.clean.keys();
      if (oldest !== undefined) this.clean.delete(oldest);
    }
    this.clean.set(name, value);
  }
}

export type FrozenKeyedRows<T> = ReadonlyMap<string, Written<T>>;
