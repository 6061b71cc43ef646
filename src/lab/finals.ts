// The state after everything ended: every conversation read whole from every healthy node, into the
// history, and what must hold in it by itself.
import type { Message } from '../client/message.ts';
import { PacelineError } from '../errors.ts';
import type { LabCluster } from './lab-cluster.ts';
import { addressOf } from './shape.ts';
import { pairOf, type Workload } from './workload.ts';

const pageLimit = 1000;
const readingMs = 30_000;

/** Heads by conversation. */
export async function readFinals(
  cluster: LabCluster,
  workload: Workload,
): Promise<ReadonlyMap<string, number>> {
  const { world } = cluster;
  const heads = new Map<string, number>();
  const observer = cluster.addClient('observer', { timeoutMs: readingMs });
  let isDone = false;
  const reading = async () => {
    for (const { id } of cluster.healthy) {
      const process = workload.newProcess();
      for (const conversation of workload.conversations) {
        const limit = Number.MAX_SAFE_INTEGER;
        const base = {
          process,
          conversation,
          level: 'eventual',
          node: id,
          after: 0,
          limit,
        } as const;
        const read = { ...base, op: 'read', final: true } as const;
        workload.record({ ...read, type: 'invoke' });
        const messages = await readAll(observer.client, conversation, id);
        workload.record({ ...read, type: 'ok', messages: messages.map(pairOf) });
        heads.set(conversation, messages.at(-1)?.seq ?? 0);
        const wrong = wrongIn(messages);
        if (wrong !== null) world.break('numbers of a conversation', `${conversation}: ${wrong}`);
      }
    }
    isDone = true;
  };
  reading().catch((error: unknown) => {
    const text = error instanceof PacelineError ? `${error.reason} ${error.message}` : `${error}`;
    world.break('everything can be read at the end', text);
  });
  await world.run(world.nowMs + readingMs, () => isDone);
  if (!isDone) world.break('everything can be read at the end', 'the reads did not end');
  return heads;
}

async function readAll(
  client: LabCluster['clients'][number]['client'],
  conversation: string,
  node: number,
): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const page = await client.read({
      ...{ conversation, level: 'eventual', limit: pageLimit },
      ...{ afterSeq: messages.length, server: addressOf(node) },
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
