// `npm run bench -- curves`: how Paceline's rate and cost change with the size of bodies and the number of
// conversations, partitions and nodes: one of them at a time, at 512 messages in flight.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { drawBars } from '../pictures/bars.ts';
import { ClientProcess } from './client/client-process.ts';
import type { ClosedLoopFigures } from './client/closed-loop.ts';
import { describeMachine } from './machine.ts';
import { writePng } from './png.ts';
import { scratchDirectory } from './scratch.ts';
import { startPaceline } from './subjects/paceline.ts';
import { type Load, usualLoad } from './subjects/subject.ts';
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

type Figures = Pick<ClosedLoopFigures, 'perSecond' | 'p50Ms' | 'p99Ms' | 'serverCpuMs'>;

const inFlight = 512;
const warmUpSeconds = 3;
const usual: Shape = { ...usualLoad, partitions: 16, nodes: 3 };

const curves: readonly Curve[] = [
  curve('Bytes of a body', 'bodyBytes', [64, 1024, 4096, 16_384]),
  curve('Conversations', 'conversations', [1, 1_000_000]),
  curve('Partitions', 'partitions', [1, 256]),
  curve('Nodes', 'nodes', [1, 5]),
];

export async function measureCurves(options: CurvesOptions): Promise<number> {
  const directory = scratchDirectory(tmpdir());
  const points = new Map<Shape, Figures[]>();
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
  const medians = new Map([...points].map(([shape, figures]) => [shape, medianOf(figures)]));
  tell(medians, options);
  return 0;
}

/** The whole run of one cluster: the server's processes and data are new each time. */
async function measure(shape: Shape, directory: string, seconds: number): Promise<Figures> {
  mkdirSync(directory, { recursive: true });
  const { partitions, nodes } = shape;
  const setup = { directory, partitions, nodes, through: [], syncsDirectory: null };
  const servers = await startPaceline(setup);
  try {
    const client = await ClientProcess.connect('paceline', servers.place, shape);
    try {
      const serverPids = servers.pids;
      return await client.closedLoop({ inFlight, seconds, warmUpSeconds, serverPids });
    } finally {
      client.kill();
    }
  } finally {
    await servers.stop();
  }
}

function tell(medians: ReadonlyMap<Shape, Figures>, { rounds, seconds, out }: CurvesOptions): void {
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
  mkdirSync(out, { recursive: true });
  const { cores, node } = describeMachine(tmpdir());
  const panels = curves.map(({ title, points }) => ({
    title: `${title}: messages/s`,
    bars: points.map(({ label, shape }) => {
      const { perSecond, p99Ms } = figuresOf(medians, shape);
      return {
        label,
        value: perSecond,
        said: `${thousands(perSecond)}, p99 ${p99Ms.toFixed(1)} ms`,
      };
    }),
  }));
  const load = `median of ${rounds} x ${seconds} s, ${inFlight} in flight; usual: ${said(usual)}`;
  const note = `${load}; ${cores} cores, Node ${node}, client on the same machine`;
  const file = (name: string) => path.join(out, name);
  writeFileSync(
    file('curves.svg'),
    drawBars({ title: 'What a message costs grows with', panels, note }),
  );
  writePng(file('curves.svg'), file('curves.png'));
  const figures = [...medians].map(([shape, measured]) => ({ shape, ...measured }));
  writeFileSync(file('curves.json'), `${JSON.stringify(figures, null, 1)}\n`);
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

function figuresOf(medians: ReadonlyMap<Shape, Figures>, shape: Shape): Figures {
  const figures = medians.get(shape);
  if (figures === undefined) throw new Error(`not measured: ${said(shape)}`);
  return figures;
}

/** Of the round whose rate is the middle one. */
function medianOf(figures: readonly Figures[]): Figures {
  const sorted = [...figures].sort((a, b) => a.perSecond - b.perSecond);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('no round was run');
  return middle;
}

function said({ bodyBytes, conversations, partitions, nodes }: Shape): string {
  const load = `${thousands(bodyBytes)} bytes, ${thousands(conversations)} conversations`;
  return `${load}, ${partitions} partitions, ${nodes} nodes`;
}
