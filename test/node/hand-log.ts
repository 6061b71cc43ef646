// A replica to read from whose log is written by hand: real rows, folded and checkpointed when a test
// says so, and a disk that is a map, whose reads other things may happen before and after.
import { createPayload, type LogEntry, payloadCommands, payloadHeader } from '../../src/entry.ts';
import { AppendCommand, type AppendCommandInput } from '../../src/gen/proto.ts';
import { Floors } from '../../src/node/floors.ts';
import type { ReadSource, ReadStore } from '../../src/node/source.ts';
import type { StoredMessage } from '../../src/node/stored-message.ts';
import { Watchers } from '../../src/node/watchers.ts';
import { type SlotExtra, SlotKind } from '../../src/order/header.ts';
import { type ConversationExtra, noExtra } from '../../src/order/policy.ts';
import { type CheckpointRows, type FrozenRows, Rows } from '../../src/order/rows.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { entryOf, hexOf, RowStore, type Slot } from '../order/fixture.ts';

export const shard = 5;
const partition = 0;
const timeMs = Date.UTC(2026, 0, 1);
const window = { windowMs: 1e12, windowBytes: 1e12 };

export type State = StoredMessage['state'];

export type Write =
  | { readonly kind: 'message' | 'pending'; readonly bodyBytes?: number }
  | { readonly kind: 'policy' | 'gap' }
  /** Came late, for the marker with this rev. */
  | { readonly kind: 'late'; readonly lateFor: number }
  /** Of some pending message; where there is none, a policy. */
  | { readonly kind: 'release' | 'reject'; readonly choice: number };

/** One event of a conversation as it has to be read. */
export interface Item {
  readonly kind: SlotKind;
  readonly rev: number;
  /** Of an event: the newest message's. */
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
  readonly target: number;
  readonly lateFor: number | null;
  readonly command: string;
}

interface Conversation {
  readonly items: Item[];
  readonly states: Map<number, State>;
  seq: number;
  place: { index: number; slot: number } | undefined;
  extra: ConversationExtra | null;
}

export class HandLog implements ReadSource {
  readonly partition = partition;
  readonly floors = new Floors();
  readonly watchers = new Watchers();
  readonly raft = { applied: 0 };
  readonly store: ReadStore;
  rows = new Rows(window);
  /** Entries up to here are on disk only. */
  evictedTo = 0;
  /** Reads of the store so far. */
  reads = 0;
  /** Called before and after what a read sees. */
  onRead: () => void = () => {};
  readonly disk = new RowStore();
  private readonly log: LogEntry[] = [];
  private readonly conversations = new Map<string, Conversation>();
  private frozen: { readonly rows: FrozenRows; readonly at: number } | null = null;
  private written: CheckpointRows | null = null;
  private checkpointed = { index: 0, state: new Uint8Array(0) };

  constructor() {
    this.store = {
      getRows: (_, keys) => this.read(() => this.disk.get(keys)),
      scanRows: (_, { from, to, limit, reverse }) =>
        this.read(() => {
          const within = [...this.disk.rows]
            .filter(([key]) => key >= hexOf(from) && key < hexOf(to))
            .sort(([a], [b]) => (a < b === (reverse !== true) ? -1 : 1));
          return within.slice(0, limit).map(([key, value]) => {
            return { key: Buffer.from(key, 'hex'), value };
          });
        }),
      getEntries: (_, indexes) => this.read(() => indexes.map((index) => this.stored(index))),
      readEntries: (_, from, to, bytesMax) =>
        this.read(() => {
          const entries: LogEntry[] = [];
          let bytes = 0;
          for (let index = from; index <= to && (bytes < bytesMax || bytes === 0); index++) {
            entries.push(this.stored(index));
            bytes += this.stored(index).payload.bytes.length;
          }
          return entries;
        }),
    };
  }

  entry(index: number): LogEntry | null {
    return index <= this.evictedTo ? null : (this.log[index - 1] ?? null);
  }

  items(conversation: string): readonly Item[] {
    return this.of(conversation).items;
  }

  /** In the order of the log. */
  allItems(): Item[] {
    const all = [...this.conversations.values()].flatMap(({ items }) => items);
    return all.sort((a, b) => a.index - b.index || a.slot - b.slot);
  }

  stateOf(conversation: string, seq: number): State {
    return this.of(conversation).states.get(seq) ?? 'normal';
  }

  /** One entry, folded. */
  append(writes: readonly (readonly [conversation: string, write: Write])[]): void {
    const index = this.log.length + 1;
    const slots = writes.map(([name, write], slot) => this.slot(name, write, { index, slot }));
    const { header, commands } = entryOf(slots, index);
    this.push(EntryKind.COMMANDS, header, commands);
    this.rows.fold(index, timeMs + index, header, commands);
  }

  /** The rows of now are frozen; they get to the disk by `writeCheckpoint`. */
  beginCheckpoint(): void {
    if (this.rows.freezing) return;
    this.push(EntryKind.CHECKPOINT, new Uint8Array(0), new Uint8Array(0));
    this.frozen = { rows: this.rows.freeze(this.log.length, 0), at: this.log.length };
  }

  /** The frozen rows get to the disk; memory does not know it before `learnCheckpoint`. */
  writeCheckpoint(): void {
    const { frozen } = this;
    if (frozen === null) return;
    this.frozen = null;
    this.written = this.rows.write(frozen.rows, this.disk.get(frozen.rows.keys.reads));
    this.disk.apply(this.written.rows);
    this.checkpointed = { index: frozen.at, state: Uint8Array.from(this.written.state) };
  }

  learnCheckpoint(): void {
    if (this.written !== null) this.rows.written(this.written);
    this.written = null;
  }

  checkpoint(): void {
    this.beginCheckpoint();
    this.writeCheckpoint();
    this.learnCheckpoint();
  }

  /** Only the disk stays; what is above the newest checkpoint is folded again. */
  restart(): void {
    this.rows = new Rows(window);
    this.frozen = null;
    this.written = null;
    const { index: from, state } = this.checkpointed;
    if (from > 0) this.rows.restore(state, this.disk.get(Rows.restoreKeys(state)));
    for (const { index, kind, payload } of this.log.slice(from)) {
      if (kind !== EntryKind.COMMANDS) continue;
      this.rows.fold(index, timeMs + index, payloadHeader(payload), payloadCommands(payload));
    }
  }

  private of(name: string): Conversation {
    const known = this.conversations.get(name);
    if (known !== undefined) return known;
    const created = { items: [], states: new Map(), seq: 0, place: undefined, extra: null };
    this.conversations.set(name, created);
    return created;
  }

  private slot(name: string, write: Write, at: { index: number; slot: number }): Slot {
    const conversation = this.of(name);
    const decided = this.decide(conversation, write);
    const { kind, target } = decided;
    const isMessage = kind === SlotKind.MESSAGE || kind === SlotKind.PENDING;
    const previous = conversation.place;
    if (isMessage) {
      conversation.seq += 1;
      conversation.place = at;
    }
    if (kind === SlotKind.PENDING) conversation.states.set(conversation.seq, 'pending');
    if (kind === SlotKind.RELEASE) conversation.states.set(target, 'normal');
    if (kind === SlotKind.REJECT) conversation.states.set(target, 'rejected');
    if (!isMessage) conversation.extra ??= noExtra;
    const rev = conversation.items.length + 1;
    const { seq, extra } = conversation;
    const command = AppendCommand.encode({ conversation: name, ...decided.command(rev) });
    const isPlain = kind === SlotKind.MESSAGE && extra === null && decided.lateFor === null;
    const { lateFor } = decided;
    const dueMs = timeMs + 1e6;
    const full: Partial<SlotExtra> = { kind, target, lateFor, conversation: extra, dueMs };
    conversation.items.push({ ...at, kind, rev, seq, target, lateFor, command: hexOf(command) });
    return {
      ...{ command: { bytes: command }, seq, rev, shard, extra: isPlain ? null : full },
      ...(previous === undefined ? {} : { previous }),
    };
  }

  private decide({ states }: Conversation, write: Write) {
    const none = { target: 0, lateFor: null };
    const sender = 'ann';
    const setPolicy = {
      ...none,
      kind: SlotKind.POLICY,
      command: () => ({ sender, setPolicy: {} }),
    };
    switch (write.kind) {
      case 'message':
      case 'late':
      case 'pending': {
        const isLate = write.kind === 'late';
        const bytes = isLate ? 0 : (write.bodyBytes ?? 0);
        return {
          kind: write.kind === 'pending' ? SlotKind.PENDING : SlotKind.MESSAGE,
          target: 0,
          lateFor: isLate ? write.lateFor : null,
          command: (rev: number): AppendCommandInput => {
            return { sender, key: `k${rev}`, body: Buffer.alloc(bytes + 1, `${rev}`) };
          },
        };
      }
      case 'gap': {
        const gapMarker = { after: 1, before: 5 };
        return { ...none, kind: SlotKind.GAP, command: () => ({ sender, gapMarker }) };
      }
      case 'policy':
        return setPolicy;
      case 'release':
      case 'reject': {
        const pending = [...states].flatMap(([seq, state]) => (state === 'pending' ? [seq] : []));
        const target = pending[write.choice % Math.max(1, pending.length)];
        if (target === undefined) return setPolicy;
        const isRelease = write.kind === 'release';
        const event = isRelease ? { release: { seq: target } } : { reject: { seq: target } };
        const kind = isRelease ? SlotKind.RELEASE : SlotKind.REJECT;
        return { ...none, target, kind, command: () => ({ sender: 'mod', ...event }) };
      }
    }
  }

  private push(kind: EntryKind, header: Uint8Array, commands: Uint8Array): void {
    const payload = createPayload(header, [commands], commands.length);
    const index = this.log.length + 1;
    const payloadBytes = header.length + commands.length;
    const chain = new Uint8Array(16);
    this.log.push({ index, term: 1, kind, timeMs: timeMs + index, payload, payloadBytes, chain });
    this.raft.applied = index;
  }

  private stored(index: number): LogEntry {
    const entry = this.log[index - 1];
    if (entry === undefined) throw new Error(`entry ${index} is missing`);
    return entry;
  }

  private async read<T>(look: () => T): Promise<T> {
    this.reads += 1;
    await Promise.resolve();
    this.onRead();
    const seen = look();
    this.onRead();
    await Promise.resolve();
    return seen;
  }
}
