// The gate's list fits the sources as they are; what the lab says of each is for `npm run test:mutations`.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { hiddenMutations, mutations, openMutations } from './all.ts';
import { type Mutation, patched, patchesOf } from './mutation.ts';

const root = path.resolve(import.meta.dirname, '../..');

const all: readonly Mutation[] = [...mutations, ...openMutations, ...hiddenMutations];

test.each(all.map((mutation) => [mutation.name, mutation] as const))(
  '%s can be put back',
  (name, mutation) => {
    for (const patch of patchesOf(mutation)) {
      const source = readFileSync(path.join(root, patch.file), 'utf8');
      expect(patched(source, patch, name)).not.toBe(source);
    }
  },
);

test('a hidden one is caught with its guard gone too', () => {
  for (const hidden of hiddenMutations) {
    const pair = mutations.find(({ name }) => name === hidden.pair);
    const patches = (pair === undefined ? [] : patchesOf(pair)).map(({ from }) => from);
    expect(patches.join()).toContain(hidden.from);
    expect(pair === undefined || patchesOf(pair).length > 1 || pair.from !== hidden.from).toBe(
      true,
    );
  }
});

test('there are 25 at least, each with a name of its own', () => {
  const names = new Set(all.map(({ name }) => name));
  expect(names.size).toBe(all.length);
  expect(mutations.length).toBeGreaterThanOrEqual(25);
  // Where the lab has learnt to catch one, it moves; a new one may not hide here.
  expect(openMutations).toEqual([]);
});

test('a mutation whose text is not there once is stale', () => {
  const stale: Mutation = {
    ...{ name: 'stale', class: '0', says: '', file: 'src/assert.ts' },
    ...{ from: 'one', to: 'two' },
  };
  expect(() => patched('three', stale, 'stale')).toThrow('stands 0 times');
  expect(() => patched('one one', stale, 'stale')).toThrow('stands 2 times');
  expect(patched('one', stale, 'stale')).toBe('two');
});
