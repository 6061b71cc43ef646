// What an OrderedView has marked as missing and may still come, late. A mark's part (after, upTo] is
// exact although numbers jump, as on the server (docs/decisions/0009). Bounded: where it forgets, it
// forgets which mark, or what has come; never that something is missing.

/** A mark: what lies between these two places did not come in time. */
export interface Gap {
  /** The last place before it; 0 = none. */
  readonly after: number;
  /** The place shown next. */
  readonly before: number;
}

interface MissingPart {
  readonly after: number;
  readonly upTo: number;
  /** null: too old, which mark it was is forgotten. */
  readonly gap: Gap | null;
}

const gapsMax = 16;
const partsMax = 256;

export class MarkedGaps {
  /** Rising, apart from each other. */
  private parts: MissingPart[] = [];

  /** Above every earlier one; what is missing goes up to `upTo`, the place linked to `gap.before`. */
  open(gap: Gap, upTo: number): void {
    this.parts.push({ after: gap.after, upTo, gap });
    const gaps = new Set(this.parts.map((part) => part.gap).filter((each) => each !== null));
    if (gaps.size > gapsMax) {
      const [oldest] = gaps;
      this.parts = this.parts.map((part) => (part.gap === oldest ? { ...part, gap: null } : part));
    }
    this.join();
  }

  /**
   * Takes it out of what is missing, and what lies between `previous` and it: there is nothing.
   * Answers the mark it is late for, null where that is forgotten, 'none' where it is not missing.
   */
  close(place: number, previous: number): Gap | null | 'none' {
    const at = this.find(place);
    const part = this.parts[at];
    if (part === undefined) return 'none';
    const { after, upTo, gap } = part;
    const left: MissingPart[] = [];
    if (previous > after) left.push({ after, upTo: previous, gap });
    if (place < upTo) left.push({ after: place, upTo, gap });
    this.parts.splice(at, 1, ...left);
    this.join();
    return gap;
  }

  has(place: number): boolean {
    return this.find(place) >= 0;
  }

  /** -1: not missing. */
  private find(place: number): number {
    return this.parts.findIndex(({ after, upTo }) => after < place && place <= upTo);
  }

  /** Too many parts: the oldest two become one. What has come between them would be late again. */
  private join(): void {
    const [first, second, ...rest] = this.parts;
    if (first === undefined || second === undefined || this.parts.length <= partsMax) return;
    const gap = first.gap === second.gap ? first.gap : null;
    this.parts = [{ after: first.after, upTo: second.upTo, gap }, ...rest];
  }
}
