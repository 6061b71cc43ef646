// Rows as they are on disk, a value a name: those that the commands at hand asked for, and a bounded
// number of others.
const keptMax = 4096;

export class CleanRows<T> {
  private readonly kept = new Map<string, T>();
  /** Until the commands that asked for them were sequenced. */
  private readonly admitted = new Map<string, T>();

  /** undefined: not in memory. */
  get(name: string): T | undefined {
    const kept = this.kept.get(name);
    return kept === undefined ? this.admitted.get(name) : kept;
  }

  admit(name: string, value: T): void {
    this.admitted.set(name, value);
  }

  /** The commands that asked for rows were sequenced. */
  release(): void {
    for (const [name, value] of this.admitted) this.keep(name, value);
    this.admitted.clear();
  }

  /** It was read or written last. */
  keep(name: string, value: T): void {
    this.kept.delete(name);
    if (this.kept.size >= keptMax) {
      const [oldest] = this.kept.keys();
      if (oldest !== undefined) this.kept.delete(oldest);
    }
    this.kept.set(name, value);
  }

  /** Memory has something newer. */
  forget(name: string): void {
    this.kept.delete(name);
    this.admitted.delete(name);
  }
}
