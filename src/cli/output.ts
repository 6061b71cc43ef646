// What commands say: answers on standard output (for people, or with --json one compact line each),
// everything else on standard error.
import { once } from 'node:events';

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function sayJson(value: unknown): void {
  say(jsonLine(value));
}

export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, each) => {
    return typeof each === 'bigint' ? each.toString() : each;
  });
}

/** Bytes as they are; resolves once more may come. */
export async function write(bytes: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}

export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Whoever reads the answers has seen enough, as in `... | head`: that is no failure. A full disk is one. */
export function endWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    note(`standard output cannot be written: ${error.message}`);
    process.exit(1);
  });
}

/** The first Ctrl-C or SIGTERM; the second one ends the process at once. */
export function onInterrupt(call: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, call);
}

/** Columns padded to the widest cell; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) {
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
    }
  }
  const line = (row: readonly (string | number)[]) =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
