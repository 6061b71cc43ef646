// Where a message's time goes on a node's JavaScript thread: each sample counts for the innermost call that
// belongs to a stage, so that what a library or the engine does is the time of whoever asked for it.
import type { Call } from './cpu-profile.ts';

export interface StageTime {
  readonly stage: string;
  readonly us: number;
}

interface Rule {
  readonly stage: string;
  readonly place: RegExp;
  /** Of these functions only. */
  readonly names?: readonly string[];
}

/** The first that fits counts. */
const rules: readonly Rule[] = [
  { stage: 'checkpoints', place: /order\/rows\.js/, names: ['write', 'freeze', 'written'] },
  { stage: 'checkpoints', place: /node\/turn\.js/, names: ['prepareCheckpoint', 'addCheckpoint'] },
  { stage: 'answers', place: /api\/append-session\.js/, names: ['answer', 'flush', 'answered'] },
  { stage: 'client frames: read, checked', place: /dist\/api\// },
  { stage: 'looked up, sequenced', place: /node\/turn\.js/, names: ['fetchNeeds'] },
  { stage: 'looked up, sequenced', place: /node\/append-queue\.js|order\/sequencer\.js/ },
  { stage: 'entries: bytes, hashes', place: /dist\/(entry|hash|checksum)\.js|order\/header\.js/ },
  { stage: 'consensus', place: /dist\/raft\// },
  { stage: 'peer frames: encoded, decoded', place: /dist\/transport\// },
  { stage: 'written: batches to LevelDB', place: /dist\/storage\// },
  { stage: 'folded', place: /node\/replica\.js/, names: ['fold'] },
  { stage: 'folded', place: /order\/rows\.js/, names: ['fold'] },
  { stage: 'turns', place: /dist\/node\// },
  {
    stage: 'gRPC, HTTP/2, sockets',
    place: /@grpc|^node:(net|internal\/(http2|streams?|stream_base))/,
  },
];

/** Most first. */
export function stagesOf(root: Call): StageTime[] {
  const times = new Map<string, number>();
  add(root, 'the rest');
  return [...times]
    .map(([stage, us]) => ({ stage, us }))
    .filter(({ us }) => us > 0)
    .sort((a, b) => b.us - a.us);

  function add(call: Call, above: string): void {
    const stage = stageOf(call) ?? above;
    times.set(stage, (times.get(stage) ?? 0) + call.selfUs);
    for (const callee of call.callees.values()) add(callee, stage);
  }
}

function stageOf({ name, place }: Call): string | null {
  if (name === '(garbage collector)') return 'garbage collector';
  if (name === '(program)') return 'native code, kernel';
  const isOf = (rule: Rule) => rule.place.test(place) && (rule.names?.includes(name) ?? true);
  return rules.find(isOf)?.stage ?? null;
}
