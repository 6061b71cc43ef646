// A directory for the servers' data, gone after the benchmark.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import path from 'node:path';

/** Every user may enter it: some servers run as another one. */
export function scratchDirectory(parent: string): string {
  const directory = mkdtempSync(path.join(parent, 'paceline-bench-'));
  chmodSync(directory, 0o755);
  // By a process of its own: this one may be killed while it removes, and servers that were killed just now
  // may still write.
  process.on('exit', () => {
    const script = 'for i in 1 2 3 4 5; do rm -rf "$0" 2> /dev/null && exit; sleep 1; done';
    spawn('/bin/sh', ['-c', script, directory], { detached: true, stdio: 'ignore' }).unref();
  });
  return directory;
}
