// Rows in the order of their keys. A key is its bytes as text, a character a byte, so that both sort alike.

export type SortedRow = readonly [key: string, value: Buffer];

export class SortedRows {
  private readonly values = new Map<string, Buffer>();
  /** Sorted; keys that were removed go at the next look. */
  private sorted: string[] = [];
  private added: string[] = [];
  private removed = 0;

  get size(): number {
    return this.values.size;
  }

  get(key: string): Buffer | undefined {
    return this.values.get(key);
  }

  put(key: string, value: Buffer): void {
    if (!this.values.has(key)) this.added.push(key);
    this.values.set(key, value);
  }

  delete(key: string): void {
    if (this.values.delete(key)) this.removed += 1;
  }

  clear(): void {
    this.values.clear();
    this.sorted = [];
    this.added = [];
    this.removed = 0;
  }

  keys(): readonly string[] {
    if (this.added.length > 0 || this.removed > 0) {
      const all = new Set([...this.sorted, ...this.added].filter((key) => this.values.has(key)));
      this.sorted = [...all].sort((a, b) => (a < b ? -1 : 1));
      this.added = [];
      this.removed = 0;
    }
    return this.sorted;
  }

  /** From `from` to below `end`, as it is now. */
  range(from: string, end: string): SortedRow[] {
    const keys = this.keys();
    const rows: SortedRow[] = [];
    for (let at = firstNotBelow(keys, from); at < keys.length; at += 1) {
      const key = keys[at] ?? '';
      if (key >= end) break;
      const value = this.values.get(key);
      if (value !== undefined) rows.push([key, value]);
    }
    return rows;
  }
}

function firstNotBelow(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
