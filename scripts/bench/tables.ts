// The comparison as tables for people, in Markdown.
import type { Comparison } from './comparison.ts';
import type { LevelSummary, Summary } from './summary.ts';

type Cell = string | number;

export function comparisonTables({ machine, parameters, summaries, failed }: Comparison): string[] {
  const { plan, rounds, fsyncDelayMs } = parameters;
  const syncs = fsyncDelayMs === null ? '' : ` Every sync takes ${fsyncDelayMs} ms longer.`;
  const where = `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.fileSystem}`;
  const what = `Medians of ${rounds} x ${plan.seconds} s; servers and client share the machine.`;
  const others = `Load average before the first round: ${machine.loadBefore}.`;
  const about = `${where}, Node ${machine.node}. ${what} ${others}${syncs}`;
  return [
    about,
    ...plan.inFlight.map((_, i) => levelTable(summaries, i)),
    deliveryTable(summaries, plan.deliveryPerSecond),
    subjectsTable(summaries),
    ...(failed.length === 0 ? [] : [`Failed:\n${failed.join('\n')}`]),
  ].filter((each) => each !== '');
}

/** A ratio says how many times the first subject's rate is that of the line. */
function levelTable(summaries: readonly Summary[], i: number): string {
  const [first] = summaries;
  const own = first?.levels[i];
  if (own === undefined) return '';
  const counted = own.syncsPerThousand !== null;
  const head = [
    `${own.inFlight} in flight`,
    'messages/s',
    '(range)',
    `${first?.label} is`,
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'CPU ms/1,000: servers',
    'client',
    ...(counted ? ['syncs/1,000'] : []),
  ];
  const rows = summaries.flatMap(({ label, levels }) => {
    const each = levels[i];
    return each === undefined ? [] : [[label, ...levelCells(each, own, counted)]];
  });
  return markdown(head, rows);
}

function levelCells(level: LevelSummary, own: LevelSummary, counted: boolean): Cell[] {
  const [slowest, fastest] = level.perSecondRange;
  const ratio = own.perSecond / level.perSecond;
  return [
    thousands(level.perSecond),
    `${thousands(slowest)}-${thousands(fastest)}`,
    level === own ? '' : `${ratio.toFixed(2)} x`,
    level.p50Ms.toFixed(2),
    level.p99Ms.toFixed(2),
    level.p999Ms.toFixed(2),
    level.serverCpuMs.toFixed(1),
    level.clientCpuMs.toFixed(1),
    ...(counted ? [level.syncsPerThousand ?? ''] : []),
  ];
}

function deliveryTable(summaries: readonly Summary[], perSecond: number): string {
  const rows = summaries.flatMap(({ label, delivery }) => {
    if (delivery === null) return [];
    const { p50Ms, p99Ms, p999Ms, answeredP50Ms, answeredP99Ms } = delivery;
    const all = [p50Ms, p99Ms, p999Ms, answeredP50Ms, answeredP99Ms];
    return [[label, ...all.map((ms) => ms.toFixed(2))]];
  });
  if (rows.length === 0) return '';
  const title = `${thousands(perSecond)} messages/s`;
  const head = [title, 'delivered: p50 ms', 'p99 ms', 'p99.9 ms', 'answered: p50 ms', 'p99 ms'];
  return markdown(head, rows);
}

function subjectsTable(summaries: readonly Summary[]): string {
  const head = [
    'subject',
    'version',
    'answered when',
    'a retry',
    'bytes/message on each disk',
    'compacted to',
  ];
  const rows = summaries.map(({ compactedBytesPerMessage: compacted, ...summary }) => [
    summary.label,
    summary.version,
    summary.durability,
    summary.idempotency,
    thousands(summary.diskBytesPerMessage),
    compacted === null ? '' : thousands(compacted),
  ]);
  return markdown(head, rows);
}

/** Columns after the first are numbers where they look like it. */
export function markdown(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const isNumber = head.map((_, i) => {
    return i > 0 && rows.every((row) => /^[\d.,]*( x|-[\d,]+)?$/.test(`${row[i] ?? ''}`));
  });
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => pad(cell, widths[i] ?? 0, isNumber[i] ?? false)).join(' | ')} |`;
  const rule = widths.map((width, i) => {
    return isNumber[i] ? `${'-'.repeat(Math.max(2, width - 1))}:` : '-'.repeat(width);
  });
  return [line(head), line(rule), ...all.slice(1).map(line)].join('\n');
}

function pad(cell: string, width: number, isNumber: boolean): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

export function thousands(value: number): string {
  return value.toLocaleString('en-US');
}
