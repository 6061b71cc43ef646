// A copy of the product with one mutation, or none, in a directory of its own, and the lab run in it.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Mutation, patched, patchesOf } from './mutation.ts';

const root = path.resolve(import.meta.dirname, '../..');
/** The flags for Node itself, those of `npm run lab`. */
const nodeFlags = nodeFlagsOf(path.join(root, 'package.json'));

/** What the lab said of a number of seeds. */
export interface Outcome {
  /** Run, the broken one included. */
  readonly seeds: number;
  readonly seconds: number;
  /** null: no rule was broken. */
  readonly broken: Broken | null;
}

export interface Broken {
  readonly seed: number;
  readonly rule: string;
  readonly detail: string;
  /** Appends that are acknowledged under that seed without faults, and whatever rules say. */
  readonly worked: number;
}

interface LabJson {
  readonly seeds: number;
  readonly seconds: number;
  readonly broken: readonly {
    readonly seed: number;
    readonly broken: { readonly rule: string; readonly detail: string };
  }[];
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface Seeds {
  readonly from: number;
  readonly count: number;
  readonly timeoutMs: number;
}

/** Where mutants are built, one after the other. */
export class Workshop {
  private readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'paceline-mutations-'));
    cpSync(path.join(root, 'src'), this.at('src'), { recursive: true });
    for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json']) {
      cpSync(path.join(root, name), this.at(name));
    }
    for (const name of ['node_modules', 'proto']) symlinkSync(path.join(root, name), this.at(name));
  }

  /** The product as it is. */
  async original(seeds: Seeds): Promise<Outcome> {
    await this.build();
    return this.lab(seeds);
  }

  /** Throws where the mutation does not fit the source any more. */
  async mutant(mutation: Mutation, seeds: Seeds): Promise<Outcome> {
    const sources = new Map<string, string>();
    try {
      for (const patch of patchesOf(mutation)) {
        const file = this.at(patch.file);
        const source = readFileSync(file, 'utf8');
        if (!sources.has(file)) sources.set(file, source);
        writeFileSync(file, patched(source, patch, mutation.name));
      }
      await this.build();
    } finally {
      for (const [file, source] of sources) writeFileSync(file, source);
    }
    return this.lab(seeds);
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }

  /** Types are not looked at: a mutation may leave something unused. */
  private async build(): Promise<void> {
    const flags = ['-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false'];
    const { code, output } = await this.run(['node_modules/typescript/bin/tsc', ...flags], 60_000);
    if (code !== 0) throw new Error(`the build failed: ${output}`);
  }

  private async lab({ from, count, timeoutMs }: Seeds): Promise<Outcome> {
    const seeds = ['--from', `${from}`, '--seeds', `${count}`];
    const args = [...nodeFlags, 'dist/cli/main.js', 'lab', ...seeds, '--json'];
    const { output, errors } = await this.run(args, timeoutMs);
    if (output === '') throw new Error(`the lab has not ended by itself: ${errors.slice(-2000)}`);
    const { seeds: run, seconds, broken }: LabJson = JSON.parse(output);
    const [first] = broken;
    if (first === undefined) return { seeds: run, seconds, broken: null };
    const worked = await this.worked(first.seed);
    return { seeds: run, seconds, broken: { seed: first.seed, ...first.broken, worked } };
  }

  private async worked(seed: number): Promise<number> {
    const script = `import { runSeed } from './dist/lab/run.js';
      const { figures } = await runSeed({ seed: ${seed}, calm: true });
      console.log(figures['acknowledged']);`;
    const { output } = await this.run(['--input-type=module', '--eval', script], 60_000);
    return Number(output);
  }

  private run(args: readonly string[], timeoutMs: number) {
    return new Promise<Ended>((resolve, reject) => {
      const child = spawn(process.execPath, [...args], {
        ...{ cwd: this.folder, timeout: timeoutMs, killSignal: 'SIGKILL' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [output, errors] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors += text;
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, output, errors }));
    });
  }

  private at(name: string): string {
    return path.join(this.folder, name);
  }
}

function nodeFlagsOf(packageFile: string): string[] {
  const { scripts }: { scripts: { lab: string } } = JSON.parse(readFileSync(packageFile, 'utf8'));
  return scripts.lab.split(' ').filter((word) => word.startsWith('--'));
}
