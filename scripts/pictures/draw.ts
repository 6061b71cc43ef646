// A scene as an SVG: who did what when, time downwards, one line a participant. Colours read on light and
// dark grounds.
import { grey, svg, text } from './svg.ts';

export interface Moment {
  readonly who: string;
  readonly ms: number;
  readonly text: string;
  readonly kind: 'sent' | 'stored' | 'seen' | 'mark' | 'lost';
  /** The moment it comes from. */
  readonly from?: Moment;
}

export interface Scene {
  readonly title: string;
  readonly who: readonly string[];
  readonly moments: readonly Moment[];
}

const laneWidth = 190;
const topPx = 70;
const timePx = 300;
const bottomPx = 40;
const colours = {
  sent: '#3b82f6',
  stored: '#16a34a',
  seen: '#16a34a',
  mark: '#d97706',
  lost: '#dc2626',
} as const;

export function draw({ title, who, moments }: Scene): string {
  const lastMs = Math.max(1, ...moments.map(({ ms }) => ms));
  const x = (name: string) => laneWidth * (who.indexOf(name) + 0.5);
  const spots = spread(moments, (ms) => topPx + 20 + (ms / lastMs) * timePx);
  const width = laneWidth * (who.length + 0.2);
  const heightPx = Math.max(...spots.values()) + bottomPx;
  return svg(width, heightPx, title, [
    text(width / 2, 22, title, grey, 'middle', 14),
    ...who.flatMap((name) => [
      text(x(name), 48, name, grey, 'middle', 13),
      `<line x1="${x(name)}" y1="${topPx - 12}" x2="${x(name)}" y2="${heightPx - 14}" stroke="${grey}" stroke-opacity="0.5"/>`,
    ]),
    ...moments.flatMap((moment) => drawMoment(moment, x, spots)),
    text(
      8,
      heightPx - 6,
      `${Math.round(lastMs)} ms from top to bottom, from a real run`,
      grey,
      'start',
      10,
    ),
  ]);
}

function drawMoment(
  moment: Moment,
  x: (name: string) => number,
  spots: ReadonlyMap<Moment, number>,
): string[] {
  const { who, kind, from } = moment;
  const [atX, atY] = [x(who), spots.get(moment) ?? 0];
  const colour = colours[kind];
  const dot =
    kind === 'lost'
      ? text(atX, atY + 4, '✕', colour, 'middle', 14)
      : `<circle cx="${atX}" cy="${atY}" r="4" fill="${colour}"/>`;
  const line =
    from === undefined
      ? []
      : [
          `<line x1="${x(from.who)}" y1="${spots.get(from) ?? 0}" x2="${atX}" y2="${atY}" stroke="${colour}" stroke-opacity="0.7" stroke-dasharray="${kind === 'lost' ? '4 3' : 'none'}"/>`,
        ];
  return [...line, dot, text(atX + 8, atY - 5, moment.text, colour, 'start', 12)];
}

/** Moments of one participant keep a distance, so that their texts do not cover each other. */
function spread(
  moments: readonly Moment[],
  place: (ms: number) => number,
): ReadonlyMap<Moment, number> {
  const spots = new Map<Moment, number>();
  const lowest = new Map<string, number>();
  for (const moment of [...moments].sort((a, b) => a.ms - b.ms)) {
    const y = Math.max(place(moment.ms), (lowest.get(moment.who) ?? 0) + 21);
    spots.set(moment, Math.round(y));
    lowest.set(moment.who, y);
  }
  return spots;
}
