// Commands of dist/cli as real processes.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const main = path.join(root, 'dist/cli/main.js');

export interface CliEnd {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What `import --json` says at its end. */
export interface ImportEnd {
  readonly messages: number;
  readonly duplicates: number;
  readonly skipped: number;
  readonly refused: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly complete: boolean;
}

/** Its standard error goes to `say`, line by line. */
export function paceline(
  args: readonly string[],
  say: (line: string) => void = () => undefined,
): Promise<CliEnd> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const notes: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    notes.push(chunk);
    say(chunk.toString().trimEnd());
  });
  const onExit = () => child.kill('SIGKILL');
  process.on('exit', onExit);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('exit', onExit);
      resolve({
        code,
        stdout: Buffer.concat(chunks),
        stderr: Buffer.concat(notes).toString(),
      });
    });
  });
}

/** Throws where it did not end well. */
export async function importLogs(
  files: readonly string[],
  flags: readonly string[],
  say: (line: string) => void,
): Promise<ImportEnd> {
  const { code, stdout } = await paceline(['import', '--json', ...flags, ...files], say);
  if (code !== 0) throw new Error(`import ended with exit code ${code}: ${stdout}`);
  const end: ImportEnd = JSON.parse(stdout.toString());
  return end;
}
