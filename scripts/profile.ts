// `npm run profile`: where the time of a node's JavaScript thread goes under load. Starts a cluster with V8's
// profiler on in the node that leads most partitions (`--all`: in every node); for each it writes a flame graph
// and the profile itself (Chrome's and editors' tools open it), and prints what each stage of a message takes,
// and which functions take most.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClientProcess } from './bench/client/client-process.ts';
import type { ClosedLoopFigures } from './bench/client/closed-loop.ts';
import {
  type Call,
  type CpuProfile,
  type Origin,
  readCalls,
  selfTimesOf,
} from './bench/cpu-profile.ts';
import { writePng } from './bench/png.ts';
import { scratchDirectory } from './bench/scratch.ts';
import { stagesOf } from './bench/stages.ts';
import { subjectNamed } from './bench/subjects/all.ts';
import { readFlags } from './flags.ts';
import { drawFlame, type Flame } from './pictures/flame.ts';

const usage = `npm run profile [-- flags]

  --in-flight N    messages in flight, 512
  --seconds S      how long it is looked at, 10
  --partitions N   16
  --unary          by unary calls
  --all            every node, not only the one that leads most
  --out DIR        gets the flame graphs and the profiles, ./profile`;

const { values: flags } = readFlags(usage, {
  options: {
    'in-flight': { type: 'string', default: '512' },
    seconds: { type: 'string', default: '10' },
    partitions: { type: 'string', default: '16' },
    unary: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    out: { type: 'string', default: 'profile' },
  },
});

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const warmUpSeconds = 5;
const sampleUs = 200;
const topRows = 25;
/** Partition 0 prefers it, and none leads more. */
const leader = 1;
const colours: Readonly<Record<Origin, string>> = {
  own: '#8ecae6',
  library: '#f4b183',
  node: '#c9d7a0',
  engine: '#c8c8c8',
};
const keys = {
  Paceline: colours.own,
  libraries: colours.library,
  'Node.js': colours.node,
  'V8: native code, collector': colours.engine,
};

process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
await main();

async function main(): Promise<void> {
  const directory = scratchDirectory(tmpdir());
  const profiled = flags.all ? [1, 2, 3] : [leader];
  const subject = subjectNamed(flags.unary ? 'paceline-unary' : 'paceline');
  const servers = await subject.start({
    directory,
    partitions: Number(flags.partitions),
    through: [],
    syncsDirectory: null,
    nodeFlags: (node) => (profiled.includes(node) ? profilerFlags(directory, node) : []),
  });
  const client = await ClientProcess.connect(subject.name, servers.place);
  const load = { inFlight: Number(flags['in-flight']), serverPids: servers.pids };
  await client.closedLoop({ ...load, seconds: 1, warmUpSeconds });
  const fromUs = monotonicUs();
  const seconds = Number(flags.seconds);
  const figures = await client.closedLoop({ ...load, seconds, warmUpSeconds: 0 });
  const stretch = { fromUs, toUs: monotonicUs() };
  await client.close();
  await servers.stop();
  mkdirSync(flags.out, { recursive: true });
  for (const node of profiled) {
    const file = path.join(directory, profileName(node));
    const profile: CpuProfile = JSON.parse(readFileSync(file, 'utf8'));
    write(node, readCalls(profile, stretch, root), figures, stretch.toUs - fromUs);
    copyFileSync(file, path.join(flags.out, profileName(node)));
  }
}

function profileName(node: number): string {
  return `node-${node}.cpuprofile`;
}

function profilerFlags(directory: string, node: number): string[] {
  const where = ['--cpu-prof-dir', directory, '--cpu-prof-name', profileName(node)];
  return ['--cpu-prof', ...where, '--cpu-prof-interval', `${sampleUs}`];
}

/** The clock of the profiles. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function write(node: number, calls: Call, figures: ClosedLoopFigures, lastedUs: number): void {
  const { inFlight, perSecond, messages } = figures;
  const busy = Math.round((100 * calls.totalUs) / lastedUs);
  const each = (calls.totalUs / messages).toFixed(1);
  const load = `${perSecond} messages/s at ${inFlight} in flight`;
  const title = `node ${node}: ${load}, its JavaScript thread busy ${busy} %, ${each} us a message`;
  const svgFile = path.join(flags.out, `node-${node}.svg`);
  writeFileSync(svgFile, drawFlame(title, flameOf(calls, calls.totalUs), keys));
  writePng(svgFile, svgFile.replace(/svg$/, 'png'));
  const share = (us: number) => ((100 * us) / calls.totalUs).toFixed(1);
  console.log(`${title}\n`);
  console.log('| stage | % | us a message |');
  console.log('| --- | --: | --: |');
  for (const { stage, us } of stagesOf(calls)) {
    console.log(`| ${stage} | ${share(us)} | ${(us / messages).toFixed(2)} |`);
  }
  console.log('');
  const rows = selfTimesOf(calls).slice(0, topRows);
  console.log('| self % | with callees % | us a message | function | where |');
  console.log('| --: | --: | --: | --- | --- |');
  for (const { name, place, selfUs, totalUs } of rows) {
    const us = (selfUs / messages).toFixed(2);
    console.log(`| ${share(selfUs)} | ${share(totalUs)} | ${us} | ${name} | ${place} |`);
  }
  console.log('');
}

function flameOf({ name, place, origin, totalUs, callees }: Call, allUs: number): Flame {
  const share = ((100 * totalUs) / allUs).toFixed(2);
  return {
    label: name,
    title: `${name} ${place}, ${share} %`,
    colour: colours[origin],
    weight: totalUs,
    above: [...callees.values()]
      .sort((a, b) => b.totalUs - a.totalUs)
      .map((callee) => flameOf(callee, allUs)),
  };
}
