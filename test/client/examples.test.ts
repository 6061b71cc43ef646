// Every example that is shown, run as it stands: the ts blocks of doc comments and of the docs, and the
// programs of examples/. One that does not work fails here.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { until } from '../../scripts/harness/until.ts';
import { useCluster } from '../cluster/fixture.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the package, so that `paceline/client` is found as a user finds it. */
const workshop = path.join(root, 'test/client/.examples');
const tsx = path.join(root, 'node_modules/.bin/tsx');
const shownServers = /\['127\.0\.0\.1:7400'[^\]]*\]/g;
const python = '/usr/bin/python3';
const deadlineMs = 20_000;

interface Example {
  readonly name: string;
  readonly code: string;
}

const fixture = useCluster();
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

const missing = await Promise.all([
  run(python, ['-c', 'import grpc, google.protobuf']),
  run('which', ['protoc', 'grpc_python_plugin']),
]).then(
  () => '',
  () => '(skipped: python3-grpcio or protoc is not installed)',
);

function files(folder: string, ending: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => path.join(folder, file));
}

/** The ts blocks of a file; those of doc comments without their stars. */
function blocks(file: string): Example[] {
  const text = readFileSync(path.join(root, file), 'utf8').replaceAll(/^ *\* ?/gm, '');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ''], i) => {
    return { name: `${file} ${i + 1}`, code };
  });
}

const examples = [...files('src/client', '.ts'), 'README.md', ...files('docs', '.md')].flatMap(
  blocks,
);

/** With `paceline` connected, unless the example connects for itself. */
function programOf({ code }: Example): string {
  const servers = JSON.stringify(fixture.cluster.servers);
  if (code.includes("from 'paceline/client'")) return code.replaceAll(shownServers, servers);
  const before = [
    "import { connect } from 'paceline/client';",
    `const paceline = connect({ servers: ${servers} });`,
    "await paceline.append({ conversation: 'g:lobby', sender: 'bob', body: 'before' });",
  ];
  return [...before, '{', code, '}', 'await paceline.close();'].join('\n');
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PACELINE_SERVERS: fixture.cluster.servers.join(',') };
}

describe('a shown example', () => {
  it('is found in the doc comments of the client and in the README', () => {
    const places = examples.map(({ name }) => name.split(' ')[0]);
    expect(places).toEqual(expect.arrayContaining(['src/client/client.ts', 'README.md']));
    expect(examples.length).toBeGreaterThanOrEqual(6);
  });

  it.each(examples)('works: $name', async (example) => {
    mkdirSync(workshop, { recursive: true });
    const file = path.join(workshop, `${example.name.replaceAll(/\W+/g, '-')}.ts`);
    writeFileSync(file, programOf(example));
    await run(tsx, [file], { timeout: deadlineMs, env: environment() });
  });
});

describe('examples/', () => {
  const example = (name: string) => path.join(root, 'examples', name);
  const conversation = 'g:examples';

  it('send.ts stores a message and says its number', async () => {
    for (const [i, body] of ['one', 'two', 'three'].entries()) {
      const options = { timeout: deadlineMs, env: environment() };
      const said = await run(tsx, [example('send.ts'), conversation, 'ann', body], options);
      expect(said.stdout).toBe(`stored as ${conversation} ${i + 1}\n`);
    }
  });

  it('page-back.ts goes from the newest to the oldest over its pages', async () => {
    const options = { timeout: deadlineMs, env: environment() };
    const { stdout } = await run(tsx, [example('page-back.ts'), conversation, '2'], options);
    expect(stdout).toBe('3 ann: three\n2 ann: two\n1 ann: one\n');
  });

  it('live-view.ts shows what is there and what comes, until Ctrl-C', async () => {
    const flags = ['--import', 'tsx', example('live-view.ts'), conversation];
    const view = spawn(process.execPath, flags, { cwd: root, env: environment() });
    let shown = '';
    view.stdout.on('data', (text) => {
      shown += text;
    });
    const ended = new Promise((resolve) => view.on('exit', resolve));
    await until('it is live', deadlineMs, () => shown.includes('-- live --'));
    await fixture.client.append({ conversation, sender: 'bob', body: 'four' });
    await until('it shows what is new', deadlineMs, () => /^4 .* bob: four$/m.test(shown));
    view.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(shown).toMatch(/^1 .* ann: one\n2 .* ann: two\n3 .* ann: three\n-- live --\n4 /);
  });

  it.each([
    ['send.ts', ['nonsense'], 1, /^BAD_CONVERSATION: .*\n$/],
    ['page-back.ts', ['nonsense'], 1, /^BAD_CONVERSATION: .*\n$/],
    ['live-view.ts', ['nonsense'], 1, /^BAD_CONVERSATION: .*\n$/],
    ['page-back.ts', [conversation, 'abc'], 2, /^"abc" is not a number of messages .*\n$/],
    ['live-view.ts', [conversation, 'abc'], 2, /^"abc" is not the seq .*\n$/],
  ])('%s %j ends with a line that says why', async (name, args, code, stderr) => {
    const end = run(tsx, [example(name), ...args], { timeout: deadlineMs, env: environment() });
    await expect(end).rejects.toMatchObject({ code, stderr: expect.stringMatching(stderr) });
  });

  it('live-view.ts says that no cluster is there', async () => {
    const env = { ...process.env, PACELINE_SERVERS: '127.0.0.1:9' };
    const end = run(tsx, [example('live-view.ts')], { timeout: deadlineMs, env });
    await expect(end).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^UNREACHABLE: .*\n$/),
    });
  });

  it.skipIf(missing !== '')(`live_view.py does the same ${missing}`.trim(), async () => {
    const generated = path.join(fixture.directory, 'python');
    mkdirSync(generated);
    const { stdout: plugin } = await run('which', ['grpc_python_plugin']);
    const made = `--plugin=protoc-gen-grpc_python=${plugin.trim()}`;
    const into = [`--python_out=${generated}`, made, `--grpc_python_out=${generated}`];
    const proto = path.join(root, 'proto');
    await run('protoc', [`-I${proto}`, ...into, 'paceline/v1/log.proto']);
    const env = { ...environment(), PYTHONPATH: generated };
    const view = spawn(python, [example('live_view.py'), 'g:py'], { env });
    let shown = '';
    for (const output of [view.stdout, view.stderr]) {
      output.on('data', (text) => {
        shown += text;
      });
    }
    const ended = new Promise((resolve) => view.on('close', resolve));
    await until('it is live', deadlineMs, () => shown.includes('-- live --'));
    view.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(shown).toBe('1 py hello from Python\n-- live --\n');
  });
});
