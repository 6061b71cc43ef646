// Clients at work while faults happen: workers that append unique values with keys of their own, each
// with one append in flight, and readers beside them. Everything they see goes into the history.
import type { PacelineClient } from '../../src/client/client.ts';
import { type ConnectOptions, connect } from '../../src/client/grpc/connect.ts';
import { PacelineError } from '../../src/errors.ts';
import type { Cluster } from './cluster.ts';
import { Gaps } from './gaps.ts';
import type { History, StoredPair } from './history.ts';
import { partitionIn } from './partitions.ts';
import { readPage } from './reads.ts';

export interface LoadOptions {
  readonly cluster: Cluster;
  readonly history: History;
  /** Appends in flight. */
  readonly workers?: number;
  /** Reads in flight. */
  readonly readers?: number;
  readonly conversations?: number;
  /** Each worker keeps to one partition, so that one which hangs leaves the others their load. */
  readonly evenly?: boolean;
  /** One of its own where not given. */
  readonly client?: PacelineClient;
}

interface LoadAppend {
  readonly conversation: string;
  readonly sender: string;
  readonly key: string;
  readonly value: string;
}

export interface Acknowledged extends LoadAppend {
  readonly seq: number;
}

export type AppendEnd =
  | { readonly type: 'ok'; readonly seq: number; readonly duplicate: boolean }
  | { readonly type: 'fail' | 'info' };

const readLimit = 200;

export class Load {
  readonly conversations: readonly string[];
  readonly gaps: Gaps;
  readonly client: PacelineClient;
  /** Every acknowledged append, oldest first. */
  readonly acknowledged: Acknowledged[] = [];
  /** How many of these were answered as stored before: the client had sent them twice. */
  duplicates = 0;
  /** How many ended otherwise, by reason. */
  readonly refused = new Map<string, number>();
  private readonly options: LoadOptions;
  private readonly partitionsOf: ReadonlyMap<string, number>;
  private readonly heads = new Map<string, number>();
  private readonly work: Promise<void>[] = [];
  private running = false;
  private values = 0;

  constructor(options: LoadOptions) {
    const { cluster, conversations = 200 } = options;
    this.options = options;
    this.conversations = Array.from({ length: conversations }, (_, i) => `g:room${i}`);
    this.partitionsOf = new Map(
      this.conversations.map((each) => [each, partitionIn(each, cluster.partitions)]),
    );
    this.gaps = new Gaps(cluster.partitions);
    this.client = options.client ?? createClient(cluster.servers);
  }

  start(): void {
    const { workers = 64, readers = 2 } = this.options;
    this.running = true;
    for (let i = 0; i < workers; i++) this.work.push(this.appendOnAndOn(this.conversationsOf(i)));
    for (let i = 0; i < readers; i++) this.work.push(this.readOnAndOn());
  }

  /** Resolves once what is in flight has ended. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.work.splice(0));
  }

  async close(): Promise<void> {
    await this.stop();
    await this.client.close();
  }

  /** Appends once, by a process that has nothing open; with an old key and value it is a retry. */
  async append(append: LoadAppend, process: number): Promise<AppendEnd> {
    const { history } = this.options;
    const { conversation, key, value, sender } = append;
    const base = { process, op: 'append', conversation, key, value, sender } as const;
    history.record({ ...base, type: 'invoke' });
    const beganMs = performance.now();
    try {
      const { seq, duplicate, term } = await this.client.append({ ...append, body: value });
      history.record({ ...base, type: 'ok', seq, duplicate });
      const partition = this.partitionsOf.get(conversation) ?? -1;
      if (duplicate) this.duplicates += 1;
      else this.gaps.accepted(partition, term, beganMs, performance.now());
      this.acknowledged.push({ conversation, sender, key, value, seq });
      return { type: 'ok', seq, duplicate };
    } catch (error) {
      if (!(error instanceof PacelineError)) throw error;
      const { reason } = error;
      this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
      const type = reason === 'OUTCOME_UNKNOWN' || reason === 'INTERNAL' ? 'info' : 'fail';
      history.record({ ...base, type, error: reason });
      return { type };
    }
  }

  private conversationsOf(worker: number): readonly string[] {
    const { evenly, cluster } = this.options;
    if (evenly !== true) return this.conversations;
    const own = worker % cluster.partitions;
    return this.conversations.filter((each) => this.partitionsOf.get(each) === own);
  }

  private async appendOnAndOn(conversations: readonly string[]): Promise<void> {
    const { history } = this.options;
    let process = history.newProcess();
    while (this.running) {
      const value = `v${this.values++}`;
      const conversation = anyOf(conversations);
      const append = { conversation, sender: 'load', key: value, value };
      const { type } = await this.append(append, process);
      if (type === 'info') process = history.newProcess();
    }
  }

  /** Reads on from what it knows of a conversation, or from its start, at either level. */
  private async readOnAndOn(): Promise<void> {
    const { history, cluster } = this.options;
    const process = history.newProcess();
    while (this.running) {
      const conversation = anyOf(this.conversations);
      const isEventual = Math.random() < 0.5;
      const node = isEventual ? anyOf(cluster.nodes).id : 0;
      const level = isEventual ? ('eventual' as const) : ('linearizable' as const);
      const after = Math.random() < 0.2 ? 0 : (this.heads.get(conversation) ?? 0);
      const read = { conversation, level, node, after, limit: readLimit };
      const messages = await readPage(this.client, cluster, history, { ...read, process });
      const last = messages?.at(-1);
      if (last !== undefined) this.advance(conversation, last);
      else if (messages === null) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private advance(conversation: string, [seq]: StoredPair): void {
    this.heads.set(conversation, Math.max(seq, this.heads.get(conversation) ?? 0));
  }
}

type Timeouts = Omit<ConnectOptions, 'servers'>;

export function createClient(servers: readonly string[], timeouts: Timeouts = {}): PacelineClient {
  return connect({ ...timeouts, servers });
}

export function anyOf<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
