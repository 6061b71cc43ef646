// The rows a partition keeps: each conversation's head and where its messages stand, and the dedupe
// keys. Folding an entry writes rows in memory, whole, from the entry alone; a Checkpoint entry
// freezes them, and the frozen ones go to disk as one batch. Looking at them needs no disk only for
// what is in memory: the rest is named as cold, fetched by the node and admitted.
import { assert } from '../assert.ts';
import { readIdentity } from '../command.ts';
import {
  type ColdBlock,
  type DedupeCheckpoint,
  DedupeKeys,
  type DedupeWindow,
  type KeyLookup,
  type Row,
  type WrittenPages,
} from './dedupe.ts';
import {
  type CommandsHeader,
  decodeCommandsHeader,
  isNumbers,
  pack,
  unpackArray,
} from './header.ts';
import { headKey, indexKey } from './row-keys.ts';

/** The newest message of a conversation, where it stands, and how many events there have been. */
export interface Head {
  readonly seq: number;
  readonly rev: number;
  readonly index: number;
  readonly slot: number;
}

/** Where one message stands: slot `slot` of the entry at `index`. */
export interface Place {
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
}

export const emptyHead: Head = { seq: 0, rev: 0, index: 0, slot: 0 };

/**
 * A conversation's rows since the last checkpoint. The newest place stands in the head row alone; so
 * the places (as index, slot, index, ...) begin with the newest one of before, and at a checkpoint
 * all but the last become an index row. A conversation of one message is one row.
 */
interface Dirty extends Head {
  readonly shard: number;
  /** Of the first place. */
  readonly firstSeq: number;
  readonly places: number[];
  seq: number;
  rev: number;
  index: number;
  slot: number;
}

export type Cold =
  | { readonly kind: 'head'; readonly conversation: string; readonly key: Uint8Array }
  | ({ readonly kind: 'block' } & ColdBlock);

const stateVersion = 1;
const placesPerRow = 256;
const cleanHeadsMax = 4096;
const dirtyBytesPerConversation = 96;
const dirtyBytesPerPlace = 8;
const dirtyBytesPerKey = 48;

export class Rows {
  readonly keys: DedupeKeys;
  /** Highest ms of any id folded. */
  highestIdMs = 0;
  /** Rises with each checkpoint written: what was read from disk before that may be old. */
  version = 0;
  private live = new Map<string, Dirty>();
  private frozen: Map<string, Dirty> | null = null;
  private livePlaces = 0;
  private liveIndexRows = 0;
  /** Heads as on disk; `admitted` are kept until the commands that asked for them were sequenced. */
  private readonly clean = new Map<string, Head>();
  private readonly admitted = new Map<string, Head>();

  constructor(window: DedupeWindow) {
    this.keys = new DedupeKeys(window);
  }

  get dirtyRows(): number {
    return this.live.size + this.liveIndexRows;
  }

  get dirtyBytes(): number {
    const { live, livePlaces, keys } = this;
    const places = livePlaces * dirtyBytesPerPlace;
    return live.size * dirtyBytesPerConversation + places + keys.liveCount * dirtyBytesPerKey;
  }

  /** A checkpoint is being written: the next one cannot be frozen yet. */
  get freezing(): boolean {
    return this.frozen !== null;
  }

  /** Folds a Commands entry: total, and needs no earlier row. Says which conversations it touched. */
  fold(
    index: number,
    timeMs: number,
    header: Uint8Array,
    commands: Uint8Array,
    onConversation?: (conversation: string) => void,
  ): void {
    const columns = decodeCommandsHeader(header);
    const { lengths, seqs, idAheadMs } = columns;
    let start = 0;
    for (const [slot, length] of lengths.entries()) {
      const identity = readIdentity(commands.subarray(start, start + length));
      start += length;
      const seq = seqs[slot] ?? 0;
      this.foldHead(identity.conversation, columns, index, slot);
      onConversation?.(identity.conversation);
      if (identity.key !== '') this.keys.fold(identity.key, { seq, index, slot }, timeMs);
      this.highestIdMs = Math.max(this.highestIdMs, timeMs + (idAheadMs[slot] ?? 0));
    }
  }

  /** undefined: not in memory. */
  head(conversation: string): Head | undefined {
    return (
      this.live.get(conversation) ??
      this.frozen?.get(conversation) ??
      this.clean.get(conversation) ??
      this.admitted.get(conversation)
    );
  }

  findKey(identity: string, nowMs: number): KeyLookup {
    return this.keys.find(identity, nowMs);
  }

  /** What was fetched for a Cold; never replaces what memory has. */
  admit(cold: Cold, value: Uint8Array | null): void {
    if (cold.kind === 'block') this.keys.admit(cold, value);
    else if (this.head(cold.conversation) === undefined) {
      this.admitted.set(cold.conversation, decodeHead(value));
    }
  }

  /** The commands that asked for rows were sequenced: keep a bounded number of them. */
  release(): void {
    this.keys.release();
    for (const [conversation, head] of this.admitted) this.keepClean(conversation, head);
    this.admitted.clear();
  }

  /** The places of firstSeq..lastSeq that memory has, without a hole up to its newest, ascending. */
  placesInMemory(conversation: string, firstSeq: number, lastSeq: number): Place[] {
    const places: Place[] = [];
    for (const dirty of [this.frozen?.get(conversation), this.live.get(conversation)]) {
      if (dirty === undefined) continue;
      const from = Math.max(firstSeq, dirty.firstSeq, (places.at(-1)?.seq ?? 0) + 1);
      for (let seq = from; seq <= Math.min(lastSeq, dirty.seq); seq++) {
        const at = (seq - dirty.firstSeq) * 2;
        places.push({ seq, index: dirty.places[at] ?? 0, slot: dirty.places[at + 1] ?? 0 });
      }
    }
    return places;
  }

  /** Folding reached the Checkpoint entry at `index`; `write` and `written` must follow. */
  freeze(index: number, dropPagesUpTo: number): FrozenRows {
    assert(this.frozen === null, 'one checkpoint of a partition at a time');
    const dirty = this.live;
    this.frozen = dirty;
    this.live = new Map();
    this.livePlaces = 0;
    this.liveIndexRows = 0;
    return { dirty, keys: this.keys.freeze(index, dropPagesUpTo), highestIdMs: this.highestIdMs };
  }

  /** Everything the checkpoint's batch holds; `read` are the values of frozen.keys.reads. */
  write(frozen: FrozenRows, read: readonly (Uint8Array | null)[]): CheckpointRows {
    const pages = this.keys.write(frozen.keys, read);
    const rows: Row[] = [...pages.rows];
    for (const [conversation, dirty] of frozen.dirty) rows.push(...dirtyRows(conversation, dirty));
    return { rows, state: pack([stateVersion, frozen.highestIdMs, pages.directory]), pages };
  }

  /** The checkpoint's batch is durable. */
  written(checkpoint: CheckpointRows): void {
    this.keys.written(checkpoint.pages);
    for (const [conversation, dirty] of this.frozen ?? []) {
      this.clean.delete(conversation);
      this.keepClean(conversation, headOf(dirty));
    }
    this.frozen = null;
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

  private foldHead(
    conversation: string,
    columns: CommandsHeader,
    index: number,
    slot: number,
  ): void {
    const seq = columns.seqs[slot] ?? 0;
    const rev = columns.revs[slot] ?? 0;
    const before = this.live.get(conversation);
    if (before === undefined) {
      const previous = this.head(conversation);
      assert(previous === undefined || seq === previous.seq + 1, 'folded seq = head + 1');
      this.live.set(conversation, beginDirty(columns, index, slot));
      this.clean.delete(conversation);
      this.admitted.delete(conversation);
      if (seq > 1) this.liveIndexRows += 1;
    } else {
      assert(seq === before.seq + 1, 'folded seq = head + 1');
      if (seq === 2) this.liveIndexRows += 1;
      before.seq = seq;
      before.rev = rev;
      before.index = index;
      before.slot = slot;
      before.places.push(index, slot);
    }
    this.livePlaces += 1;
  }

  private keepClean(conversation: string, head: Head): void {
    if (this.clean.size >= cleanHeadsMax) {
      const [oldest] = this.clean.keys();
      if (oldest !== undefined) this.clean.delete(oldest);
    }
    this.clean.set(conversation, head);
  }
}

export interface FrozenRows {
  readonly dirty: ReadonlyMap<string, Dirty>;
  readonly keys: DedupeCheckpoint;
  readonly highestIdMs: number;
}

export interface CheckpointRows {
  readonly rows: readonly Row[];
  /** For the checkpoint record; opaque to storage. */
  readonly state: Uint8Array;
  readonly pages: WrittenPages;
}

function beginDirty(columns: CommandsHeader, index: number, slot: number): Dirty {
  const seq = columns.seqs[slot] ?? 0;
  const rev = columns.revs[slot] ?? 0;
  const shard = columns.shards[slot] ?? 0;
  if (seq <= 1) return { shard, firstSeq: seq, seq, rev, index, slot, places: [index, slot] };
  const previous = [index - (columns.previousBack[slot] ?? 0), columns.previousSlots[slot] ?? 0];
  return { shard, firstSeq: seq - 1, seq, rev, index, slot, places: [...previous, index, slot] };
}

export function headOf({ seq, rev, index, slot }: Head): Head {
  return { seq, rev, index, slot };
}

function dirtyRows(conversation: string, dirty: Dirty): Row[] {
  const { shard, seq, rev, index, slot, firstSeq, places } = dirty;
  const head = pack([stateVersion, seq, rev, index, slot]);
  const rows: Row[] = [{ key: headKey(shard, conversation), value: head }];
  const end = places.length - 2;
  for (let start = 0; start < end; start += placesPerRow * 2) {
    const run = places.slice(start, Math.min(start + placesPerRow * 2, end));
    const key = indexKey(shard, conversation, firstSeq + start / 2);
    rows.push({ key, value: pack([stateVersion, ...run]) });
  }
  return rows;
}

/** Of a head row's value; null: no row stands, the conversation is empty. */
export function decodeHead(value: Uint8Array | null): Head {
  if (value === null) return emptyHead;
  const [version, ...numbers] = unpackArray(value) ?? [];
  const [seq, rev, index, slot] = isNumbers(numbers) ? numbers : [];
  assert(version === stateVersion, 'a head row has the version this code writes');
  assert(seq !== undefined && rev !== undefined, 'a head row holds seq and rev');
  assert(index !== undefined && slot !== undefined, 'a head row holds the newest place');
  return { seq, rev, index, slot };
}

/** Of a floor row's value; null: no row stands, nothing is gone. */
export function decodeFloor(value: Uint8Array | null): number {
  if (value === null) return 1;
  const [version, floor] = unpackArray(value) ?? [];
  assert(version === stateVersion && typeof floor === 'number', 'a floor row holds a number');
  return floor;
}

export function encodeFloor(floor: number): Uint8Array {
  return pack([stateVersion, floor]);
}

/** The places in an index row's value whose first seq is `firstSeq`. */
export function decodeIndexRow(value: Uint8Array, firstSeq: number): Place[] {
  const [version, ...places] = unpackArray(value) ?? [];
  assert(version === stateVersion && isNumbers(places), 'an index row holds places');
  const decoded: Place[] = [];
  for (let at = 0; at + 1 < places.length; at += 2) {
    decoded.push({ seq: firstSeq + at / 2, index: places[at] ?? 0, slot: places[at + 1] ?? 0 });
  }
  return decoded;
}
