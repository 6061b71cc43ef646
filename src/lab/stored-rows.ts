// What a node's disk holds of consensus, as the checkers look it up all the time: names of entries and what
// a hard state says are made once each.
import { entryKey, firstGeneration, hardStateKey } from '../storage/keys.ts';
import { decodeHardState } from '../storage/own-rows.ts';
import { decodeShapedRecord } from '../storage/record-codec.ts';
import type { SeenNode } from './seen-node.ts';

interface HardState {
  readonly term: number;
  readonly votedFor: number;
}

/** By partition, then by index. */
const entryNames: string[][] = [];
const voteNames: string[] = [];
/** Stored bytes never change: what is written takes their place. */
const hardStates = new WeakMap<Buffer, HardState>();

export function storedEntry(
  { disk }: Pick<SeenNode, 'disk'>,
  partition: number,
  index: number,
): Buffer | undefined {
  return disk.rows.get(entryName(partition, index));
}

/** undefined: there is none. */
export function storedHardState(
  { disk }: Pick<SeenNode, 'disk'>,
  partition: number,
): HardState | undefined {
  const key = hardStateKey(partition);
  voteNames[partition] ??= key.toString('latin1');
  const stored = disk.rows.get(voteNames[partition]);
  if (stored === undefined) return undefined;
  let hard = hardStates.get(stored);
  if (hard === undefined) {
    hard = decodeShapedRecord(key, stored, { partition, row: 'the hard state' }, decodeHardState);
    hardStates.set(stored, hard);
  }
  return hard;
}

function entryName(partition: number, index: number): string {
  entryNames[partition] ??= [];
  const names = entryNames[partition];
  let name = names[index];
  if (name === undefined) {
    name = entryKey({ partition, generation: firstGeneration }, index).toString('latin1');
    names[index] = name;
  }
  return name;
}
