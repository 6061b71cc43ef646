// Pieces of SVG that every picture is made of. Their colours read on light and dark grounds.

export const grey = '#8a8f98';

export function svg(widthPx: number, heightPx: number, title: string, lines: readonly string[]) {
  const view = `viewBox="0 0 ${widthPx} ${heightPx}"`;
  const font = 'font-family="sans-serif" font-size="12"';
  const open = `<svg xmlns="http://www.w3.org/2000/svg" ${view} ${font}>`;
  return `${[open, `<title>${escaped(title)}</title>`, ...lines, '</svg>'].join('\n')}\n`;
}

export function text(
  x: number,
  y: number,
  said: string,
  fill: string,
  anchor: 'start' | 'middle' | 'end',
  size: number,
): string {
  return `<text x="${x}" y="${y}" fill="${fill}" text-anchor="${anchor}" font-size="${size}">${escaped(said)}</text>`;
}

export function escaped(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
