// Rows in the order of their keys. A key is its bytes as text, a character a byte, so that both sort alike.

export type SortedRow = readonly [key: string, value: Buffer];

export class SortedRows {
  private readonly values = new Map<string, Buffer>();
  private sorted: string[] = [];

  get(key: string): Buffer | undefined {
    return this.values.get(key);
  }

  put(key: string, value: Buffer): void {
    if (!this.values.has(key)) this.sorted.splice(this.placeOf(key), 0, key);
    this.values.set(key, value);
  }

  delete(key: string): void {
    if (this.values.delete(key)) this.sorted.splice(this.placeOf(key), 1);
  }

  clear(): void {
    this.values.clear();
    this.sorted = [];
  }

  keys(): readonly string[] {
    return this.sorted;
  }

  /** From `from` to below `end`, as it is now. */
  range(from: string, end: string): SortedRow[] {
    const { sorted, values } = this;
    const rows: SortedRow[] = [];
    for (let at = this.placeOf(from); at < sorted.length; at += 1) {
      const key = sorted[at] ?? '';
      if (key >= end) break;
      const value = values.get(key);
      if (value !== undefined) rows.push([key, value]);
    }
    return rows;
  }

  /** Of the first key that is not below. */
  private placeOf(key: string): number {
    const { sorted } = this;
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
