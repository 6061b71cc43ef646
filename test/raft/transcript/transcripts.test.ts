// Every script of testdata/, played against the core; docs/testing.md tells how to rewrite what they expect.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { foreignDifferences, rewritten } from './play.ts';

const ownFolder = path.join(import.meta.dirname, '../testdata');
const foreignFolder = process.env['FOREIGN_TRANSCRIPTS'];
const rewrites = process.env['REWRITE_TRANSCRIPTS'] === '1';

describe('transcripts', () => {
  test.each(scriptsIn(ownFolder))('%s', (name) => {
    const file = path.join(ownFolder, name);
    const text = readFileSync(file, 'utf8');
    const actual = rewritten(text);
    if (rewrites) writeFileSync(file, actual);
    else expect(actual).toBe(text);
  });

  test('a wrong expectation is found', () => {
    const text = readFileSync(path.join(ownFolder, 'campaign.txt'), 'utf8');
    const wrong = text.replace('2: StateFollower', '2: StateLeader');
    expect(wrong).not.toBe(text);
    expect(rewritten(wrong)).toBe(text);
    expect(foreignDifferences(text)).toEqual([]);
    expect(foreignDifferences(wrong)).toMatchObject([expect.stringContaining('raft-state')]);
  });
});

describe.skipIf(foreignFolder === undefined)('transcripts written for etcd', () => {
  const folder = foreignFolder ?? '';
  test.each(foreignFolder === undefined ? [] : scriptsIn(folder))('%s', (name) => {
    const text = readFileSync(path.join(folder, name), 'utf8');
    expect(foreignDifferences(text).join('\n\n')).toBe('');
  });
});

function scriptsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort();
}
