// An app with a durable outbox as a real process (outbox-child.mjs): started, killed and started again over the
// same directory. Keeps what the app said: that is what may not be lost.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const child = path.join(path.dirname(fileURLToPath(import.meta.url)), 'outbox-child.mjs');

export interface OutboxPlan {
  readonly directory: string;
  readonly sender: string;
  /** 1 for the first process over that directory, and so on. */
  readonly life: number;
  readonly servers: readonly string[];
  /** By conversation: the number of the last message ever sent there. */
  readonly upTo: Readonly<Record<string, number>>;
  /** Once all is sent it waits to be killed, else it ends. */
  readonly stays: boolean;
}

interface Said {
  readonly conversation: string;
  readonly clientSeq: number;
}

export type OutboxSays =
  | (Said & { readonly kind: 'durable'; readonly life: number })
  | (Said & { readonly kind: 'stored'; readonly duplicate: boolean; readonly late: boolean })
  | (Said & { readonly kind: 'failed'; readonly why: string })
  /** All of the plan is durable. */
  | { readonly kind: 'all-durable' }
  /** The outbox is drained, and that is its lastClientSeq. */
  | (Said & { readonly kind: 'last' });

/** Never outlives this process. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const each of running) each.kill('SIGKILL');
});

export class OutboxProcess {
  /** Messages that it said are durable. */
  durable = 0;
  hasSentAll = false;
  hasEnded = false;
  /** What it wrote on standard error. */
  errors = '';
  /** Resolves once it is gone and all it said was heard: with its exit code, null where it was killed. */
  readonly ended: Promise<number | null>;
  private readonly process: ChildProcess;

  constructor(plan: OutboxPlan, onSays: (says: OutboxSays) => void) {
    const started = spawn(process.execPath, [child, JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(started);
    this.process = started;
    // A line cut off by the kill was not said.
    let rest = '';
    started.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const says: OutboxSays = JSON.parse(line);
        if (says.kind === 'durable') this.durable += 1;
        else if (says.kind === 'all-durable') this.hasSentAll = true;
        onSays(says);
      }
    });
    createInterface(started.stderr).on('line', (line) => {
      this.errors += `${line}\n`;
    });
    this.ended = new Promise((resolve) => {
      started.on('close', (code) => {
        running.delete(started);
        this.hasEnded = true;
        resolve(code);
      });
    });
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}
