// What a leader proposed and nobody folded yet, by name: it goes as the rows come to say the same.

interface Newest<T> {
  readonly name: string;
  readonly value: T;
  /** Of the entry that will write it. */
  readonly index: number;
}

export class Proposed<T> {
  /** In the order of index, which `folded` relies on. */
  private readonly newest = new Map<string, Newest<T>>();
  /** Since `begin`: what stood there before. */
  private before: Map<string, Newest<T> | undefined> | null = null;

  get(name: string): T | undefined {
    return this.newest.get(name)?.value;
  }

  set(name: string, value: T, index: number): void {
    const before = this.newest.get(name);
    if (this.before !== null && !this.before.has(name)) this.before.set(name, before);
    if (before !== undefined) this.newest.delete(name);
    this.newest.set(name, { name, value, index });
  }

  folded(index: number): void {
    for (const newest of this.newest.values()) {
      if (newest.index > index) break;
      this.newest.delete(newest.name);
    }
  }

  /** What is set from now on can be taken back by `rollback`, until `keep`. */
  begin(): void {
    this.before = new Map();
  }

  keep(): void {
    this.before = null;
  }

  rollback(): void {
    for (const [name, before] of this.before ?? []) {
      this.newest.delete(name);
      if (before !== undefined) this.newest.set(name, before);
    }
    this.before = null;
  }
}
