// What subscriptions read from: a place in a conversation or in a partition's log, and what comes after
// it. A feed holds no messages: it reads a page when asked, and tells when there may be more.
import type { LogEntry } from '../entry.ts';
import { firstIndexKey } from '../order/row-keys.ts';
import { decodeFloor, type Head } from '../order/row-values.ts';
import { EntryKind } from '../raft/types.ts';
import { type RevPlace, revAt, seqAt } from './places.ts';
import { readRevs } from './reader.ts';
import { type StoredSlot, slotsOf } from './slots.ts';
import { type ConversationPlace, type ReadSource, type ReadStore, readExtent } from './source.ts';
import { completed, type StoredMessage } from './stored-message.ts';

/** How far a feed has been read without missing anything. */
export interface FeedProgress {
  readonly seq: number;
  /** 0: nothing was read yet, `seq` is what was asked for. */
  readonly rev: number;
  readonly index: number;
}

/** The place is gone; the feed goes on at `min`. */
export interface FeedReset {
  readonly min: number;
  readonly max: number;
}

export interface FeedPage {
  /** Comes before the messages. */
  readonly reset: FeedReset | null;
  /** Messages and events; none: everything applied so far was read. */
  readonly messages: readonly StoredMessage[];
}

export interface Feed {
  readonly partition: number;
  /** What comes next, at most `limit`, and no more once it has `bytesMax`. */
  next(limit: number, bytesMax: number): Promise<FeedPage>;
  readonly progress: FeedProgress;
  /** True: this replica has not applied the place asked for, so it has nothing to say of what is there. */
  readonly isBehind: boolean;
  /** Calls whenever there may be more. Returns how to stop. */
  watch(call: () => void): () => void;
}

/** Both exclusive; 0: from the oldest. */
export type FeedStart =
  | { readonly kind: 'seq'; readonly seq: number }
  | { readonly kind: 'rev'; readonly rev: number };

const nothing: FeedPage = { reset: null, messages: [] };

export class ConversationFeed implements Feed {
  private readonly source: ReadSource;
  private readonly store: ReadStore;
  private readonly of: ConversationPlace;
  private readonly start: FeedStart;
  /** Everything up to here was read; null: this replica has not applied the place asked for. */
  private at: RevPlace | null = null;

  constructor(source: ReadSource, store: ReadStore, of: ConversationPlace, start: FeedStart) {
    this.source = source;
    this.store = store;
    this.of = of;
    this.start = start;
  }

  get partition(): number {
    return this.source.partition;
  }

  get isBehind(): boolean {
    return this.at === null;
  }

  get progress(): FeedProgress {
    const { start } = this;
    const asked = { seq: start.kind === 'seq' ? start.seq : 0, rev: 0 };
    const { seq, rev } = this.at ?? asked;
    return { seq, rev, index: 0 };
  }

  async next(limit: number, bytesMax: number): Promise<FeedPage> {
    const { source, store, of } = this;
    const known = source.rows.head(of.conversation);
    if (known !== undefined && this.at !== null && known.rev <= this.at.rev) return nothing;
    const { head, minSeq } = await readExtent(source, store, of);
    const before = this.at ?? (await this.locate(head));
    // A replica behind the place asked for has nothing to say yet.
    if (before === null || head.rev < before.rev) return nothing;
    const isGone = before.seq + 1 < minSeq;
    const at = isGone ? await this.oldest(head, minSeq) : before;
    const messages = await readRevs(source, store, of, head, at, { limit, bytesMax });
    const last = messages.at(-1);
    this.at = last === undefined ? at : { seq: last.seq, rev: last.rev };
    // Who asked for the oldest gets it.
    const reset = isGone && before.rev > 0 ? { min: minSeq, max: head.seq } : null;
    return { reset, messages };
  }

  watch(call: () => void): () => void {
    return this.source.watchers.add(this.of.conversation, call);
  }

  private async locate(head: Head): Promise<RevPlace | null> {
    const { source, store, of, start } = this;
    if (start.kind === 'seq') {
      const { seq } = start;
      return seq > head.seq ? null : { seq, rev: await revAt(source, store, of, head, seq) };
    }
    const { rev } = start;
    return rev > head.rev ? null : { seq: await seqAt(source, store, of, head, rev), rev };
  }

  /** Only messages are gone: the events after the last of them are still told. */
  private async oldest(head: Head, minSeq: number): Promise<RevPlace> {
    const seq = minSeq - 1;
    return { seq, rev: await revAt(this.source, this.store, this.of, head, seq) };
  }
}

/** Everything up to `index` was read, and `slot` slots of the next entry. */
interface LogPlace {
  readonly index: number;
  readonly slot: number;
}

export class PartitionFeed implements Feed {
  private readonly source: ReadSource;
  private readonly store: ReadStore;
  private at: LogPlace;
  private begun = false;

  constructor(source: ReadSource, store: ReadStore, afterIndex: number) {
    this.source = source;
    this.store = store;
    this.at = { index: afterIndex, slot: 0 };
  }

  get partition(): number {
    return this.source.partition;
  }

  get isBehind(): boolean {
    return this.at.index > this.source.raft.applied;
  }

  get progress(): FeedProgress {
    return { seq: 0, rev: 0, index: this.at.index };
  }

  async next(limit: number, bytesMax: number): Promise<FeedPage> {
    const { source, store, at } = this;
    if (this.begun && at.index >= source.raft.applied) return nothing;
    const min = await this.oldestIndex();
    const isGone = at.index + 1 < min;
    const from = isGone ? { index: min - 1, slot: 0 } : at;
    const { slots, to } = await this.read(from, limit, bytesMax);
    const messages = await completed(source, store, slots, bytesMax);
    const last = messages.at(-1);
    const isCut = last !== undefined && messages.length < slots.length;
    // Moved only now: while it reads, its progress is what was read before.
    this.at = isCut ? { index: last.index - 1, slot: last.slot + 1 } : to;
    this.begun = true;
    const reset = isGone && at.index > 0 ? { min, max: source.raft.applied } : null;
    return { reset, messages };
  }

  watch(call: () => void): () => void {
    return this.source.watchers.add('', call);
  }

  /** 1 where the next entry is in memory: what is gone is older. */
  private async oldestIndex(): Promise<number> {
    const { source, store, at } = this;
    if (this.begun && source.entry(at.index + 1) !== null) return 1;
    const [row] = await store.getRows(source.partition, [firstIndexKey()]);
    return decodeFloor(row ?? null);
  }

  private async read(from: LogPlace, limit: number, bytesMax: number) {
    let { index, slot } = from;
    let bytes = 0;
    const slots: StoredSlot[] = [];
    const isFull = () => slots.length >= limit || bytes >= bytesMax;
    while (!isFull() && index < this.source.raft.applied) {
      for (const entry of await this.entries(index + 1, bytesMax)) {
        const isRead = entry.kind === EntryKind.COMMANDS;
        for (const each of isRead ? slotsOf(entry, slot, limit - slots.length + 1) : []) {
          if (isFull()) return { slots, to: { index, slot } };
          slots.push(each);
          bytes += each.command.length;
          slot += 1;
        }
        index = entry.index;
        slot = 0;
      }
    }
    return { slots, to: { index, slot } };
  }

  /** Some entries, all applied, the first at `index`. */
  private async entries(index: number, bytesMax: number): Promise<readonly LogEntry[]> {
    const { source, store } = this;
    const inMemory = source.entry(index);
    if (inMemory !== null) return [inMemory];
    return store.readEntries(source.partition, index, source.raft.applied, bytesMax);
  }
}
