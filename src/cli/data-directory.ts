// The directory of --data: what stands in its way is said in one line, and of what lies in it only what a
// cluster of `paceline dev` made is ever deleted.
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import { causeCode } from '../storage/database.ts';
import { databasesOf, openLevel } from '../storage/level/store.ts';
import { usage } from './flags.ts';

const problems: Readonly<Record<string, string>> = {
  EEXIST: 'it is a file',
  ENOTDIR: 'a part of it is a file',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'it lies on a file system that is read-only',
};
const nodeDirectory = /^node-[1-7]$/;
const nodeLog = /^node-[1-7]\.log$/;
/** What a store has in its directory. */
const storeNames: ReadonlySet<string> = new Set(['log', 'state']);

/** Made where it is missing. Throws BAD_REQUEST where that cannot be. */
export function makeDataDirectory(directory: string): void {
  if (directory === '') throw usage('data', 'is empty, it must be the name of a directory');
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw usage('data', `"${directory}" cannot be used as a directory: ${problemOf(error)}`);
  }
}

/** Deletes data and logs of the nodes of earlier runs; nothing where one of them is something else or in use. */
export async function forget(directory: string): Promise<void> {
  const files = nodeFiles(directory);
  await checkUnused(files);
  for (const file of files) rmSync(file, { recursive: true, force: true });
}

function nodeFiles(directory: string): string[] {
  const own: string[] = [];
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name);
    if (nodeLog.test(name)) {
      if (!lstatSync(file).isFile())
        throw usage('data', `holds ${name}, which is no log of a node`);
      own.push(file);
    }
    if (nodeDirectory.test(name)) {
      if (!isStore(file)) throw usage('data', `holds ${name}, which is not the data of a node`);
      own.push(file);
    }
  }
  return own;
}

/** Throws where a process that lives has one of them open. */
async function checkUnused(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const [log] = databasesOf(file);
    if (!existsSync(path.join(log, 'LOCK'))) continue;
    try {
      await (await openLevel(log)).close();
    } catch (error) {
      if (causeCode(error) !== 'LEVEL_LOCKED') continue;
      throw usage('data', `cannot be forgotten: a node that runs uses ${file}`);
    }
  }
}

/** CURRENT: the store of an older version. */
function isStore(directory: string): boolean {
  if (!lstatSync(directory).isDirectory()) return false;
  const names = readdirSync(directory);
  return names.includes('CURRENT') || names.every((name) => storeNames.has(name));
}

function problemOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return problems[code] ?? message;
}
