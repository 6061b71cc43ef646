// Servers that the benchmark starts: each in a process group of its own, its log in a file. None outlives
// the benchmark: at its exit their groups get SIGKILL, and at its own SIGKILL (which tsx sends where a Ctrl-C
// is not answered at once) the system kills them.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { until, within } from '../harness/until.ts';

const running = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of running) server.signal('SIGKILL');
});

const stopMs = 10_000;
const binaryFolders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
/** Of util-linux: becomes the program that it is given. */
const untilParentEnds =
  findBinary('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'SIGKILL', '--'];

export interface ServerOptions {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: User | undefined;
  readonly directory?: string;
}

export class ServerProcess {
  readonly pid: number;
  private readonly options: ServerOptions;
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  constructor(options: ServerOptions) {
    const { command, env = {}, user, logFile, directory } = options;
    const [program = '', ...args] = [...untilParentEnds, ...command];
    const log = openSync(logFile, 'a');
    this.options = options;
    this.child = spawn(program, args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...env },
      ...user,
      ...(directory === undefined ? {} : { cwd: directory }),
    });
    closeSync(log);
    this.pid = this.child.pid ?? 0;
    running.add(this);
    this.exited = new Promise((resolve) => {
      this.child.on('error', () => resolve());
      this.child.on('exit', () => resolve());
    });
  }

  get isRunning(): boolean {
    return this.pid !== 0 && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** To the whole group; answers whether any of it was left. */
  signal(signal: NodeJS.Signals | 0): boolean {
    if (this.pid === 0) return false;
    try {
      return process.kill(-this.pid, signal);
    } catch {
      return false;
    }
  }

  /**
   * Resolves once all of its group is gone, so that none of it writes any more to the directory it was given. SIGKILL
   * gets no longer than `stopMs`: where the system's init reaps nobody, the dead stay in the group.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), stopMs);
    if (this.isRunning) await this.exited;
    clearTimeout(timer);
    this.signal('SIGKILL');
    await within(stopMs, () => !this.signal(0));
    running.delete(this);
  }

  /** Polls until it answers true; fails at once where the process has ended. */
  async ready(what: string, deadlineMs: number, ask: () => Promise<boolean>): Promise<void> {
    const { name } = this.options;
    try {
      await until(`${name}: ${what}`, deadlineMs, async () => {
        if (!this.isRunning) throw new Error(`${name} has ended`);
        return ask().catch(() => false);
      });
    } catch (error) {
      throw new Error(`${String(error)}; its log ends: ${this.log().slice(-800)}`);
    }
  }

  log(): string {
    const { logFile } = this.options;
    return existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
  }
}

/** The part of a subject's servers that is the same for all. */
export function together(servers: readonly ServerProcess[], signal?: NodeJS.Signals) {
  return {
    pids: servers.map(({ pid }) => pid),
    async stop(): Promise<void> {
      await Promise.all(servers.map((server) => server.stop(signal)));
    },
  };
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Of servers that refuse to run as root; undefined where this process is not root. */
export function otherUser(name: string): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((flag) => {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  });
  return { uid: uid ?? 0, gid: gid ?? 0 };
}

/** A directory for one node, owned by that user. */
export function makeDirectory(parent: string, name: string, user?: User): string {
  const directory = path.join(parent, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  return directory;
}

/** Its whole path; null where it is not installed. */
export function findBinary(name: string): string | null {
  if (name.includes('/')) return existsSync(name) ? name : null;
  const found = binaryFolders.map((folder) => path.join(folder, name)).find((at) => existsSync(at));
  return found ?? null;
}
