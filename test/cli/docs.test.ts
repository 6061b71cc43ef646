// The docs name every command with every flag, and what code names of them is there.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { paceline } from '../../scripts/irc/cli.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

/** Lines of code and docs that match, without the file they are in. */
function grep(pattern: string): string[] {
  const where = [
    'src',
    'scripts',
    'test',
    'docs',
    ':!test/raft/testdata',
    ':!test/cli/docs.test.ts',
  ];
  const found = execFileSync('git', ['grep', '-hE', pattern, '--', ...where], { cwd: root });
  return found.toString().split('\n');
}

describe('docs/operations.md', () => {
  it('has every command and every flag', async () => {
    const text = read('docs/operations.md');
    const { stdout } = await paceline(['--help']);
    const commands = [...stdout.toString().matchAll(/^ {2}(\w+) .*\[options\]/gm)].map(
      ([, name]) => name,
    );
    expect(commands.length).toBeGreaterThan(8);
    const help = await Promise.all(commands.map((name) => paceline([`${name}`, '--help'])));
    const flags = help.flatMap((end) => end.stdout.toString().match(/--[a-z-]+/g) ?? []);
    const wanted = [...commands.map((name) => `paceline ${name}`), ...new Set(flags)];
    expect(wanted.filter((each) => !text.includes(each))).toEqual([]);
  });
});

describe('docs/architecture.md', () => {
  const text = read('docs/architecture.md');

  it('has every rule and invariant that is named by its number', () => {
    const rules = grep('[Rr]ules? [0-9]').flatMap(
      (line) => line.match(/(?<=[Rr]ules? )\d+/g) ?? [],
    );
    const invariants = grep('\\bI[0-9]+\\b').flatMap((line) => line.match(/\bI\d+\b/g) ?? []);
    expect([rules.length > 5, invariants.length > 5]).toEqual([true, true]);
    const named = [...new Set([...rules, ...invariants])];
    expect(named.filter((each) => !new RegExp(`^\\| ${each} \\|`, 'm').test(text))).toEqual([
      // Said to be kept free there.
      ...['I8', 'I9'].filter((each) => named.includes(each)),
    ]);
  });

  it('and the other docs that comments name are there', () => {
    const names = grep('[a-z]+\\.md\\b').flatMap(
      (line) => line.match(/[\w/.-]*\b[a-z-]+\.md\b/g) ?? [],
    );
    const places = (name: string) => [
      name,
      `docs/${name}`,
      `docs/decisions/${name}`,
      name.replace('../', ''),
    ];
    const missing = names.filter(
      (name) => !places(name).some((each) => existsSync(path.join(root, each))),
    );
    expect([...new Set(missing)]).toEqual([]);
  });
});

describe('what docs and examples show', () => {
  it.each(['send.ts', 'live-view.ts', 'page-back.ts', 'live_view.py'])(
    'examples/%s asks three servers, of which one may be down',
    (name) => {
      expect(read(`examples/${name}`)).toContain('127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402');
    },
  );

  it('every block of docs/api.md that uses a client connects and closes it', () => {
    const blocks = [...read('docs/api.md').matchAll(/^```ts\n(.*?)^```$/gms)].map(
      ([, code]) => code,
    );
    const using = blocks.filter((code) => code?.includes('paceline.'));
    expect(using.length).toBeGreaterThan(3);
    const alone = (code = '') => /= connect\(/.test(code) && code.includes('paceline.close()');
    expect(using.filter((code) => !alone(code))).toEqual([]);
  });

  it('the README says that the plain benchmark runs without peers', () => {
    expect(read('README.md')).toMatch(/`npm run bench` .* `npm run bench -- compare --peers /);
  });
});
