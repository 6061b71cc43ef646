// An outbox's store that ends with the process: for apps that may lose what was not sent, and for tests.
import type {
  ChainRow,
  KeptMessage,
  OutboxHead,
  OutboxStore,
  OutboxWrite,
  PageLimit,
} from './outbox-store.ts';

export class MemoryOutboxStore implements OutboxStore {
  private head: OutboxHead | null = null;
  private readonly chains = new Map<string, ChainRow>();
  /** By conversation and clientSeq, which come in rising order. */
  private readonly messages = new Map<string, Map<number, KeptMessage>>();

  async readHead(): Promise<OutboxHead | null> {
    return this.head;
  }

  async readChains(): Promise<ChainRow[]> {
    return [...this.chains.values()];
  }

  async readMessages(
    conversation: string,
    afterClientSeq: number,
    limit: PageLimit,
  ): Promise<KeptMessage[]> {
    const page: KeptMessage[] = [];
    let bytes = 0;
    for (const kept of this.messages.get(conversation)?.values() ?? []) {
      if (page.length >= limit.count || bytes >= limit.bytes) break;
      if (kept.clientSeq <= afterClientSeq) continue;
      page.push(kept);
      bytes += kept.message.body.length;
    }
    return page;
  }

  async write({ head, chains, puts, removes }: OutboxWrite): Promise<void> {
    if (head !== undefined) this.head = head;
    for (const row of chains) this.chains.set(row.conversation, row);
    for (const kept of puts) {
      const { conversation } = kept.message;
      const messages = this.messages.get(conversation) ?? new Map<number, KeptMessage>();
      messages.set(kept.clientSeq, kept);
      this.messages.set(conversation, messages);
    }
    for (const { conversation, clientSeq } of removes) {
      this.messages.get(conversation)?.delete(clientSeq);
    }
  }

  async close(): Promise<void> {}
}
