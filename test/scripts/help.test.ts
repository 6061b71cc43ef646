// --help of a script says what it does, and does nothing; flags that would be ignored are refused.
import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
/** Some load much before they read their flags, and the machine may be busy. */
const deadlineMs = 30_000;
const tsx = path.join(root, 'node_modules/.bin/tsx');

/** When each file that a script writes was written last. */
function written(): number[] {
  const pictures = readdirSync(path.join(root, 'docs/pictures')).map(
    (name) => `docs/pictures/${name}`,
  );
  const files = [...pictures, 'src/gen/proto.ts', 'src/gen/descriptor.ts'];
  return files.map((file) => statSync(path.join(root, file)).mtimeMs);
}

it.each([
  ['bench'],
  ['check'],
  ['fault'],
  ['generate'],
  ['mutations', 'test:mutations'],
  ['pictures'],
  ['profile'],
])(
  '%s',
  async (script, command = script) => {
    const before = written();
    const { stdout } = await run(tsx, [`scripts/${script}.ts`, '--help'], {
      cwd: root,
      timeout: deadlineMs,
    });
    expect(stdout.startsWith(`npm run ${command}`)).toBe(true);
    expect(written()).toEqual(before);
    const wrong = run(tsx, [`scripts/${script}.ts`, '--wrong'], { cwd: root, timeout: deadlineMs });
    await expect(wrong).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/flags: --help/),
    });
  },
  2 * deadlineMs,
);

it(
  'bench refuses peers beside subjects: they would be left out',
  async () => {
    const args = ['scripts/bench.ts', 'compare', '--subjects', 'bound', '--peers', 'etcd'];
    const both = run(tsx, args, { cwd: root, timeout: deadlineMs });
    await expect(both).rejects.toMatchObject({
      stderr: expect.stringMatching(/--peers does not go/),
    });
  },
  deadlineMs,
);
