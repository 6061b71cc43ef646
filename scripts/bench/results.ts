// What a suite leaves behind: its figures, and a picture of them.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writePng } from './png.ts';

/** NAME.json, NAME.svg and NAME.png in the directory `out`. */
export function writeResults(out: string, name: string, figures: unknown, svg: string): void {
  mkdirSync(out, { recursive: true });
  const file = (extension: string) => path.join(out, `${name}.${extension}`);
  writeFileSync(file('json'), `${JSON.stringify(figures, null, 1)}\n`);
  writeFileSync(file('svg'), svg);
  writePng(file('svg'), file('png'));
  console.error(`${name}.json, ${name}.svg and ${name}.png are in ${out}`);
}
