// A flame graph: time from left to right, callers below what they call. What a frame is, in full, is told
// where the pointer rests.
import { escaped, grey, svg, text } from './svg.ts';

export interface Flame {
  readonly label: string;
  /** Told in full. */
  readonly title: string;
  readonly colour: string;
  readonly weight: number;
  readonly above: readonly Flame[];
}

const widthPx = 1200;
const rowPx = 16;
const topPx = 50;
/** Of a letter, about. */
const letterPx = 6.8;
const thinnestPx = 0.5;

/** `keys`: what the colours mean. */
export function drawFlame(
  title: string,
  root: Flame,
  keys: Readonly<Record<string, string>>,
): string {
  const scale = widthPx / Math.max(1, root.weight);
  const rows = depthOf(root, scale);
  const heightPx = topPx + rows * rowPx + 8;
  const lines = [text(widthPx / 2, 20, title, grey, 'middle', 14)];
  let x = 8;
  for (const [key, colour] of Object.entries(keys)) {
    lines.push(`<rect x="${x}" y="30" width="10" height="10" fill="${colour}"/>`);
    lines.push(text(x + 14, 39, key, grey, 'start', 11));
    x += 40 + key.length * letterPx;
  }
  drawFrame(root, 0, heightPx - 8 - rowPx, scale, lines);
  return svg(widthPx, heightPx, title, lines);
}

function depthOf({ weight, above }: Flame, scale: number): number {
  if (weight * scale < thinnestPx) return 0;
  return 1 + Math.max(0, ...above.map((each) => depthOf(each, scale)));
}

function drawFrame(frame: Flame, x: number, y: number, scale: number, lines: string[]): void {
  const width = frame.weight * scale;
  if (width < thinnestPx) return;
  const letters = Math.floor((width - 6) / letterPx);
  const label = frame.label.length <= letters ? frame.label : frame.label.slice(0, letters);
  const box = `x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${rowPx - 1}"`;
  const said = letters < 3 ? '' : text(Math.round(x + 3), y + 11, label, '#1f2328', 'start', 11);
  const title = `<title>${escaped(frame.title)}</title>`;
  lines.push(`<g>${title}<rect ${box} rx="1" fill="${frame.colour}"/>${said}</g>`);
  let at = x;
  for (const each of frame.above) {
    drawFrame(each, at, y - rowPx, scale, lines);
    at += each.weight * scale;
  }
}
