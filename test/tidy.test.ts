// The house as docs/architecture.md describes it: who may import whom, and how large things may grow.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const fileLinesMax = 500;

/** Libraries a leaf module at src/ may use; those not named: none. */
const leafLibraries: Readonly<Record<string, readonly string[]>> = {
  'checksum.ts': ['node:zlib'],
  'command-event.ts': ['node:buffer'],
  'command.ts': ['node:buffer'],
  'directories.ts': ['node:fs/promises', 'node:path'],
  'hash.ts': ['node:crypto'],
  'logger.ts': ['pino'],
  'shard.ts': ['xxhash-wasm'],
};

/** The table of docs/architecture.md, with the libraries one by one: what a folder may import: folders of src/, 'leafs', libraries; `types:` = type imports only. */
const folderImports: Readonly<Record<string, readonly string[]>> = {
  gen: ['leafs', 'protobufjs/light.js', 'types:long'],
  raft: ['leaf:assert.ts'],
  order: ['leafs', 'gen', 'msgpackr'],
  storage: ['types:raft', 'leafs', 'msgpackr'],
  'storage/level': ['storage', 'leafs', 'level'],
  transport: ['types:raft', 'leafs', 'gen', 'msgpackr'],
  'transport/tcp': ['transport', 'leafs', 'node:net'],
  node: ['raft', 'order', 'types:storage', 'types:transport', 'leafs'],
  api: ['node', 'order', 'gen', 'leafs', 'long', 'node:process'],
  'api/grpc': [
    'api',
    'node',
    'types:order',
    'gen',
    'leafs',
    '@grpc/grpc-js',
    '@grpc/proto-loader',
    '@grpc/reflection',
    'grpc-health-check',
    'node:dns/promises',
    'node:net',
    'node:path',
    'node:url',
  ],
  client: ['gen', 'leafs'],
  'client/grpc': ['client', 'gen', 'leafs', '@grpc/grpc-js'],
  lab: ['types:raft', 'order', 'node', 'storage', 'transport', 'api', 'client', 'gen', 'leafs'],
  'client/level': ['client', 'leafs', 'level', 'msgpackr'],
};

interface Import {
  readonly file: string;
  readonly target: string;
  readonly isType: boolean;
}

const sources = filesUnder('src').filter((file) => !file.startsWith('src/gen/'));
const statement = /^(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?'([^']+)'/gm;

describe('the house', () => {
  test('every import is one that the table of docs/architecture.md allows', () => {
    const forbidden = filesUnder('src')
      .flatMap(importsOf)
      .filter((each) => !isAllowed(each))
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(forbidden).toEqual([]);
  });

  test('no folder is a drawer for everything', () => {
    const drawers = /(^|\/)(utils?|common|helpers?|types|misc)(\/|$)/;
    const folders = new Set([...filesUnder('src'), ...filesUnder('test')].map(path.dirname));
    expect([...folders].filter((folder) => drawers.test(folder))).toEqual([]);
  });

  test(`no file has more than ${fileLinesMax} lines`, () => {
    const all = [...sources, ...filesUnder('test'), ...filesUnder('scripts')];
    const long = all.filter((file) => read(file).split('\n').length > fileLinesMax);
    expect(long).toEqual([]);
  });

  test('every source file opens with what it is', () => {
    const silent = sources.filter((file) => !/^(#!.*\n)?\/\/ /.test(read(file)));
    expect(silent).toEqual([]);
  });

  test('consensus, ordering, node, client and lab read no clock and no chance of their own', () => {
    const own = /\b(Date\.now|Math\.random|performance\.now|setTimeout|setInterval|new Date)\(/;
    const pure = /^src\/(raft|order|node|client|lab)\/(?!grpc\/)/;
    expect(sources.filter((file) => pure.test(file) && own.test(read(file)))).toEqual([]);
  });

  test('the table finds an import that is not allowed', () => {
    const bad = { file: 'src/raft/log.ts', target: 'node:fs', isType: false };
    const value = { file: 'src/node/node.ts', target: 'src/storage/keys.ts', isType: false };
    expect([isAllowed(bad), isAllowed(value), isAllowed({ ...value, isType: true })]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

function isAllowed({ file, target, isType }: Import): boolean {
  const folder = path.dirname(file).slice('src/'.length);
  if (folder.startsWith('cli')) return true;
  if (path.dirname(file) === 'src') return isAllowedInLeaf(path.basename(file), target, isType);
  const allowed = folderImports[folder];
  if (allowed === undefined) return false;
  const within = path.dirname(target).slice('src/'.length);
  if (!target.startsWith('src/')) {
    return allowed.includes(target) || (isType && allowed.includes(`types:${target}`));
  }
  if (path.dirname(target) === 'src') {
    return allowed.includes('leafs') || allowed.includes(`leaf:${path.basename(target)}`);
  }
  if (within === folder || allowed.includes(within)) return true;
  return isType && allowed.includes(`types:${within}`);
}

function isAllowedInLeaf(file: string, target: string, isType: boolean): boolean {
  if (path.dirname(target) === 'src') return true;
  if (isType && target === 'src/raft/types.ts') return true;
  return (leafLibraries[file] ?? []).includes(target);
}

function importsOf(file: string): Import[] {
  return [...read(file).matchAll(statement)].map(([, type, specifier = '']) => {
    const target = specifier.startsWith('.') ? path.join(path.dirname(file), specifier) : specifier;
    return { file, target, isType: type !== undefined };
  });
}

function filesUnder(folder: string): string[] {
  const entries = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}
