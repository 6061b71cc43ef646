// One command as a real process that is watched while it runs.
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { afterEach } from 'vitest';

const main = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const all = new Set<Running>();

afterEach(async () => {
  for (const each of all) await each.end('SIGKILL');
  all.clear();
});

export class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  private readonly ended: Promise<number | null>;
  private changed: () => void = () => undefined;

  /** With `input` on its standard input where it is given. */
  constructor(args: readonly string[], input: Buffer | null = null) {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    // It may have ended before it has read all.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? Buffer.alloc(0));
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
      this.changed();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
      this.changed();
    });
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => {
        resolve(code);
        this.changed();
      });
    });
    all.add(this);
  }

  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  /** Resolves once `isTrue`; what it said is looked at after every output. The test's limit bounds it. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null) {
        throw new Error(
          `it ended (${exitCode ?? signalCode}) before: ${this.stdout}${this.stderr}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.changed = resolve;
      });
    }
  }

  /** The exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.child.kill(signal);
    return this.ended;
  }
}

/** The first of `count` ports in a row that are free now. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 22_000);
    const ports = Array.from({ length: count }, (_, i) => first + i);
    const free = await Promise.all(ports.map(isFree));
    if (free.every((each) => each)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
