// The state after everything ended: every conversation read whole from every healthy node, into the
// history, and what must hold in it by itself.
import type { PacelineClient } from '../client/client.ts';
import type { Message } from '../client/message.ts';
import { isStored, type StoredEvent } from '../client/subscription-events.ts';
import type { NodeId } from '../transport/types.ts';
import type { LabCluster } from './lab-cluster.ts';
import { pairOf } from './message-value.ts';
import { addressOf } from './shape.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

const pageLimit = 1000;
const readingMs = 30_000;

/** By conversation: its messages, the same on every node. */
export type FinalReads = ReadonlyMap<string, readonly Message[]>;

/** Every conversation from every healthy node, into the history. */
export async function readFinals(cluster: LabCluster, workload: Workload): Promise<FinalReads> {
  const { recorder } = workload;
  const processes = new Map(cluster.healthy.map(({ id }) => [id, recorder.newProcess()]));
  return readAllNodes(cluster, workload.conversations, (node, conversation, messages) => {
    const process = processes.get(node) ?? 0;
    const limit = Number.MAX_SAFE_INTEGER;
    const base = { process, conversation, level: 'eventual', node, after: 0, limit } as const;
    const read = { op: 'read', final: true, ...base } as const;
    recorder.record({ type: 'invoke', ...read });
    recorder.record({ type: 'ok', messages: messages.map(pairOf), ...read });
  });
}

/** All events of each conversation, in order, as one healthy node tells them. */
export async function readEvents(
  cluster: LabCluster,
  conversations: readonly string[],
): Promise<ReadonlyMap<string, readonly StoredEvent[]>> {
  const [node] = cluster.healthy;
  const server = addressOf(node?.id ?? 1);
  const { client } = cluster.addClient('listener', { timeoutMs: readingMs });
  const all = new Map<string, readonly StoredEvent[]>();
  for (const conversation of conversations) {
    const events: StoredEvent[] = [];
    for await (const event of client.subscribe({ conversation, server })) {
      if (event.kind === 'caught-up') break;
      if (isStored(event)) events.push(event);
    }
    all.set(conversation, events);
  }
  return all;
}

/** The same without a history: nodes are compared with each other. */
export async function judgeFinals(
  cluster: FinalsOf,
  conversations: readonly string[],
): Promise<FinalReads> {
  const firsts = new Map<string, string>();
  return readAllNodes(cluster, conversations, (node, conversation, messages) => {
    const text = JSON.stringify(messages.map(pairOf));
    const first = firsts.get(conversation);
    firsts.set(conversation, first ?? text);
    if (first === undefined || first === text) return;
    cluster.world.break('all nodes hold the same', `${conversation} differs on node ${node}`);
  });
}

/** A cluster, as far as its conversations are read here. */
export interface FinalsOf {
  readonly world: Pick<World, 'break'>;
  readonly healthy: readonly { readonly id: NodeId }[];
  addClient(
    name: string,
    options: { readonly timeoutMs: number },
  ): { readonly client: Pick<PacelineClient, 'read'> };
}

type OnRead = (node: number, conversation: string, messages: readonly Message[]) => void;

async function readAllNodes(
  cluster: FinalsOf,
  conversations: readonly string[],
  onRead: OnRead,
): Promise<FinalReads> {
  const { world } = cluster;
  const finals = new Map<string, readonly Message[]>();
  const observer = cluster.addClient('observer', { timeoutMs: readingMs });
  for (const { id } of cluster.healthy) {
    for (const conversation of conversations) {
      const messages = await readAll(observer.client, conversation, id);
      onRead(id, conversation, messages);
      finals.set(conversation, messages);
      const wrong = wrongIn(messages);
      if (wrong !== null) world.break('numbers of a conversation', `${conversation}: ${wrong}`);
    }
  }
  return finals;
}

async function readAll(
  client: Pick<PacelineClient, 'read'>,
  conversation: string,
  node: number,
): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const page = await client.read({
      conversation,
      level: 'eventual',
      limit: pageLimit,
      afterSeq: messages.length,
      server: addressOf(node),
    });
    messages.push(...page.messages);
    if (messages.length >= page.headSeq) return messages;
  }
}

/** seq, rev and ids rise, log time does not fall, and places in the log rise with them. */
function wrongIn(messages: readonly Message[]): string | null {
  for (const [i, message] of messages.entries()) {
    const before = messages[i - 1];
    const { seq, rev, id, timeMs, index, slot } = message;
    if (seq !== i + 1) return `seq ${seq} stands at place ${i + 1}`;
    if (rev < seq) return `seq ${seq} has rev ${rev}`;
    if (before === undefined) continue;
    if (rev <= before.rev) return `rev ${rev} of seq ${seq} follows rev ${before.rev}`;
    if (id <= before.id) return `id ${id} of seq ${seq} follows id ${before.id}`;
    if (timeMs < before.timeMs)
      return `the log time of seq ${seq} is before that of seq ${seq - 1}`;
    const isLater = index > before.index || (index === before.index && slot > before.slot);
    if (!isLater) return `seq ${seq} stands in the log before seq ${seq - 1}`;
  }
  return null;
}
