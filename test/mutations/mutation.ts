// A known bug as a small patch of the product's source, and how it is applied. The product itself has no
// switch for it.

export interface Mutation {
  readonly name: string;
  /** Of docs/testing.md, "Bugs that others had"; or the invariant (I1 to I10) or rule that it breaks. */
  readonly class: string;
  /** What is wrong then, as one sentence. */
  readonly says: string;
  readonly file: `src/${string}.ts`;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

/** Throws where the file is not the one that the mutation was written for. */
export function mutated(source: string, { name, file, from, to }: Mutation): string {
  const found = source.split(from).length - 1;
  if (found !== 1) throw new Error(`${name} is stale: its text stands ${found} times in ${file}`);
  if (from === to) throw new Error(`${name} changes nothing`);
  return source.replace(from, () => to);
}
