// The command words, with the arguments of etcd's interaction tests.

import type { ReplicaId } from '../../../src/raft/types.ts';
import { addNodes } from './add-nodes.ts';
import { Arguments } from './arguments.ts';
import { membershipChangeOf } from './conf-change.ts';
import { describeProgress, logLine, stateName } from './describe.ts';
import {
  type Environment,
  type LogLevel,
  logLevels,
  type Recipient,
  Refusal,
} from './environment.ts';
import { messagesNamed } from './message-types.ts';
import { ELECTION_TICKS, HEARTBEAT_TICKS, type TranscriptNode } from './node.ts';
import type { Directive } from './script.ts';

/** What a verb may look at beside its own directive. */
export interface Context {
  readonly env: Environment;
  /** As the rest of the script will set it; null where it sets none. */
  readonly timeoutTicks: (id: ReplicaId) => number | null;
}

type Verb = (context: Context, directive: Directive) => void;

export const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['add-nodes', ({ env, timeoutTicks }, directive) => addNodes(env, directive, timeoutTicks)],
  ['campaign', ofNode((_, node) => node.campaign())],
  ['compact', compact],
  ['deliver-msgs', deliverMessages],
  ['forget-leader', ofNode((_, node) => node.forgetLeader())],
  [
    'log-level',
    ({ env }, directive) => setLogLevel(env, new Arguments(directive, []).exactly(1)[0]),
  ],
  ['process-append-thread', ofNodes('append thread', (env, node) => env.processAppendThread(node))],
  ['process-apply-thread', ofNodes('apply thread', (env, node) => env.processApplyThread(node))],
  ['process-ready', ofNodes('ready', (env, node) => env.processReady(node))],
  ['propose', propose],
  ['propose-conf-change', proposeConfChange],
  ['raft-log', ofNode(printLog)],
  ['raft-state', printState],
  ['report-unreachable', reportUnreachable],
  ['send-snapshot', sendSnapshot],
  ['set-randomized-election-timeout', checkTimeout],
  ['stabilize', stabilize],
  ['status', ofNode(printStatus)],
  ['tick-election', ofNode((_, node) => tick(node, ELECTION_TICKS))],
  ['tick-heartbeat', ofNode((_, node) => tick(node, HEARTBEAT_TICKS))],
  ['transfer-leadership', transferLeadership],
]);

/** The election timeout that a directive sets, where it is one that does; null where it does not. */
export function timeoutSetFor(id: ReplicaId, directive: Directive): number | null {
  if (directive.verb !== 'set-randomized-election-timeout') return null;
  const args = new Arguments(directive, ['timeout']);
  return args.ids()[0] === id ? args.count('timeout') : null;
}

function ofNode(action: (env: Environment, node: TranscriptNode) => void): Verb {
  return ({ env }, directive) => {
    const args = new Arguments(directive, []);
    action(env, env.node(args.number(args.exactly(1)[0])));
  };
}

function ofNodes(heading: string, action: (env: Environment, node: TranscriptNode) => void): Verb {
  return ({ env }, directive) => {
    const ids = new Arguments(directive, []).ids();
    env.forEach(ids, heading, (node) => action(env, node));
  };
}

function compact({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, []);
  const [id, index] = args.exactly(2);
  const node = env.node(args.number(id));
  if (args.number(index) > node.replica.raft.applied) throw new Refusal('refused: not applied');
  node.compact(args.number(index));
  printLog(env, node);
}

/** By hand: the sender's core knows nothing of it. */
function sendSnapshot({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, []);
  const [from, to] = args.ids();
  args.exactly(2);
  const { id } = env.node(args.number(String(to)));
  env.post(env.node(args.number(String(from))).snapshotMessage(id));
}

function setLogLevel(env: Environment, name: string | undefined): void {
  const level = logLevels.find((each) => each === name?.toLowerCase());
  if (level === undefined) throw new Refusal(`log levels are ${logLevels.join(', ')}`);
  env.logLevel = level;
}

function deliverMessages({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, ['type', 'drop']);
  const delivered = args.ids();
  const dropped = args.list('drop');
  const both = dropped.filter((id) => delivered.includes(id));
  if (both.length > 0) throw args.error('delivered and dropped at once');
  const type = args.text('type');
  const isWanted = type === null ? null : messagesNamed(type);
  if (type !== null && isWanted === null) throw args.error(`no message is called ${type}`);
  const recipients: Recipient[] = [
    ...delivered.map((id) => ({ id, isDropped: false })),
    ...dropped.map((id) => ({ id, isDropped: true })),
  ];
  if (env.deliver(recipients, isWanted) === 0) env.say('no messages');
}

function propose({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, []);
  const [id, payload = ''] = args.exactly(2);
  const node = env.node(args.number(id));
  const result = node.replica.propose(payload);
  if (!result.ok) throw new Refusal(`refused: ${result.reason}`);
  node.settle();
}

function proposeConfChange({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, ['v1', 'transition']);
  const node = env.node(args.number(args.exactly(1)[0]));
  const { replica } = node;
  const change = membershipChangeOf(args, directive.input, replica.raft.membership);
  const result = replica.proposeConfig(change);
  if (!result.ok) throw new Refusal(`refused: ${result.reason}`);
  node.settle();
}

function reportUnreachable({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, []);
  const [reporter, unreachable] = args.exactly(2);
  const node = env.node(args.number(reporter));
  node.replica.raft.peerDown(args.number(unreachable), node.replica.nowMs);
  node.settle();
}

function transferLeadership({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, ['from', 'to']);
  args.exactly(0);
  const node = env.node(args.number(args.text('from')));
  const { raft, nowMs } = node.replica;
  const result = raft.transferLeadership(args.number(args.text('to')), nowMs);
  if (!result.ok) throw new Refusal(`refused: ${result.reason}`);
  node.settle();
}

/**
 * The core draws a timeout when it becomes a follower and keeps it, so the draw has looked ahead to this
 * directive (timeoutSetFor): here it only remains to see that the value can be given at all.
 */
function checkTimeout({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, ['timeout']);
  env.node(args.number(args.exactly(1)[0]));
  const ticks = args.count('timeout');
  if (ticks === null) throw args.error('timeout= is missing');
  if (ticks < ELECTION_TICKS) throw new Refusal(`not supported: a timeout below ${ELECTION_TICKS}`);
}

function stabilize({ env }: Context, directive: Directive): void {
  const args = new Arguments(directive, ['log-level']);
  const ids = args.words.length > 0 ? args.ids() : env.nodes.map(({ id }) => id);
  const before: LogLevel = env.logLevel;
  const level = args.text('log-level');
  if (level !== null) setLogLevel(env, level);
  env.stabilize(ids.map((id) => env.node(id)));
  // What was said under a level of its own is said or not said by it.
  if (env.logLevel === 'none') env.takeSaid();
  env.logLevel = before;
}

function tick(node: TranscriptNode, ticks: number): void {
  for (let done = 0; done < ticks; done += 1) node.tick();
}

function printState({ env }: Context, directive: Directive): void {
  new Arguments(directive, []).exactly(0);
  for (const { id, isVoter, replica } of env.nodes) {
    const { role, term, leader } = replica.raft;
    const membership = isVoter ? 'Voter' : 'Non-Voter';
    env.say(`${id}: ${stateName(role)} (${membership}) Term:${term} Lead:${leader}`);
  }
}

function printLog(env: Environment, node: TranscriptNode): void {
  const base = node.replica.boundary.index;
  const lines = node.durableLog.map(logLine);
  const nothing = `log is empty: first index=${base + 1}, last index=${base}`;
  env.say(...(lines.length > 0 ? lines : [nothing]));
}

function printStatus(env: Environment, node: TranscriptNode): void {
  for (const progress of node.replica.raft.progress()) {
    env.say(describeProgress(progress, node.hasHeard(progress.id)));
  }
}
