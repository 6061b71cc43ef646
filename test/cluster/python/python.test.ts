// A client in another language, generated from proto/ into this test's own folder.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { useCluster } from '../fixture.ts';

const run = promisify(execFile);
/** Debian's own: where its python3-grpcio is. */
const python = '/usr/bin/python3';
const client = fileURLToPath(new URL('./client.py', import.meta.url));
const proto = fileURLToPath(new URL('../../../proto', import.meta.url));

const packages = 'python3-grpcio, protobuf-compiler and protobuf-compiler-grpc';

const missing = await Promise.all([
  run(python, ['-c', 'import grpc, google.protobuf']),
  run('protoc', ['--version']),
  run('which', ['grpc_python_plugin']),
]).then(
  () => '',
  () => `(skipped: Debian's ${packages} are not all installed)`,
);

describe.skipIf(missing !== '')(`a Python client ${missing}`.trim(), () => {
  const fixture = useCluster();
  const generated = () => path.join(fixture.directory, 'python');

  beforeAll(async () => {
    mkdirSync(generated());
    const { stdout: plugin } = await run('which', ['grpc_python_plugin']);
    await run('protoc', [
      `-I${proto}`,
      `--python_out=${generated()}`,
      `--plugin=protoc-gen-grpc_python=${plugin.trim()}`,
      `--grpc_python_out=${generated()}`,
      'paceline/v1/log.proto',
    ]);
  });

  it('appends and reads on any of the three nodes', async () => {
    const bodies: string[] = [];
    for (const { id, address } of fixture.cluster.nodes) {
      const body = `node${id}`;
      bodies.push(body);
      const env = { ...process.env, PYTHONPATH: generated() };
      const { stdout } = await run(python, [client, address, 'g:python', body], { env });
      expect(stdout.trim()).toBe([id, ...bodies].join(' '));
    }
  });
});
