// `add-nodes`: replicas with consecutive ids that start from the same base.

import type { RaftConfig } from '../../../src/raft/types.ts';
import { Arguments } from './arguments.ts';
import { type Environment, Refusal } from './environment.ts';
import { ELECTION_TICKS, TranscriptNode } from './node.ts';
import type { Directive } from './script.ts';

const known = [
  'voters',
  'learners',
  'index',
  'content',
  'prevote',
  'checkquorum',
  'async-storage-writes',
  'inflight',
  'max-committed-size-per-ready',
  'read-only',
  'disable-conf-change-validation',
  'step-down-on-removal',
];

/** `timeoutTicks` tells the next election timeout of a node. */
export function addNodes(
  env: Environment,
  directive: Directive,
  timeoutTicks: (id: number) => number | null,
): void {
  const args = new Arguments(directive, known);
  const [count] = args.exactly(1);
  const voters = args.list('voters');
  refuseWhatIsMissing(args);
  const index = args.count('index') ?? 0;
  if (index <= 1 && voters.length > 0) throw args.error('with voters, index= has to be above 1');
  const asyncStorage = args.flag('async-storage-writes');
  const config = configOf(args);
  for (let added = 0; added < args.number(count); added += 1) {
    const id = env.nodes.length + 1;
    if (!voters.includes(id)) throw new Refusal('not supported: a node that is no voter');
    const node = new TranscriptNode({
      id,
      voters,
      index,
      asyncStorage,
      config,
      timeoutTicks: () => timeoutTicks(id) ?? ELECTION_TICKS,
    });
    env.nodes.push(node);
  }
}

function configOf(args: Arguments): Partial<RaftConfig> {
  const inflight = args.count('inflight');
  const readOnly = args.text('read-only') ?? 'safe';
  if (readOnly !== 'safe' && readOnly !== 'lease-based') {
    throw args.error(`unknown: read-only=${readOnly}`);
  }
  return {
    preVote: args.flag('prevote'),
    checkQuorum: args.flag('checkquorum'),
    lease: readOnly === 'lease-based',
    ...(inflight === null ? {} : { inflightAppendsMax: inflight }),
  };
}

function refuseWhatIsMissing(args: Arguments): void {
  const missing: string[] = [];
  if (args.list('learners').length > 0) missing.push('learners');
  for (const key of ['disable-conf-change-validation', 'step-down-on-removal']) {
    if (args.flag(key)) missing.push(key);
  }
  for (const key of ['content', 'max-committed-size-per-ready']) {
    if (args.text(key) !== null) missing.push(key);
  }
  if (missing.length > 0) throw new Refusal(`not supported: ${missing.join(', ')}`);
}
