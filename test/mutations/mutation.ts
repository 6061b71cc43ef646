// A known bug as a small patch of the product's source, and how it is applied. The product itself has no
// switch for it.

export interface Patch {
  readonly file: `src/${string}.ts`;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutation extends Patch {
  readonly name: string;
  /** Of docs/testing.md, "Bugs that others had"; or the invariant of docs/architecture.md that it breaks. */
  readonly class: string;
  /** What is wrong then, as one sentence. */
  readonly says: string;
  /** Further places, where the bug takes several. */
  readonly also?: readonly Patch[];
}

/** One that nobody can see, as another part of the product makes up for it. */
export interface HiddenMutation extends Mutation {
  readonly guard: string;
  /** The mutation of the gate in which that guard is gone too. */
  readonly pair: string;
}

export function patchesOf({ file, from, to, also = [] }: Mutation): readonly Patch[] {
  return [{ file, from, to }, ...also];
}

/** Throws where the file is not the one that the patch was written for. */
export function patched(source: string, { file, from, to }: Patch, name: string): string {
  const found = source.split(from).length - 1;
  if (found !== 1) throw new Error(`${name} is stale: its text stands ${found} times in ${file}`);
  if (from === to) throw new Error(`${name} changes nothing`);
  return source.replace(from, () => to);
}
