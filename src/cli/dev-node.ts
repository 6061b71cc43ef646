// A node of `paceline dev`: the process that runs it, and what it said last.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface DevNode {
  readonly id: number;
  readonly address: string;
  readonly arguments: readonly string[];
  readonly logFile: string;
  child: ChildProcess | null;
}

interface DevSettings {
  readonly data: string;
  readonly partitions: number;
}

const stopMs = 5000;

export function nodeOf(
  id: number,
  address: string,
  nodes: readonly { readonly id: number; readonly address: string }[],
  { data, partitions }: DevSettings,
): DevNode {
  const peers = nodes.map((peer) => `${peer.id}=${peer.address}`).join(',');
  const own = ['--id', String(id), '--listen', address, '--data', path.join(data, `node-${id}`)];
  const shared = ['--cluster', 'dev', '--peers', peers, '--partitions', String(partitions)];
  const logFile = path.join(data, `node-${id}.log`);
  return { id, address, arguments: ['serve', ...own, ...shared], logFile, child: null };
}

export function start(node: DevNode): ChildProcess {
  const log = openSync(node.logFile, 'a');
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [...process.execArgv, program, ...node.arguments], {
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  node.child = child;
  return child;
}

/** The last line of its log as text: a line of `createLog` is JSON. */
export function lastWords({ logFile }: DevNode): string {
  const line = readFileSync(logFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  try {
    const { msg, error = '' }: { msg?: string; error?: string } = JSON.parse(line);
    return `${msg}: ${error.split('\n')[0]}`;
  } catch {
    return line;
  }
}

/** SIGTERM, then SIGKILL for what does not end in time. */
export async function stopAll(nodes: readonly DevNode[]): Promise<void> {
  await Promise.all(
    nodes.map(({ child }) => {
      if (child === null) return null;
      return new Promise<void>((resolve) => {
        const forced = setTimeout(() => child.kill('SIGKILL'), stopMs);
        child.on('exit', () => {
          clearTimeout(forced);
          resolve();
        });
        child.kill('SIGTERM');
      });
    }),
  );
}
