// What commands say: answers on standard output (for people, or with --json one compact line each),
// everything else on standard error.

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function sayJson(value: unknown): void {
  say(JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? each.toString() : each)));
}

export function note(line: string): void {
  process.stderr.write(`${line}\n`);
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
