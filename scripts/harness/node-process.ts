// One node as a real process: started, killed and started again by its pid. Its log goes to a file.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const dist = path.join(root, 'dist');
const main = path.join(dist, 'cli/main.js');
let checkedBuild = false;

/** Everything started here that still runs: never outlives this process. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Of the node binary. */
  readonly nodeFlags?: readonly string[];
  /** A command that starts it, put before its own. */
  readonly through?: readonly string[];
}

export class NodeProcess {
  readonly id: number;
  readonly address: string;
  readonly logFile: string;
  private readonly flags: readonly string[];
  private child: ChildProcess | null = null;
  private exited: Promise<void> = Promise.resolve();

  /** `flags`: of `paceline serve`, --id and --listen among them. */
  constructor(id: number, address: string, logFile: string, flags: readonly string[]) {
    this.id = id;
    this.address = address;
    this.logFile = logFile;
    this.flags = flags;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Of the newest process; null before the first. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** null while it runs, or where a signal ended it. */
  get exitCode(): number | null {
    return this.child?.exitCode ?? null;
  }

  /** `env` is added to this process's own; of a flag given twice, the later counts. */
  start({ env = {}, flags = [], nodeFlags = [], through = [] }: StartOptions = {}): void {
    if (this.isRunning) throw new Error(`node ${this.id} runs already`);
    checkBuild();
    const log = openSync(this.logFile, 'a');
    const serve = [main, 'serve', ...this.flags, ...flags];
    const [program = '', ...rest] = [...through, process.execPath, ...nodeFlags, ...serve];
    const child = spawn(program, rest, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    });
    closeSync(log);
    running.add(child);
    this.child = child;
    this.exited = new Promise((resolve) => {
      child.on('exit', () => {
        running.delete(child);
        resolve();
      });
    });
  }

  /** Resolves once the process is gone. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (this.isRunning) this.child?.kill(signal);
    await this.exited;
  }

  /** Stops it in its tracks, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  /** CPU time of the process so far, user and system; 0 where it is gone. */
  cpuMs(): number {
    try {
      // proc_pid_stat(5): after the name, in parentheses, utime and stime are fields 14 and 15, in 10 ms.
      const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return 0;
    }
  }

  /** Memory of the process that is not backed by a file, in bytes; 0 where it is gone. */
  rssAnon(): number {
    try {
      const text = readFileSync(`/proc/${this.pid}/status`, 'utf8');
      return Number(/^RssAnon:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }
}

/** Nodes run from dist/: an old one would show what the code did yesterday. Throws where it is. */
export function checkBuild(): void {
  if (checkedBuild) return;
  const builtMs = existsSync(main) ? statSync(main).mtimeMs : 0;
  const source = path.join(root, 'src');
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (statSync(path.join(source, file)).mtimeMs <= builtMs) continue;
    throw new Error(`dist/ is older than src/${file}: run npm run build`);
  }
  checkedBuild = true;
}
