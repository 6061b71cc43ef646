// The rows a partition keeps: heads and places, sender chains, pending messages and what is due, dedupe
// keys. Folding an entry writes rows in memory, whole, from the entry alone; a Checkpoint entry
// freezes them, and the frozen ones go to disk as one batch. Looking at them needs no disk only for
// what is in memory: the rest is named as cold, fetched by the node and admitted.
import { assert } from '../assert.ts';
import { readChainName, readIdentity, type StoredIdentity } from '../stored-command.ts';
import { type ChainRow, simpleRow } from './chains.ts';
import {
  type ColdBlock,
  type DedupeCheckpoint,
  DedupeKeys,
  type DedupeWindow,
  type KeyLookup,
  type Row,
  type WrittenPages,
} from './dedupe.ts';
import { decodeCommandsHeader, isEvent, type SlotExtra, SlotKind } from './header.ts';
import { type FrozenHeads, Heads, headRows } from './heads.ts';
import { type FrozenKeyedRows, KeyedRows } from './keyed-rows.ts';
import { linkIdentity } from './link-identity.ts';
import { pack, unpackArray } from './packing.ts';
import { identityOfBytes, identityOfText } from './page.ts';
import { chainKey, dueKey, stateKey } from './row-keys.ts';
import {
  decodeChainRow,
  decodeHead,
  decodeState,
  type EventPlace,
  encodeChainRow,
  encodeDue,
  encodeState,
  type Head,
  type PendingState,
  type Place,
} from './row-values.ts';

export type Cold =
  | { readonly kind: 'head'; readonly conversation: string; readonly key: Uint8Array }
  /** name: of the row in memory. */
  | { readonly kind: 'chains' | 'state'; readonly name: string; readonly key: Uint8Array }
  | ({ readonly kind: 'block' } & ColdBlock);

/** A pending message that ends by itself. */
export interface Due {
  readonly dueMs: number;
  readonly conversation: string;
  readonly shard: number;
  readonly seq: number;
  /** Else it is rejected. */
  readonly releases: boolean;
}

const stateVersion = 1;
const dirtyBytesPerKey = 48;
const dirtyBytesPerRow = 128;

export class Rows {
  readonly keys: DedupeKeys;
  readonly chains = new KeyedRows<ChainRow>(encodeChainRow);
  readonly states = new KeyedRows<PendingState>(encodeState);
  /** By hex of the key. */
  readonly dues = new KeyedRows<Due>(({ releases }) => encodeDue(releases));
  /** Highest ms of any id folded. */
  highestIdMs = 0;
  /** Rises with each checkpoint written: what was read from disk before that may be old. */
  version = 0;
  private readonly heads = new Heads();
  private isFrozen = false;
  private earliestDueMs = Number.POSITIVE_INFINITY;

  constructor(window: DedupeWindow) {
    this.keys = new DedupeKeys(window);
  }

  get dirtyRows(): number {
    return this.heads.dirtyRows + this.keyedCount;
  }

  get dirtyBytes(): number {
    const keyed = this.keyedCount * dirtyBytesPerRow;
    return this.heads.dirtyBytes + keyed + this.keys.liveCount * dirtyBytesPerKey;
  }

  private get keyedCount(): number {
    return this.chains.liveCount + this.states.liveCount + this.dues.liveCount;
  }

  /** A checkpoint is being written: the next one cannot be frozen yet. */
  get freezing(): boolean {
    return this.isFrozen;
  }

  /** Folds a Commands entry: total, and needs no earlier row. Says which conversations it touched. */
  fold(
    index: number,
    timeMs: number,
    header: Uint8Array,
    commands: Uint8Array,
    onConversation?: (conversation: string) => void,
  ): void {
    const columns = decodeCommandsHeader(header, commands.length);
    const { lengths, seqs, idAheadMs, shards, extras } = columns;
    // One for all: its numbers are copied.
    const place = { seq: 0, index, slot: 0 };
    let end = 0;
    for (let slot = 0; slot < lengths.length; slot++) {
      const start = end;
      end = start + (lengths[slot] ?? 0);
      const identity = readIdentity(commands, start, end);
      const seq = seqs[slot] ?? 0;
      const extra = extras.get(slot);
      this.heads.fold(identity.conversation, columns, index, slot, extra);
      onConversation?.(identity.conversation);
      place.seq = isEvent(extra) ? 0 : seq;
      place.slot = slot;
      if (identity.keyEnd > 0) {
        this.keys.fold(identityOfBytes(commands, start, identity.keyEnd), place, timeMs);
      }
      if (identity.link !== null) {
        this.keys.fold(identityOfText(linkIdentity(identity.link)), place, timeMs);
        this.foldChains(identity.link, shards[slot] ?? 0, extra);
      }
      if (extra !== undefined) {
        const command = commands.subarray(start, end);
        this.foldExtra(identity, command, shards[slot] ?? 0, seq, extra);
      }
      this.highestIdMs = Math.max(this.highestIdMs, timeMs + (idAheadMs[slot] ?? 0));
    }
  }

  /** undefined: not in memory. */
  head(conversation: string): Head | undefined {
    return this.heads.get(conversation);
  }

  findKey(identity: string, nowMs: number): KeyLookup {
    return this.keys.find(identity, nowMs);
  }

  /** What was fetched for a Cold; never replaces what memory has. */
  admit(cold: Cold, value: Uint8Array | null): void {
    switch (cold.kind) {
      case 'block':
        this.keys.admit(cold, value);
        break;
      case 'head':
        this.heads.admit(cold.conversation, decodeHead(value));
        break;
      case 'chains':
        this.chains.admit(cold.name, value === null ? null : decodeChainRow(value));
        break;
      case 'state':
        this.states.admit(cold.name, value === null ? null : decodeState(value));
    }
  }

  /** The commands that asked for rows were sequenced: keep a bounded number of them. */
  release(): void {
    this.keys.release();
    this.heads.release();
    this.chains.release();
    this.states.release();
  }

  /** Of those folded since the last call; infinite where there is none. */
  takeEarliestDue(): number {
    const dueMs = this.earliestDueMs;
    this.earliestDueMs = Number.POSITIVE_INFINITY;
    return dueMs;
  }

  /** The places of firstSeq..lastSeq that memory has, without a hole up to its newest, ascending. */
  placesInMemory(conversation: string, firstSeq: number, lastSeq: number): Place[] {
    return this.heads.placesInMemory(conversation, firstSeq, lastSeq);
  }

  /** Those of firstRev..lastRev that are not yet known to be on disk, ascending. */
  eventsInMemory(conversation: string, firstRev: number, lastRev: number): EventPlace[] {
    return this.heads.eventsInMemory(conversation, firstRev, lastRev);
  }

  /** All before it have a row on disk; undefined: all have. */
  oldestEventInMemory(conversation: string): EventPlace | undefined {
    return this.heads.oldestEventInMemory(conversation);
  }

  /** Folding reached the Checkpoint entry at `index`; `write` and `written` must follow. */
  freeze(index: number, dropPagesUpTo: number): FrozenRows {
    assert(!this.isFrozen, 'one checkpoint of a partition at a time');
    this.isFrozen = true;
    return {
      heads: this.heads.freeze(),
      chains: this.chains.freeze(),
      states: this.states.freeze(),
      dues: this.dues.freeze(),
      keys: this.keys.freeze(index, dropPagesUpTo),
      highestIdMs: this.highestIdMs,
    };
  }

  /** Everything the checkpoint's batch holds; `read` are the values of frozen.keys.reads. */
  write(frozen: FrozenRows, read: readonly (Uint8Array | null)[]): CheckpointRows {
    const pages = this.keys.write(frozen.keys, read);
    const rows: Row[] = pages.rows.concat(
      headRows(frozen.heads),
      this.chains.rowsOf(frozen.chains),
      this.states.rowsOf(frozen.states),
      this.dues.rowsOf(frozen.dues),
    );
    return { rows, state: pack([stateVersion, frozen.highestIdMs, pages.directory]), pages };
  }

  /** The checkpoint's batch is durable. */
  written(checkpoint: CheckpointRows): void {
    this.keys.written(checkpoint.pages);
    this.heads.written();
    this.chains.written();
    this.states.written();
    this.dues.written();
    this.isFrozen = false;
    this.version += 1;
  }

  /** Rows that `restore` needs besides the state. */
  static restoreKeys(state: Uint8Array): Uint8Array[] {
    return DedupeKeys.filterKeys(unpackArray(state)?.[2]);
  }

  /** At a start, from the newest checkpoint. False: damaged. */
  restore(state: Uint8Array, values: readonly (Uint8Array | null)[]): boolean {
    const fields = unpackArray(state);
    const highestIdMs = fields?.[1];
    if (fields?.[0] !== stateVersion || typeof highestIdMs !== 'number') return false;
    this.highestIdMs = highestIdMs;
    return this.keys.restore(fields[2], values);
  }

  private foldChains(
    link: NonNullable<StoredIdentity['link']>,
    shard: number,
    extra: SlotExtra | undefined,
  ): void {
    // Without an extra the command is the next link of the sender's only device.
    const row = extra === undefined ? simpleRow(link) : extra.chains;
    if (link.prev === null || row === null) return;
    this.chains.set(link.chain, chainKey(shard, link.chain), row);
  }

  private foldExtra(
    { conversation }: StoredIdentity,
    bytes: Uint8Array,
    shard: number,
    seq: number,
    extra: SlotExtra,
  ): void {
    const { kind, dueMs, target } = extra;
    if (kind === SlotKind.GAP && extra.chains !== null) {
      const chain = readChainName(bytes);
      this.chains.set(chain, chainKey(shard, chain), extra.chains);
    } else if (kind === SlotKind.PENDING) {
      this.setState(conversation, shard, seq, { kind: 'pending', dueMs });
      const due = { dueMs, conversation, shard, seq, releases: target === 1 };
      this.setDue(due, due);
    } else if (kind === SlotKind.RELEASE || kind === SlotKind.REJECT) {
      const rejected = { kind: 'rejected', dueMs } as const;
      this.setState(conversation, shard, target, kind === SlotKind.REJECT ? rejected : null);
      this.setDue({ dueMs, conversation, shard, seq: target, releases: false }, null);
    }
  }

  private setState(
    conversation: string,
    shard: number,
    seq: number,
    state: PendingState | null,
  ): void {
    this.states.set(stateName(conversation, seq), stateKey(shard, conversation, seq), state);
  }

  private setDue(at: Due, due: Due | null): void {
    if (due !== null) this.earliestDueMs = Math.min(this.earliestDueMs, due.dueMs);
    const key = dueKey(at.dueMs, at.shard, at.conversation, at.seq);
    this.dues.set(Buffer.prototype.latin1Slice.call(key), key, due);
  }
}

export interface FrozenRows {
  readonly heads: FrozenHeads;
  readonly chains: FrozenKeyedRows<ChainRow>;
  readonly states: FrozenKeyedRows<PendingState>;
  readonly dues: FrozenKeyedRows<Due>;
  readonly keys: DedupeCheckpoint;
  readonly highestIdMs: number;
}

export interface CheckpointRows {
  readonly rows: readonly Row[];
  /** For the checkpoint record; opaque to storage. */
  readonly state: Uint8Array;
  readonly pages: WrittenPages;
}

/** How the state of a message is named in memory. */
export function stateName(conversation: string, seq: number): string {
  return `${conversation}\0${seq}`;
}
