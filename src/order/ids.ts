// Message ids: 41 bits of ms since 2025-01-01T00:00Z, 13 bits shard, 10 bits counter; rising in each
// shard. A new term starts every shard above the highest ms that the partition has given, so that
// no row a shard is needed.

export const idEpochMs = Date.UTC(2025, 0, 1);
const countersPerMs = 1024;
/** Ids may run ahead of the entry's log time by this much. */
export const idAheadMaxMs = 200;

export interface IdParts {
  readonly aheadMs: number;
  readonly counter: number;
}

export class IdSource {
  /** Highest ms given, by shard, since this term began. */
  private readonly lastMs = new Map<number, number>();
  private readonly lastCounter = new Map<number, number>();
  private readonly floorMs: number;

  /** `highestMs`: of any id that the partition has given so far. */
  constructor(highestMs: number) {
    this.floorMs = highestMs + 1;
  }

  /** null: the shard has given all ids up to idAheadMaxMs ahead of the log time. */
  next(shard: number, entryTimeMs: number): IdParts | null {
    const last = this.lastMs.get(shard);
    const least = Math.max(entryTimeMs, idEpochMs, last ?? this.floorMs);
    let counter = least === last ? (this.lastCounter.get(shard) ?? 0) + 1 : 0;
    let ms = least;
    if (counter === countersPerMs) {
      ms += 1;
      counter = 0;
    }
    if (ms - entryTimeMs > idAheadMaxMs) return null;
    this.lastMs.set(shard, ms);
    this.lastCounter.set(shard, counter);
    return { aheadMs: ms - entryTimeMs, counter };
  }
}

/** The id in two unsigned halves, as the wire takes it without a BigInt. */
export function composeIdHalves(ms: number, shard: number, counter: number): [number, number] {
  const since = ms - idEpochMs;
  const low = ((since % 512) * 0x80_0000 + ((shard << 10) | counter)) >>> 0;
  return [low, Math.floor(since / 512) >>> 0];
}
