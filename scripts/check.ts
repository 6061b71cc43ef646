// `npm run check`: format and lint, types, dead code, protos, and whether generated code is up to date.
// Runs all and fails at the end, so that one run shows every problem.
import { spawnSync } from 'node:child_process';
import { readFlags } from './flags.ts';

readFlags(
  'npm run check: format, lint, types, dead code, protos, generated code; changes nothing',
  {},
);

const checks: readonly (readonly [name: string, command: string, ...rest: string[]])[] = [
  ['format and lint', 'biome', 'check', '.'],
  ['types', 'tsc', '-p', 'tsconfig.json'],
  ['dead code', 'knip'],
  ['protos', 'buf', 'lint'],
  ['generated code', 'tsx', 'scripts/generate.ts', '--check'],
];

const failed: string[] = [];
for (const [name, command, ...rest] of checks) {
  const { status } = spawnSync('npx', ['--no-install', command, ...rest], { stdio: 'inherit' });
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'check: all good' : `check: failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
