// Latencies as they come, and what the slowest of them were.

export class Latencies {
  private values = new Float64Array(65_536);
  private count = 0;

  add(ms: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(this.count * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = ms;
  }

  get size(): number {
    return this.count;
  }

  quantiles(): { p50Ms: number; p99Ms: number; p999Ms: number } {
    const sorted = this.values.subarray(0, this.count).sort();
    const at = (share: number) => {
      const ms = sorted[Math.min(this.count - 1, Math.floor(this.count * share))] ?? 0;
      return Number(ms.toFixed(3));
    };
    return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
  }
}
