// Which seqs a page holds, from what was asked and what is there.
import { PacelineError } from '../errors.ts';

export type PageRange =
  | { readonly kind: 'after'; readonly seq: number }
  /** seq 0: before the end. */
  | { readonly kind: 'before'; readonly seq: number }
  | { readonly kind: 'around'; readonly seq: number };

/** `first` > `last`: nothing. Where the page's bytes do not suffice, those nearest to `nearest` stay. */
export interface ResolvedRange {
  readonly first: number;
  readonly last: number;
  readonly nearest: number;
}

/** Errors: TRIMMED, IN_FUTURE. */
export function resolveRange(
  range: PageRange,
  limit: number,
  minSeq: number,
  headSeq: number,
): ResolvedRange {
  switch (range.kind) {
    case 'after': {
      if (range.seq > headSeq) throw inFuture(range.seq, minSeq, headSeq);
      if (range.seq > 0 && range.seq + 1 < minSeq) throw trimmed(minSeq, headSeq);
      const first = Math.max(range.seq + 1, minSeq);
      return { first, last: Math.min(first + limit - 1, headSeq), nearest: first };
    }
    case 'before': {
      const last = range.seq === 0 ? headSeq : Math.min(range.seq - 1, headSeq);
      return { first: Math.max(minSeq, last - limit + 1), last, nearest: last };
    }
    case 'around': {
      const middle = Math.min(range.seq, headSeq);
      const start = Math.max(minSeq, middle - Math.floor(limit / 2));
      const last = Math.min(headSeq, start + limit - 1);
      return { first: Math.max(minSeq, last - limit + 1), last, nearest: middle };
    }
  }
}

/** The place asked for is gone. */
function trimmed(min: number, max: number): PacelineError {
  const message = `what is asked for is gone, what can be read is ${min} to ${max}`;
  return new PacelineError({ reason: 'TRIMMED', field: 'after_seq', min, max, message });
}

function inFuture(seq: number, min: number, max: number): PacelineError {
  const message = `there is no seq ${seq} yet, the newest is ${max}`;
  return new PacelineError({ reason: 'IN_FUTURE', field: 'after_seq', min, max, message });
}
