// What figures were measured on, and with what: they say little without it.
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Of the directory the data lay in. */
  readonly fileSystem: string;
  readonly node: string;
  readonly commit: string;
  /** Processes that ran or waited to, over the last minute, before the first round. */
  readonly loadBefore: number;
}

const fileSystems: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs (memory: syncs cost nothing)',
};

export function describeMachine(directory: string): Machine {
  const cpus = os.cpus();
  const { type } = statfsSync(directory);
  return {
    cpu: cpus[0]?.model.trim() ?? '',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    fileSystem: fileSystems[type] ?? `type 0x${type.toString(16)}`,
    node: process.version,
    commit: commit(),
    loadBefore: Number((os.loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** '' where this is no checkout. */
function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
    const dirty = git('status', '--porcelain') === '' ? '' : ' and changes';
    return `${git('rev-parse', '--short', 'HEAD')}${dirty}`;
  } catch {
    return '';
  }
}
