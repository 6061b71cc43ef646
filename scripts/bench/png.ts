// An SVG as a PNG, by librsvg's program.
import { spawnSync } from 'node:child_process';
import { findBinary } from './processes.ts';

const widthPx = 1600;

/** Says what to install where the program is missing. */
export function writePng(svgFile: string, pngFile: string): void {
  if (findBinary('rsvg-convert') === null) {
    console.error('no PNG was written: apt-get install librsvg2-bin');
    return;
  }
  const size = ['-w', `${widthPx}`, '-b', 'white'];
  const { status, stderr } = spawnSync('rsvg-convert', [...size, '-o', pngFile, svgFile], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`rsvg-convert: ${stderr}`);
}
