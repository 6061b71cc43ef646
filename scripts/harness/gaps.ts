// How long nothing was accepted: the longest time between two accepted appends, for the whole cluster
// and for each partition, since the clock was last set back.

interface PartitionGaps {
  lastMs: number;
  longestMs: number;
  /** Newest term in which something was accepted, and the newest before `begin`. */
  term: number;
  termBefore: number;
  /** When the newest append that was accepted had begun. */
  beganMs: number;
}

export class Gaps {
  private sinceMs = 0;
  private lastMs = 0;
  private longestMs = 0;
  private readonly partitions: PartitionGaps[];

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => {
      return { lastMs: 0, longestMs: 0, term: 0, termBefore: 0, beganMs: 0 };
    });
    this.begin(performance.now());
  }

  begin(nowMs: number): void {
    this.sinceMs = nowMs;
    this.lastMs = nowMs;
    this.longestMs = 0;
    for (const each of this.partitions) {
      each.lastMs = nowMs;
      each.longestMs = 0;
      each.termBefore = each.term;
    }
  }

  accepted(partition: number, term: number, beganMs: number, nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    const own = this.partitions[partition];
    if (own === undefined) return;
    own.longestMs = Math.max(own.longestMs, nowMs - own.lastMs);
    own.lastMs = nowMs;
    own.term = Math.max(own.term, term);
    own.beganMs = Math.max(own.beganMs, beganMs);
  }

  /** True: each of these partitions has accepted something under a new leader since `begin`. */
  resumed(partitions: readonly number[]): boolean {
    return partitions.every((partition) => {
      const { term, termBefore } = this.partitions[partition] ?? { term: 0, termBefore: 0 };
      return term > termBefore;
    });
  }

  /** Partitions that have not accepted anything which began after `begin`. */
  silent(): number[] {
    return this.partitions.flatMap(({ beganMs }, i) => (beganMs < this.sinceMs ? [i] : []));
  }

  /** Of the cluster, up to now. */
  longest(nowMs: number): number {
    return Math.max(this.longestMs, nowMs - this.lastMs);
  }

  /** The longest of these partitions, up to now. */
  longestOf(partitions: readonly number[], nowMs: number): number {
    return Math.max(
      0,
      ...partitions.map((partition) => {
        const { longestMs, lastMs } = this.partitions[partition] ?? { longestMs: 0, lastMs: nowMs };
        return Math.max(longestMs, nowMs - lastMs);
      }),
    );
  }

  elapsed(nowMs: number): number {
    return nowMs - this.sinceMs;
  }
}
