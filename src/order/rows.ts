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
import { decodeCommandsHeader, isNumbers, pack, unpackArray } from './header.ts';
import { headKey, indexKey } from './row-keys.ts';

/** The newest message of a conversation, and how many events it has had. */
export interface Head {
  readonly seq: number;
  readonly rev: number;
}

/** Where one message stands: slot `slot` of the entry at `index`. */
export interface Place {
  readonly seq: number;
  readonly index: number;
  readonly slot: number;
}

export const emptyHead: Head = { seq: 0, rev: 0 };

/** A conversation's rows since the last checkpoint: places of firstSeq..seq, as index, slot, index, ... */
interface Dirty {
  readonly shard: number;
  readonly firstSeq: number;
  seq: number;
  rev: number;
  readonly places: number[];
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
  /** Heads as on disk; `admitted` are kept until the commands that asked for them were sequenced. */
  private readonly clean = new Map<string, Head>();
  private readonly admitted = new Map<string, Head>();

  constructor(window: DedupeWindow) {
    this.keys = new DedupeKeys(window);
  }

  get dirtyRows(): number {
    return this.live.size * 2;
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
    const { lengths, seqs, revs, idAheadMs, shards } = decodeCommandsHeader(header);
    let start = 0;
    for (const [slot, length] of lengths.entries()) {
      const identity = readIdentity(commands.subarray(start, start + length));
      start += length;
      const seq = seqs[slot] ?? 0;
      this.foldHead(identity.conversation, shards[slot] ?? 0, seq, revs[slot] ?? 0, index, slot);
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

  /** The places of firstSeq..lastSeq that no index row on disk holds yet, ascending. */
  placesInMemory(conversation: string, firstSeq: number, lastSeq: number): Place[] {
    const places: Place[] = [];
    for (const dirty of [this.frozen?.get(conversation), this.live.get(conversation)]) {
      if (dirty === undefined) continue;
      const from = Math.max(firstSeq, dirty.firstSeq);
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
      this.keepClean(conversation, { seq: dirty.seq, rev: dirty.rev });
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
    shard: number,
    seq: number,
    rev: number,
    index: number,
    slot: number,
  ): void {
    const before = this.live.get(conversation);
    if (before === undefined) {
      const previous = this.head(conversation);
      assert(previous === undefined || seq === previous.seq + 1, 'folded seq = head + 1');
      const places = [index, slot];
      this.live.set(conversation, { shard, firstSeq: seq, seq, rev, places });
      this.clean.delete(conversation);
      this.admitted.delete(conversation);
    } else {
      assert(seq === before.seq + 1, 'folded seq = head + 1');
      before.seq = seq;
      before.rev = rev;
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

function dirtyRows(conversation: string, dirty: Dirty): Row[] {
  const { shard, seq, rev, firstSeq, places } = dirty;
  const rows: Row[] = [
    { key: headKey(shard, conversation), value: pack([stateVersion, seq, rev]) },
  ];
  for (let start = 0; start < places.length; start += placesPerRow * 2) {
    const run = places.slice(start, start + placesPerRow * 2);
    const key = indexKey(shard, conversation, firstSeq + start / 2);
    rows.push({ key, value: pack([stateVersion, ...run]) });
  }
  return rows;
}

/** Of a head row's value; null: no row stands, the conversation is empty. */
export function decodeHead(value: Uint8Array | null): Head {
  if (value === null) return emptyHead;
  const [version, seq, rev] = unpackArray(value) ?? [];
  assert(version === stateVersion, 'a head row has the version this code writes');
  assert(typeof seq === 'number' && typeof rev === 'number', 'a head row holds seq and rev');
  return { seq, rev };
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
