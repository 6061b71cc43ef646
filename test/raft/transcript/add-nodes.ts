// `add-nodes`: replicas with consecutive ids that start from the same base.

import { foundingMembership } from '../../../src/raft/membership.ts';
import type { RaftConfig } from '../../../src/raft/types.ts';
import { Arguments } from './arguments.ts';
import { type Environment, Refusal } from './environment.ts';
import { ELECTION_TICKS, type NodeOptions, TranscriptNode } from './node.ts';
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
  refuseWhatIsMissing(args);
  const start = startOf(env, args);
  const asyncStorage = args.flag('async-storage-writes');
  const config = configOf(args);
  for (let added = 0; added < args.number(count); added += 1) {
    const id = env.nodes.length + 1;
    const ticks = () => timeoutTicks(id) ?? ELECTION_TICKS;
    const node = new TranscriptNode({ id, ...start, asyncStorage, config, timeoutTicks: ticks });
    env.nodes.push(node);
  }
}

/** Nodes without voters of their own are new to the group that is there. */
function startOf(env: Environment, args: Arguments): Pick<NodeOptions, 'membership' | 'base'> {
  const voters = args.list('voters');
  const learners = args.list('learners');
  const base = args.count('index') ?? 0;
  if (voters.length === 0) {
    const [first] = env.nodes;
    if (base > 0 || learners.length > 0) throw args.error('voters= is missing');
    if (first === undefined)
      throw new Refusal('not supported: nodes without a founding membership');
    return { membership: first.founding, base: 0 };
  }
  if (base <= 1) throw args.error('with voters, index= has to be above 1');
  const { highestId } = foundingMembership([...voters, ...learners]);
  const membership = { ...foundingMembership(voters), learners, highestId };
  return { membership, base };
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
  if (args.flag('disable-conf-change-validation')) missing.push('disable-conf-change-validation');
  for (const key of ['content', 'max-committed-size-per-ready']) {
    if (args.text(key) !== null) missing.push(key);
  }
  if (missing.length > 0) throw new Refusal(`not supported: ${missing.join(', ')}`);
}
