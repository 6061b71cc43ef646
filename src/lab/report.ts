// What a run says to people: its figures, and where a rule was broken, what led there, node by node.
import type { TraceLine } from './trace.ts';
import type { WorldEnd } from './world.ts';

const linesEach = 12;
const textMax = 160;

/** The rule, and the newest lines of everyone before it was broken, in the order of time. */
export function timeline({ broken, lines }: Pick<WorldEnd, 'broken' | 'lines'>): string {
  if (broken === null) return '';
  const shown = new Set<TraceLine>();
  for (const who of new Set(lines.map((line) => line.who))) {
    for (const line of lines.filter((each) => each.who === who).slice(-linesEach)) shown.add(line);
  }
  const width = Math.max(0, ...[...shown].map(({ who }) => who.length));
  const told = lines.filter((line) => shown.has(line)).map((line) => lineText(line, width));
  return [...told, '', `broken: ${broken.rule}`, broken.message].join('\n');
}

export function lineText({ atMs, who, text }: TraceLine, width: number): string {
  const cut = text.length > textMax ? `${text.slice(0, textMax)}...` : text;
  return `${(atMs / 1000).toFixed(3).padStart(9)} s  ${who.padEnd(width)}  ${cut}`;
}

/** Names and numbers, a line each, those that are 0 left out. */
export function figuresText(figures: Readonly<Record<string, number>>): string {
  const told = Object.entries(figures).filter(([, value]) => value > 0);
  const width = Math.max(0, ...told.map(([name]) => name.length));
  return told
    .map(([name, value]) => `  ${name.padEnd(width)}  ${value.toLocaleString('en')}`)
    .join('\n');
}
