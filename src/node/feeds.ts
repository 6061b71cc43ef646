// What subscriptions read from: a place in a conversation or in a partition's log, and what comes after
// it. A feed holds no messages: it reads a page when asked, and tells when there may be more.
import type { LogEntry } from '../entry.ts';
import { firstIndexKey } from '../order/row-keys.ts';
import { decodeFloor } from '../order/row-values.ts';
import { EntryKind } from '../raft/types.ts';
import type { Store } from '../storage/types.ts';
import { messagesOf, pageLimits, readExtent, readPage, type StoredMessage } from './reader.ts';
import type { Replica } from './replica.ts';

/** How far a feed has been read without missing anything. */
export interface FeedProgress {
  readonly seq: number;
  readonly rev: number;
  readonly index: number;
}

/** The place asked for is gone; the feed goes on at `min`. */
export interface FeedReset {
  readonly min: number;
  readonly max: number;
}

export interface Feed {
  readonly partition: number;
  /** Before the first page: null, or where it goes on instead. */
  begin(): Promise<FeedReset | null>;
  /**
   * The next messages, at most `limit`, and no more once they have `bytesMax`; empty: everything
   * applied so far was read.
   */
  next(limit: number, bytesMax: number): Promise<readonly StoredMessage[]>;
  readonly progress: FeedProgress;
  /** Calls whenever there may be more. Returns how to stop. */
  watch(call: () => void): () => void;
}

export class ConversationFeed implements Feed {
  private readonly replica: Replica;
  private readonly store: Store;
  private readonly conversation: string;
  private readonly shard: number;
  private seq: number;
  private rev = 0;

  constructor(
    replica: Replica,
    store: Store,
    conversation: string,
    shard: number,
    afterSeq: number,
  ) {
    this.replica = replica;
    this.store = store;
    this.conversation = conversation;
    this.shard = shard;
    this.seq = afterSeq;
  }

  get partition(): number {
    return this.replica.partition;
  }

  get progress(): FeedProgress {
    return { seq: this.seq, rev: this.rev, index: 0 };
  }

  async begin(): Promise<FeedReset | null> {
    const { replica, store, conversation, shard } = this;
    const { head, minSeq } = await readExtent(replica, store, conversation, shard);
    if (head.seq === 0 || this.seq + 1 >= minSeq) return null;
    const asked = this.seq;
    this.seq = minSeq - 1;
    return asked === 0 ? null : { min: minSeq, max: head.seq };
  }

  async next(limit: number, bytesMax: number): Promise<readonly StoredMessage[]> {
    const { replica, store, conversation, shard, seq } = this;
    const known = replica.rows.head(conversation);
    // A replica behind the place asked for has nothing to say yet.
    if (known !== undefined && known.seq <= seq) return [];
    const { head } = await readExtent(replica, store, conversation, shard);
    if (head.seq <= seq) return [];
    const request = { conversation, shard, range: { kind: 'after', seq } as const };
    const { messages } = await readPage(replica, store, {
      ...request,
      limit: Math.min(limit, pageLimits.messages),
      bytesMax,
    });
    const last = messages.at(-1);
    if (last !== undefined) {
      this.seq = last.seq;
      this.rev = last.rev;
    }
    return messages;
  }

  watch(call: () => void): () => void {
    return this.replica.watchers.add(this.conversation, call);
  }
}

export class PartitionFeed implements Feed {
  private readonly replica: Replica;
  private readonly store: Store;
  /** Everything up to this index was read, and this many slots of the next entry. */
  private index: number;
  private slot = 0;

  constructor(replica: Replica, store: Store, afterIndex: number) {
    this.replica = replica;
    this.store = store;
    this.index = afterIndex;
  }

  get partition(): number {
    return this.replica.partition;
  }

  get progress(): FeedProgress {
    return { seq: 0, rev: 0, index: this.index };
  }

  async begin(): Promise<FeedReset | null> {
    const [row] = await this.store.getRows(this.replica.partition, [firstIndexKey()]);
    const min = decodeFloor(row ?? null);
    if (this.index + 1 >= min) return null;
    const asked = this.index;
    this.index = min - 1;
    return asked === 0 ? null : { min, max: this.replica.raft.applied };
  }

  async next(limit: number, bytesMax: number): Promise<readonly StoredMessage[]> {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    const { raft } = this.replica;
    while (messages.length < limit && bytes < bytesMax && this.index < raft.applied) {
      for (const entry of await this.entries(bytesMax)) {
        const found = entry.kind === EntryKind.COMMANDS ? messagesOf(entry, this.slot) : [];
        for (const message of found) {
          if (messages.length >= limit || bytes >= bytesMax) return messages;
          messages.push(message);
          bytes += message.command.length;
          this.slot += 1;
        }
        this.index = entry.index;
        this.slot = 0;
      }
    }
    return messages;
  }

  watch(call: () => void): () => void {
    return this.replica.watchers.add('', call);
  }

  /** Some entries after the place, all applied. */
  private async entries(bytesMax: number): Promise<readonly LogEntry[]> {
    const { replica, store, index } = this;
    const inMemory = replica.entry(index + 1);
    if (inMemory !== null) return [inMemory];
    const { applied } = replica.raft;
    return store.readEntries(replica.partition, index + 1, applied, bytesMax);
  }
}
