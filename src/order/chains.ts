// Sender chains: where each device of a sender stands in one conversation, and the verdict of a link by
// the rules of ordering.md, "Append". A row holds all devices of one sender there.
import type { Link } from '../command.ts';

/** Missing: client_seqs above `after`, up to and with `upTo`. */
export interface Gap {
  readonly after: number;
  readonly upTo: number;
  /** Of the GapMarker in its place; 0 = it was skipped. */
  readonly markerRev: number;
}

export interface Chain {
  readonly device: string;
  readonly epoch: number;
  /** client_seq of the newest link stored in order; 0 = none. */
  readonly last: number;
  /** Oldest first. */
  readonly gaps: readonly Gap[];
}

/** One chain a device. */
export type ChainRow = readonly Chain[];

export const chainLimits = { devices: 16, gaps: 16 } as const;

export type LinkVerdict =
  /** The row after it; lateFor = the marker's rev where it is late, null where it is not. */
  | { readonly kind: 'next'; readonly row: ChainRow; readonly lateFor: number | null }
  | { readonly kind: 'ahead'; readonly last: number }
  | { readonly kind: 'passed'; readonly last: number }
  | { readonly kind: 'fenced'; readonly epoch: number }
  | { readonly kind: 'too-many-devices' };

interface InChain extends Link {
  readonly prev: number;
}

export function judgeLink(row: ChainRow, link: InChain): LinkVerdict {
  const found = row.find(({ device }) => device === link.device);
  if (found !== undefined && link.epoch < found.epoch)
    return { kind: 'fenced', epoch: found.epoch };
  const chain = begun(found, link);
  const { last, gaps } = chain;
  const { clientSeq, prev } = link;
  if (prev === last) {
    if (hasNoRoom(row, link)) return { kind: 'too-many-devices' };
    return { kind: 'next', lateFor: null, row: replaced(row, { ...chain, last: clientSeq }) };
  }
  const gap = gaps.find(({ after, upTo }) => after < clientSeq && clientSeq <= upTo);
  if (gap !== undefined) {
    const left = gaps.flatMap((each) => (each === gap ? remaining(gap, clientSeq, prev) : [each]));
    return {
      kind: 'next',
      lateFor: gap.markerRev,
      row: replaced(row, { ...chain, gaps: newest(left) }),
    };
  }
  return prev > last ? { kind: 'ahead', last } : { kind: 'passed', last };
}

/** Another device would be one too many. */
export function hasNoRoom(row: ChainRow, { device }: Link): boolean {
  return row.length >= chainLimits.devices && !row.some((each) => each.device === device);
}

/** The row once the wait for what lies before `link` has ended: its predecessor counts as passed. */
export function openGap(row: ChainRow, link: InChain, markerRev: number): ChainRow {
  const chain = begun(
    row.find(({ device }) => device === link.device),
    link,
  );
  const gap = { after: chain.last, upTo: link.prev, markerRev };
  return replaced(row, { ...chain, last: link.prev, gaps: newest([...chain.gaps, gap]) });
}

/** The row that a link leaves where nothing but its command says so: one device, no gaps. */
export function simpleRow({ device, epoch, clientSeq }: Link): ChainRow {
  return [{ device, epoch, last: clientSeq, gaps: [] }];
}

export function isSimple(row: ChainRow, { device, epoch, clientSeq }: Link): boolean {
  const [only, ...others] = row;
  if (only === undefined || others.length > 0 || only.gaps.length > 0) return false;
  return only.device === device && only.epoch === epoch && only.last === clientSeq;
}

/** A higher epoch begins anew. */
function begun(found: Chain | undefined, { device, epoch }: Link): Chain {
  if (found !== undefined && found.epoch === epoch) return found;
  return { device, epoch, last: 0, gaps: [] };
}

function remaining({ after, upTo, markerRev }: Gap, clientSeq: number, prev: number): Gap[] {
  const left: Gap[] = [];
  if (prev > after) left.push({ after, upTo: prev, markerRev });
  if (clientSeq < upTo) left.push({ after: clientSeq, upTo, markerRev });
  return left;
}

function newest(gaps: readonly Gap[]): readonly Gap[] {
  return gaps.slice(-chainLimits.gaps);
}

function replaced(row: ChainRow, chain: Chain): ChainRow {
  const others = row.filter(({ device }) => device !== chain.device);
  return [...others, chain];
}

export function packChains(row: ChainRow): unknown[] {
  return row.map(({ device, epoch, last, gaps }) => {
    return [device, epoch, last, gaps.flatMap((gap) => [gap.after, gap.upTo, gap.markerRev])];
  });
}

/** null: no row. */
export function unpackChains(field: unknown): ChainRow | null {
  if (!Array.isArray(field)) return null;
  return field.flatMap((each: unknown) => {
    if (!Array.isArray(each)) return [];
    const [device, epoch, last, numbers]: unknown[] = each;
    if (typeof device !== 'string' || !Array.isArray(numbers)) return [];
    const gaps: Gap[] = [];
    for (let at = 0; at + 2 < numbers.length; at += 3) {
      const [after, upTo, markerRev] = numbers.slice(at, at + 3).map(Number);
      gaps.push({ after: after ?? 0, upTo: upTo ?? 0, markerRev: markerRev ?? 0 });
    }
    return [{ device, epoch: Number(epoch), last: Number(last), gaps }];
  });
}
