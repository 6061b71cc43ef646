// Syncs of servers, counted and delayed: servers are started through sync-delay.c, compiled on the spot.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBinary } from './processes.ts';

const source = fileURLToPath(new URL('./sync-delay.c', import.meta.url));

/** Compiles it into that directory. Throws where that cannot be done, and says what is missing. */
export function buildSyncDelay(directory: string): string {
  if (findBinary('cc') === null) throw new Error('--fsync-delay needs a C compiler: Debian gcc');
  const program = path.join(directory, 'sync-delay');
  const { status, stderr } = spawnSync('cc', ['-O2', '-Wall', '-o', program, source], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`sync-delay.c: ${stderr}`);
  chmodSync(program, 0o755);
  return program;
}

/** What to start a server through; each counts in a file of its own in that directory. */
export function throughSyncDelay(program: string, directory: string, ms: number): string[] {
  mkdirSync(directory, { recursive: true });
  // Some servers run as another user.
  chmodSync(directory, 0o777);
  const script = `exec "${program}" ${ms} "${directory}/$$" "$@"`;
  return ['/bin/sh', '-c', script, 'sh'];
}

/** Of all servers whose counts lie in that directory; null: they are not counted. */
export function readSyncs(directory: string | null): number | null {
  if (directory === null) return null;
  const counts = readdirSync(directory).map((file) => {
    return readFileSync(path.join(directory, file)).readBigUInt64LE();
  });
  return Number(counts.reduce((sum, count) => sum + count, 0n));
}
