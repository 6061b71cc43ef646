// The outbox: messages of one sender on one device, each stored once and in order per conversation, over
// retries, failovers and the end of the app at any moment. A message is durable here before it is sent, and
// stays until the server has said what became of it. Knows no network, disk, clock or chance of its own.
import { PacelineError } from '../errors.ts';
import { hash128 } from '../hash.ts';
import type { Appended } from './append.ts';
import { checkConversation } from './check-value.ts';
import { Chain } from './outbox-chain.ts';
import { checkMessage, checkSender } from './outbox-check.ts';
import {
  type FullOutboxOptions,
  type OutboxEnd,
  type OutboxOptions,
  withDefaults,
} from './outbox-options.ts';
import { OutboxSender } from './outbox-sender.ts';
import type { ChainRow, KeptMessage, OutboxHead, OutboxMessage } from './outbox-store.ts';
import { OutboxWriter } from './outbox-writer.ts';

const page = { count: 1000, bytes: 1024 * 1024 };

/** A message that is durable here. */
export interface OutboxItem {
  readonly conversation: string;
  readonly clientSeq: number;
  readonly key: string;
  /**
   * Once it is stored by the server. Errors: what the server refused it with, also where `close` is called
   * meanwhile; OUTCOME_UNKNOWN where nobody can tell any more; EPOCH_FENCED, or STOPPING at `close`: it is
   * still kept, and sent when the outbox is opened again; what the store failed with.
   */
  readonly stored: Promise<Appended>;
}

interface Waiter {
  /** Refused: it is told so once it is surely gone, also after `stop`. */
  isRefused: boolean;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
}

export class Outbox {
  private readonly options: FullOutboxOptions;
  private readonly head: OutboxHead;
  private readonly writer: OutboxWriter;
  private readonly sender: OutboxSender;
  private readonly chains = new Map<string, Chain>();
  /** By key: messages of this process that have not ended. */
  private readonly waiters = new Map<string, Waiter>();
  private open = 0;
  private draining: { resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Why nothing is sent any more. */
  private over: Error | null = null;
  private stopping: Promise<void> | null = null;
  private closing: Promise<void> | null = null;

  /**
   * Takes up what the store keeps: everything that has not ended is sent again, in order, with its key. With a
   * higher epoch than before the chains begin anew.
   *
   * Errors: EPOCH_FENCED where the store was opened with a higher epoch; BAD_REQUEST where it is another
   * sender's or device's; bad input. The store is closed then.
   */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const { store } = options;
    try {
      checkSender(options);
      const head = await openHead(options);
      return new Outbox(options, head, await store.readChains());
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  private constructor(options: OutboxOptions, head: OutboxHead, rows: readonly ChainRow[]) {
    const full = withDefaults(options);
    this.options = full;
    this.head = head;
    this.writer = new OutboxWriter(options.store, options.clock, (error) => this.fail(error));
    this.sender = new OutboxSender(full, this.writer, {
      onStored: (kept, appended) => {
        this.waiters.get(kept.key)?.resolve(appended);
        this.end({ kind: 'stored', kept, appended });
      },
      onRefused: ({ key }) => {
        const waiter = this.waiters.get(key);
        if (waiter !== undefined) waiter.isRefused = true;
      },
      onFailed: (kept, error) => {
        this.waiters.get(kept.key)?.reject(error);
        this.end({ kind: 'failed', kept, error });
      },
      onOver: (error) => this.stop(error),
    });
    for (const row of rows) {
      const chain = this.addChain(row);
      this.open += chain.open;
      if (chain.open > 0) this.sender.wake(chain);
    }
  }

  /**
   * Keeps a message and resolves once it is durable here; from then on it is sent until the server has it.
   * Messages of a conversation are stored in the order of the calls.
   *
   * Errors: bad input (BAD_..., TOO_LARGE); BUSY where `messagesMax` are kept; EPOCH_FENCED; STOPPING after
   * `close`; what the store failed with.
   */
  async send(message: OutboxMessage): Promise<OutboxItem> {
    if (this.over !== null) throw this.over;
    const { clock, epoch, messagesMax } = this.options;
    const checked = checkMessage(message, this.options, clock.wallMs());
    if (this.open >= messagesMax) throw busy(messagesMax);
    const { conversation } = checked;
    const chain = this.chains.get(conversation) ?? this.addChain(newRow(conversation, epoch));
    const clientSeq = chain.number();
    const key = this.key(conversation, clientSeq);
    const kept: KeptMessage = { message: checked, clientSeq, epoch, key };
    this.open += 1;
    const stored = new Promise<Appended>((resolve, reject) => {
      this.waiters.set(key, { isRefused: false, resolve, reject });
    });
    // Who does not ask does not hear of it.
    stored.catch(() => {});
    await new Promise<void>((resolve, reject) => {
      const onDurable = () => {
        this.sender.offer(chain, kept);
        resolve();
      };
      this.writer.keep(chain, kept, onDurable, reject);
    });
    return { conversation, clientSeq, key, stored };
  }

  /** Messages of a conversation that have not ended. Errors: BAD_CONVERSATION. */
  pending(conversation: string): number {
    return this.chainOf(conversation)?.open ?? 0;
  }

  /** Of the newest message ever sent there; 0 = none. Errors: BAD_CONVERSATION. */
  lastClientSeq(conversation: string): number {
    return this.chainOf(conversation)?.lastClientSeq ?? 0;
  }

  /** Conversations with messages that have not ended. */
  conversations(): string[] {
    return [...this.chains.values()]
      .filter(({ open }) => open > 0)
      .map(({ conversation }) => conversation);
  }

  /**
   * The durable messages of a conversation that have not ended, in order, at most 1,000 or about 1 MiB.
   * Errors: BAD_CONVERSATION; what the store failed with.
   */
  async unsent(conversation: string, afterClientSeq = 0): Promise<KeptMessage[]> {
    const chain = this.chainOf(conversation);
    let after = afterClientSeq;
    while (chain !== undefined) {
      const kept = await this.options.store.readMessages(chain.conversation, after, page);
      const newest = kept.at(-1);
      if (newest === undefined) break;
      after = newest.clientSeq;
      const open = kept.filter(({ clientSeq }) => !chain.hasEnded(clientSeq));
      if (open.length > 0) return open;
    }
    return [];
  }

  /** Resolves once every message has ended; rejects once nothing is sent any more. */
  drain(): Promise<void> {
    if (this.over !== null) return Promise.reject(this.over);
    if (this.open === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.draining.push({ resolve, reject }));
  }

  /**
   * Forgets every message that has not ended and says how many. Only after EPOCH_FENCED. Errors: what the store
   * failed with.
   */
  async discard(): Promise<number> {
    if (!(this.over instanceof PacelineError) || this.over.reason !== 'EPOCH_FENCED') {
      const message = 'an outbox is discarded only once its epoch is fenced';
      throw new PacelineError({ reason: 'BAD_REQUEST', message });
    }
    await this.written();
    const before = this.open;
    for (const chain of this.chains.values()) await this.discardChain(chain);
    return before - this.open;
  }

  /** Sends no more, and resolves once the store has what it was given and is closed. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    if (this.over === null) this.stop(closed());
    await this.writer.settle();
    await this.stopping;
    await this.options.store.close();
  }

  private async discardChain(chain: Chain): Promise<void> {
    const { conversation } = chain;
    for (;;) {
      const kept = await this.options.store.readMessages(conversation, 0, page);
      if (kept.length === 0) return;
      const open = kept.filter(({ clientSeq }) => !chain.hasEnded(clientSeq)).length;
      this.open -= open;
      chain.discard(open, kept.length);
      for (const { clientSeq } of kept) this.writer.forget(chain, { conversation, clientSeq });
      await this.written();
    }
  }

  private async written(): Promise<void> {
    await this.writer.settle();
    if (this.writer.failure !== null) throw this.writer.failure;
  }

  /** By any name that `send` takes. */
  private chainOf(conversation: string): Chain | undefined {
    return this.chains.get(checkConversation(conversation).text);
  }

  private addChain(row: ChainRow): Chain {
    const chain = new Chain(row, this.options.epoch);
    this.chains.set(row.conversation, chain);
    return chain;
  }

  /** Other in every store, device, epoch, conversation and message. */
  private key(conversation: string, clientSeq: number): string {
    const { uuid, device } = this.head;
    const parts = [uuid, device, String(this.options.epoch), conversation];
    const hash = Buffer.from(hash128([Buffer.from(parts.join('\0'))]));
    return `${hash.toString('base64url')}-${clientSeq.toString(36)}`;
  }

  private end(end: OutboxEnd): void {
    this.waiters.delete(end.kept.key);
    this.open -= 1;
    const { onEnd } = this.options;
    if (onEnd !== undefined) queueMicrotask(() => onEnd(end));
    if (this.open === 0) for (const { resolve } of this.draining.splice(0)) resolve();
  }

  private stop(error: Error): void {
    if (this.over !== null) return;
    this.over = error;
    this.stopping = this.sender.stop(this.chains.values());
    for (const [key, { isRefused, reject }] of this.waiters) {
      if (isRefused) continue;
      this.waiters.delete(key);
      reject(error);
    }
    for (const { reject } of this.draining.splice(0)) reject(error);
  }

  /** The store failed: of what was being removed nobody can say whether it is kept. */
  private fail(error: Error): void {
    this.stop(error);
    for (const { reject } of this.waiters.values()) reject(error);
    this.waiters.clear();
  }
}

/** Who the store belongs to: written where that, or the epoch, is new. */
async function openHead(options: OutboxOptions): Promise<OutboxHead> {
  const { store, sender, device, epoch, uuid } = options;
  const found = await store.readHead();
  if (found !== null && (found.sender !== sender || found.device !== device)) {
    const message = 'the store is that of another sender or device';
    throw new PacelineError({ reason: 'BAD_REQUEST', message });
  }
  if (found !== null && found.epoch > epoch) {
    const message = `the store was opened with epoch ${found.epoch} before`;
    throw new PacelineError({ reason: 'EPOCH_FENCED', actual: found.epoch, message });
  }
  if (found?.epoch === epoch) return found;
  const head = { sender, device, epoch, uuid: found?.uuid ?? uuid() };
  await store.write({ head, chains: [], puts: [], removes: [] }, { sync: true });
  return head;
}

function newRow(conversation: string, epoch: number): ChainRow {
  return { conversation, epoch, last: 0, linked: 0, kept: 0 };
}

function busy(limit: number): PacelineError {
  const message = `${limit} messages are kept, the limit`;
  return new PacelineError({ reason: 'BUSY', field: 'messagesMax', limit, message });
}

function closed(): PacelineError {
  return new PacelineError({ reason: 'STOPPING', message: 'the outbox is closed' });
}
