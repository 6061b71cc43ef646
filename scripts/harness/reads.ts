// Reads that are recorded in the history: single pages, and the final ones of everything.
import type { PacelineClient } from '../../src/client/client.ts';
import type { Page } from '../../src/client/message.ts';
import { PacelineError } from '../../src/errors.ts';
import type { Cluster } from './cluster.ts';
import type { History, StoredPair } from './history.ts';

export interface RecordedRead {
  readonly process: number;
  readonly conversation: string;
  readonly level: 'linearizable' | 'eventual';
  /** 0 = any. */
  readonly node: number;
  readonly after: number;
  readonly limit: number;
}

const pageMax = 1000;

/** null: no answer. */
export async function readPage(
  client: PacelineClient,
  cluster: Cluster,
  history: History,
  read: RecordedRead,
): Promise<readonly StoredPair[] | null> {
  const base = { ...read, op: 'read' } as const;
  history.record({ ...base, type: 'invoke' });
  try {
    const messages = await pageOf(client, cluster, read);
    history.record({ ...base, type: 'ok', messages });
    return messages;
  } catch (error) {
    if (!(error instanceof PacelineError)) throw error;
    history.record({ ...base, type: 'fail', error: error.reason });
    return null;
  }
}

/** Every conversation from every node, once all have applied the same: what the checker judges by. */
export async function readFinals(
  client: PacelineClient,
  cluster: Cluster,
  history: History,
  conversations: readonly string[],
): Promise<void> {
  const oneNode = async (node: number) => {
    const process = history.newProcess();
    for (const conversation of conversations) {
      const limit = Number.MAX_SAFE_INTEGER;
      const read = { process, conversation, level: 'eventual', node, after: 0, limit } as const;
      const base = { ...read, op: 'read', final: true } as const;
      history.record({ ...base, type: 'invoke' });
      history.record({ ...base, type: 'ok', messages: await readAll(client, cluster, read) });
    }
  };
  await Promise.all(cluster.nodes.map(({ id }) => oneNode(id)));
}

async function readAll(
  client: PacelineClient,
  cluster: Cluster,
  read: RecordedRead,
): Promise<StoredPair[]> {
  const all: StoredPair[] = [];
  for (;;) {
    const after = all.at(-1)?.[0] ?? 0;
    const page = await pageOf(client, cluster, { ...read, after, limit: pageMax });
    all.push(...page);
    if (page.length === 0) return all;
  }
}

async function pageOf(
  client: PacelineClient,
  cluster: Cluster,
  read: RecordedRead,
): Promise<StoredPair[]> {
  const { conversation, level, node, after, limit } = read;
  const server = node === 0 ? {} : { server: cluster.node(node).address };
  const answer = await client.read({ conversation, level, limit, afterSeq: after, ...server });
  return pairsOf(answer);
}

export function pairsOf({ messages }: Page): StoredPair[] {
  return messages.map(({ seq, body }) => [seq, Buffer.from(body).toString()] as const);
}
