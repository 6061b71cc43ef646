// The comparison as one picture: a panel a level of load, a bar a subject.
import { type Bar, drawBars } from '../pictures/bars.ts';
import type { Comparison } from './comparison.ts';
import type { LevelSummary } from './summary.ts';
import { thousands } from './tables.ts';

export function drawComparison({ machine, parameters, summaries }: Comparison): string {
  const { plan, rounds, fsyncDelayMs } = parameters;
  const panels = plan.inFlight.map((inFlight, i) => ({
    title: `${inFlight} in flight: messages/s`,
    bars: summaries.flatMap(({ label, levels }) => {
      const level = levels[i];
      return level === undefined ? [] : [rateBar(label, level)];
    }),
  }));
  const delay = fsyncDelayMs === null ? '' : `, every sync ${fsyncDelayMs} ms longer`;
  const load = `median of ${rounds} x ${plan.seconds} s, 256-byte messages, three nodes${delay}`;
  const note = `${load}; ${machine.cores} cores, Node ${machine.node}, client on the same machine`;
  return drawBars({ title: 'Acknowledged messages per second', panels, note });
}

export function rateBar(label: string, { perSecond, p99Ms }: LevelSummary): Bar {
  return { label, value: perSecond, said: `${thousands(perSecond)}, p99 ${p99Ms.toFixed(1)} ms` };
}
