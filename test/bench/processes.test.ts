// Servers of the benchmark: what `stop` promises.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ServerProcess } from '../../scripts/bench/processes.ts';
import { until } from '../../scripts/harness/until.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

// It ignores SIGTERM, and the system takes a while to end it: it has much memory to give back.
const deaf = `
  process.on('SIGTERM', () => {});
  globalThis.held = Array.from({ length: 8 }, () => Buffer.alloc(32 << 20, 1));
  require('node:fs').writeFileSync(process.argv[1], String(process.pid));
  setInterval(() => {}, 1000);
`;

test('once a server has stopped, none of its processes runs', async () => {
  const directory = temporaryDirectory();
  const pidFile = path.join(directory, 'pid');
  const server = new ServerProcess({
    name: 'a shell and its child',
    command: ['sh', '-c', '"$0" -e "$1" "$2" & sleep 600', process.execPath, deaf, pidFile],
    logFile: path.join(directory, 'log'),
  });
  const child = await until('the child runs', 10_000, () => {
    try {
      return Number(readFileSync(pidFile, 'utf8')) || false;
    } catch {
      return false;
    }
  });

  await server.stop();
  expect(() => process.kill(child, 0)).toThrow('ESRCH');
});
