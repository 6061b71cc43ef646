// Before the tests: dist/ as src/ is now, since tests of real processes run the built program.
import { spawnSync } from 'node:child_process';

export function setup(): void {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
}
