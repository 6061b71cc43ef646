// `npm run bench -- curves`: how Paceline's rate and cost change with the size of bodies and the number of
// conversations, partitions, nodes and messages that are there before: one of them at a time, at 512 in flight.
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { drawBars } from '../pictures/bars.ts';
import { rateBar } from './chart.ts';
import { ClientProcess } from './client/client-process.ts';
import { describeMachine } from './machine.ts';
import { writeResults } from './results.ts';
import type { LevelFigures } from './run-subject.ts';
import { scratchDirectory } from './scratch.ts';
import { startPaceline } from './subjects/paceline.ts';
import { type Load, usualLoad } from './subjects/subject.ts';
import { type LevelSummary, summarizeLevel } from './summary.ts';
import { markdown, thousands } from './tables.ts';

export interface CurvesOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** null: nothing is written. */
  readonly out: string | null;
}

interface Shape extends Load {
  readonly partitions: number;
  readonly nodes: number;
  /** Messages that are stored before anything is measured. */
  readonly retained: number;
}

interface Point {
  readonly label: string;
  readonly shape: Shape;
}

interface Curve {
  readonly title: string;
  /** The usual shape is the first. */
  readonly points: readonly Point[];
}

const inFlight = 512;
const warmUpSeconds = 8;
const usual: Shape = { ...usualLoad, partitions: 16, nodes: 3, retained: 0 };

const curves: readonly Curve[] = [
  curve('Bytes of a body', 'bodyBytes', [64, 1024, 4096, 16_384]),
  curve('Conversations', 'conversations', [1, 1_000_000]),
  curve('Partitions', 'partitions', [1, 256]),
  curve('Nodes', 'nodes', [1, 5]),
  curve('Messages stored before', 'retained', [1_000_000, 10_000_000]),
];

export async function measureCurves(options: CurvesOptions): Promise<number> {
  const directory = scratchDirectory(tmpdir());
  const points = new Map<Shape, LevelFigures[]>();
  for (const { points: all } of curves) for (const { shape } of all) points.set(shape, []);
  for (let round = 1; round <= options.rounds; round++) {
    for (const [shape, figures] of points) {
      const own = path.join(directory, `${round}-${Object.values(shape).join('-')}`);
      const measured = await measure(shape, own, options.seconds);
      rmSync(own, { recursive: true, force: true, maxRetries: 5 });
      console.error(`round ${round}: ${said(shape)}: ${measured.perSecond}/s`);
      figures.push(measured);
    }
  }
  const medians = new Map([...points].map(([shape, figures]) => [shape, summarizeLevel(figures)]));
  tell(medians, options);
  return 0;
}

/** The whole run of one cluster: the server's processes and data are new each time. */
async function measure(shape: Shape, directory: string, seconds: number): Promise<LevelFigures> {
  mkdirSync(directory, { recursive: true });
  const { partitions, nodes } = shape;
  const setup = { directory, partitions, nodes, through: [], syncsDirectory: null };
  const servers = await startPaceline(setup);
  try {
    const client = await ClientProcess.connect('paceline', servers.place, shape);
    try {
      const serverPids = servers.pids;
      const load = { inFlight, seconds, warmUpSeconds, serverPids };
      for (let stored = 0; stored < shape.retained; ) {
        stored += (await client.closedLoop(load)).acknowledged;
      }
      return { ...(await client.closedLoop(load)), syncsPerThousand: null };
    } finally {
      client.kill();
    }
  } finally {
    await servers.stop();
  }
}

function tell(
  medians: ReadonlyMap<Shape, LevelSummary>,
  { rounds, seconds, out }: CurvesOptions,
): void {
  const base = medians.get(usual)?.perSecond ?? 0;
  for (const { title, points } of curves) {
    const rows = ascending(points).map(({ label, shape }) => {
      const { perSecond, p50Ms, p99Ms, serverCpuMs } = figuresOf(medians, shape);
      const ratio = `${(perSecond / base).toFixed(2)} x`;
      const milliseconds = [p50Ms, p99Ms, serverCpuMs].map((ms) => ms.toFixed(1));
      return [label, thousands(perSecond), ratio, ...milliseconds];
    });
    const head = [title, 'messages/s', 'of the usual', 'p50 ms', 'p99 ms', 'CPU ms/1,000: servers'];
    console.log(`${markdown(head, rows)}\n`);
  }
  if (out === null) return;
  const { cores, node } = describeMachine(tmpdir());
  const panels = curves.map(({ title, points }) => ({
    title: `${title}: messages/s`,
    bars: points.map(({ label, shape }) => rateBar(label, figuresOf(medians, shape))),
  }));
  const load = `median of ${rounds} x ${seconds} s, ${inFlight} in flight; usual: ${said(usual)}`;
  const note = `${load}; ${cores} cores, Node ${node}, client on the same machine`;
  const figures = [...medians].map(([shape, measured]) => ({ shape, ...measured }));
  const title = 'What a message costs grows with';
  writeResults(out, 'curves', figures, drawBars({ title, panels, note }));
}

function curve(title: string, name: keyof Shape, others: readonly number[]): Curve {
  const points = others.map((value) => ({
    label: thousands(value),
    shape: { ...usual, [name]: value },
  }));
  return { title, points: [{ label: thousands(usual[name]), shape: usual }, ...points] };
}

/** By what varies, which is what the labels say. */
function ascending(points: readonly Point[]): Point[] {
  const size = ({ label }: Point) => Number(label.replaceAll(',', ''));
  return [...points].sort((a, b) => size(a) - size(b));
}

function figuresOf(medians: ReadonlyMap<Shape, LevelSummary>, shape: Shape): LevelSummary {
  const figures = medians.get(shape);
  if (figures === undefined) throw new Error(`not measured: ${said(shape)}`);
  return figures;
}

function said({ bodyBytes, conversations, partitions, nodes, retained }: Shape): string {
  const load = `${thousands(bodyBytes)} bytes, ${thousands(conversations)} conversations`;
  const before = retained === 0 ? '' : `, after ${thousands(retained)} messages`;
  return `${load}, ${partitions} partitions, ${nodes} nodes${before}`;
}
