// `npm run bench`: Paceline against the bare bound (scripts/bench/bound/); with peers, `-- compare --peers
// etcd,nats,rabbitmq,redis,postgresql`. What is measured and how: docs/performance.md.
import { peers } from './bench/subjects/all.ts';
import { readFlags, UsageError } from './flags.ts';

const usage = `npm run bench [-- SUITE] [flags]

compare   (default) Paceline against the bare bound and the peers that are named
  --peers NAMES       ${peers.map(({ name }) => name).join(',')}
  --in-flight LIST    1,64,512
  --seconds S         of each level of load, 5
  --warm-up S         before all of them, 60
  --rounds N          3
  --partitions LIST   16
  --unary             also by unary calls, as etcd has them; with etcd always
  --subjects NAMES    exactly these, such as paceline,bound,paceline-unary,etcd
  --fsync-delay MS    every sync of every server takes so much longer; also counts them
  --install           installs peers that are missing, by apt-get
  --out DIR           gets compare.json, compare.svg and compare.png
  --data DIR          where the servers' data lies, the system's temporary directory
curves    Paceline alone, 512 in flight: by size of bodies, conversations, partitions, nodes, stored messages; --seconds, --rounds, --out
hot       one conversation with 512 in flight, and what the others feel of it; --seconds, --rounds, --partitions
guard     Paceline against the bare bound, short; exit code 1 where the ratio is too low
million   1,000,000 conversations of one message each; memory, and how long a restart takes
chains    1,000,000 sender chains of one message each, then one more each; memory
idle      what a node costs that has nothing to do
raft      the consensus core alone, without nodes: CPU time an entry on three replicas`;

const { values: flags, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    peers: { type: 'string', default: '' },
    'in-flight': { type: 'string', default: '1,64,512' },
    seconds: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '16' },
    unary: { type: 'boolean', default: false },
    subjects: { type: 'string' },
    'fsync-delay': { type: 'string' },
    install: { type: 'boolean', default: false },
    out: { type: 'string' },
    data: { type: 'string' },
  },
});

process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
const [suite = 'compare'] = positionals;
process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  return 2;
});

// Each suite is loaded only where it is run: some need what was built.
async function main(): Promise<number> {
  switch (suite) {
    case 'compare':
      return compare();
    case 'curves':
      return curves();
    case 'hot':
      return hot();
    case 'guard':
      return (await import('./bench/guard.ts')).guard();
    case 'raft':
      return raft();
    default: {
      const { benchCluster } = await import('./bench/cluster-suites.ts');
      const code = await benchCluster(suite, partitions()[0] ?? 16);
      if (code === 2) console.error(usage);
      return code;
    }
  }
}

async function compare(): Promise<number> {
  const { compare: run } = await import('./bench/compare.ts');
  const delay = flags['fsync-delay'];
  return run({
    plan: {
      inFlight: wholes('in-flight', flags['in-flight']),
      seconds: number('seconds', flags.seconds),
      warmUpSeconds: 1,
      warmUpFirstSeconds: number('warm-up', flags['warm-up']),
      deliverySeconds: number('seconds', flags.seconds),
      deliveryPerSecond: 1000,
    },
    rounds: wholes('rounds', flags.rounds)[0] ?? 3,
    subjects: subjects(),
    partitions: partitions(),
    fsyncDelayMs: delay === undefined ? null : number('fsync-delay', delay),
    install: flags.install,
    data: flags.data ?? null,
    out: flags.out ?? null,
  });
}

async function curves(): Promise<number> {
  const { measureCurves } = await import('./bench/curves.ts');
  return measureCurves({
    seconds: number('seconds', flags.seconds),
    rounds: wholes('rounds', flags.rounds)[0] ?? 3,
    out: flags.out ?? null,
  });
}

async function hot(): Promise<number> {
  const { measureHot } = await import('./bench/hot.ts');
  return measureHot({
    partitions: partitions()[0] ?? 16,
    seconds: number('seconds', flags.seconds),
    rounds: wholes('rounds', flags.rounds)[0] ?? 3,
    warmUpSeconds: number('warm-up', flags['warm-up']),
  });
}

function subjects(): string[] {
  const named = flags.peers.split(',').filter((name) => name !== '');
  if (flags.subjects !== undefined) {
    if (named.length > 0)
      throw new UsageError('--subjects names all of them: --peers does not go with it');
    return flags.subjects.split(',');
  }
  const unary = flags.unary || named.includes('etcd') ? ['paceline-unary'] : [];
  return ['paceline', 'bound', ...unary, ...named];
}

async function raft(): Promise<number> {
  const { benchCore } = await import('./bench/raft.ts');
  const cases = benchCore(number('seconds', flags.seconds), (figures) => {
    const { chain, partitions, batch, perSecond, nsPerEntry } = figures;
    const what = `${partitions} partitions, ${batch} a drain, chain ${chain}`;
    console.error(`${what}: ${nsPerEntry} ns an entry on three replicas, ${perSecond} entries/s`);
  });
  console.log(JSON.stringify({ name: 'raft', cases }));
  return 0;
}

function number(flag: string, value: string): number {
  const found = Number(value);
  if (value === '' || !(found >= 0)) throw new UsageError(`--${flag} is a number`);
  return found;
}

function partitions(): number[] {
  const all = wholes('partitions', flags.partitions);
  if (all.some((each) => !Number.isInteger(Math.log2(each)))) {
    throw new UsageError('--partitions is a list of powers of two, such as 1,16,256');
  }
  return all;
}

function wholes(flag: string, list: string): number[] {
  const all = list.split(',').map(Number);
  if (all.some((each) => !Number.isInteger(each) || each < 1)) {
    throw new UsageError(`--${flag} is a list of numbers above 0, such as 1,64,512`);
  }
  return all;
}
