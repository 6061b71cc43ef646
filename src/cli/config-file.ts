// The file of `paceline serve --config`: a JSON object with the names of the flags.
import { readFileSync } from 'node:fs';
import { usage } from './flags.ts';
import type { ServeFlags } from './settings.ts';

type Setting = keyof ServeFlags;
type Kind = 'text' | 'number' | 'boolean';

const kinds: Readonly<Record<Setting, Kind>> = {
  id: 'number',
  cluster: 'text',
  listen: 'text',
  peers: 'text',
  data: 'text',
  partitions: 'number',
  mapping: 'text',
  dedupeWindowMs: 'number',
  dedupeWindowBytes: 'number',
  lease: 'boolean',
  insecure: 'boolean',
  logLevel: 'text',
};

/** Throws BAD_REQUEST with the field. */
export function readConfigFile(file: string): ServeFlags {
  const settings: Partial<Record<Setting, unknown>> = {};
  for (const [name, value] of Object.entries(readObject(file))) {
    const setting = settingOf(name);
    if (setting === null) throw usage('config', `"${file}" has an unknown setting: ${name}`);
    if (setting in settings) throw usage('config', `"${file}" has ${flagOf(setting)} twice`);
    settings[setting] = checked(setting, value);
  }
  return settings as ServeFlags;
}

function readObject(file: string): object {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usage('config', `"${file}" cannot be read: ${messageOf(error)}`);
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch (error) {
    throw usage('config', `"${file}" is not JSON: ${messageOf(error)}`);
  }
  throw usage('config', `"${file}" is not a JSON object`);
}

/** By the flag's name, or as code spells it, which files of before do. */
function settingOf(name: string): Setting | null {
  const all = Object.keys(kinds) as Setting[];
  return all.find((setting) => setting === name || flagOf(setting) === name) ?? null;
}

function checked(setting: Setting, value: unknown): unknown {
  const kind = kinds[setting];
  const isRight =
    kind === 'number'
      ? typeof value === 'number' || typeof value === 'string'
      : typeof value === (kind === 'text' ? 'string' : 'boolean');
  if (isRight) return value;
  const wanted = { text: 'text', number: 'a number', boolean: 'true or false' }[kind];
  const such = setting === 'peers' ? ' such as "1=HOST:PORT,2=HOST:PORT"' : '';
  throw usage(flagOf(setting), `is ${JSON.stringify(value)}, it must be ${wanted}${such}`);
}

/** dedupeWindowMs as dedupe-window-ms. */
function flagOf(setting: Setting): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
