// Panels of horizontal bars, each panel on a scale of its own. The first bar of a panel is the one that the
// picture is about.
import { grey, svg, text } from './svg.ts';

export interface Bars {
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly note: string;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Written behind the bar. */
  readonly said: string;
}

const widthPx = 760;
const labelPx = 120;
const saidPx = 170;
const barPx = 18;
const topPx = 48;
const panelPx = 34;
const ownColour = '#3b82f6';
const otherColour = '#a3a9b3';

export function drawBars({ title, panels, note }: Bars): string {
  const lines = [text(widthPx / 2, 22, title, grey, 'middle', 14)];
  let y = topPx;
  for (const panel of panels) {
    lines.push(text(labelPx, y + 8, panel.title, grey, 'start', 12));
    const most = Math.max(1, ...panel.bars.map(({ value }) => value));
    panel.bars.forEach((bar, i) => {
      lines.push(...drawBar(bar, y + 18 + i * barPx, most, i === 0));
    });
    y += panelPx + panel.bars.length * barPx;
  }
  lines.push(text(8, y + 6, note, grey, 'start', 10));
  return svg(widthPx, y + 16, title, lines);
}

function drawBar({ label, value, said }: Bar, y: number, most: number, isOwn: boolean): string[] {
  const width = Math.max(1, Math.round((value / most) * (widthPx - labelPx - saidPx)));
  const colour = isOwn ? ownColour : otherColour;
  return [
    text(labelPx - 8, y + 11, label, grey, 'end', 12),
    `<rect x="${labelPx}" y="${y}" width="${width}" height="${barPx - 4}" rx="2" fill="${colour}"/>`,
    text(labelPx + width + 6, y + 11, said, grey, 'start', 11),
  ];
}
