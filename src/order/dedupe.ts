// The dedupe window: which keys were used, and where their messages stand. Keys since the last
// checkpoint are in memory; each checkpoint writes them as one page, pages are merged into segments,
// and a Checkpoint entry drops the oldest by name, so every replica has the same pages at the same
// index. Never one row a key.
import { assert } from '../assert.ts';
import { AbsentKeys } from './absent-keys.ts';
import { KeyTable } from './key-table.ts';
import { blockOf, buildPage, findInBlock, type KeyPlace, mayContain, type Page } from './page.ts';
import { blockKey, filterKey } from './row-keys.ts';

/** Cluster config: what ends first ends the window. */
export interface DedupeWindow {
  readonly windowMs: number;
  /** Of pages, in one partition. */
  readonly windowBytes: number;
}

export const defaultDedupeWindow: DedupeWindow = {
  windowMs: 7 * 24 * 3600 * 1000,
  windowBytes: 64 * 1024 * 1024,
};

const segmentKeysMax = 65_536;
/** With more loose pages than this, small ones are merged before the segment closes. */
const loosePagesMax = 16;
const bytesPerKey = 32;
const blocksCached = 32;
const absentMax = 65_536;

/** A page as memory knows it; `name` is the index of the checkpoint that wrote it. */
interface KnownPage {
  readonly name: number;
  readonly isSegment: boolean;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly fences: readonly number[];
  readonly filter: Uint8Array;
}

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface ColdBlock {
  readonly page: number;
  readonly block: number;
  readonly key: Uint8Array;
}

export type KeyLookup =
  | { readonly kind: 'new' }
  | { readonly kind: 'place'; readonly place: KeyPlace }
  | { readonly kind: 'cold'; readonly block: ColdBlock };

const isNew: KeyLookup = { kind: 'new' };

export class DedupeKeys {
  private readonly window: DedupeWindow;
  private live = new KeyTable();
  private frozen: KeyTable | null = null;
  private liveFirstMs = 0;
  private liveLastMs = 0;
  /** Oldest first. */
  private pages: KnownPage[] = [];
  private readonly blocks = new Map<string, Uint8Array>();
  /** Of the pages as they are. */
  private readonly absent = new AbsentKeys();
  /** Latest time looked up at: a page that was outside the window does not come back into it. */
  private latestMs = 0;

  constructor(window: DedupeWindow) {
    this.window = window;
  }

  /** Keys that no checkpoint has written yet. */
  get liveCount(): number {
    return this.live.size;
  }

  fold(identity: Uint8Array, place: KeyPlace, timeMs: number): void {
    if (this.live.size === 0) this.liveFirstMs = timeMs;
    this.liveLastMs = timeMs;
    this.live.set(identity, place);
  }

  find(identity: string, nowMs: number): KeyLookup {
    const { absent } = this;
    const known = absent.get(identity);
    const at = known ?? absent.hash(identity);
    const { hashes } = absent;
    const place = this.live.get(hashes, at) ?? this.frozen?.get(hashes, at);
    if (place !== undefined) return { kind: 'place', place };
    if (known !== undefined) return isNew;
    this.latestMs = Math.max(this.latestMs, nowMs);
    const found = this.findInPages(hashes, at, this.latestMs);
    if (found.kind === 'new' && absent.size < absentMax) absent.add(identity, at);
    return found;
  }

  /** Stays until `release`: the commands that asked for it are all looked up again together. */
  admit(cold: ColdBlock, value: Uint8Array | null): void {
    assert(value !== null, 'every block of a known page is on disk');
    this.blocks.set(`${cold.page}/${cold.block}`, value);
  }

  release(): void {
    if (this.blocks.size > blocksCached) this.blocks.clear();
    this.absent.clear();
  }

  /** The newest page that is wholly outside the window at `nowMs`; 0 = none. The leader's to ask. */
  expiredUpTo(nowMs: number): number {
    let bytes = this.pages.reduce((sum, page) => sum + page.count * bytesPerKey, 0);
    let upTo = 0;
    for (const page of this.pages) {
      if (page.lastMs + this.window.windowMs > nowMs && bytes <= this.window.windowBytes) break;
      upTo = page.name;
      bytes -= page.count * bytesPerKey;
    }
    return upTo;
  }

  /** Starts checkpoint `name`: what was folded so far is written by it, later folds are not. */
  freeze(name: number, dropUpTo: number): DedupeCheckpoint {
    const keys = this.live;
    this.live = new KeyTable();
    this.frozen = keys;
    const kept = this.pages.filter((page) => page.name > dropUpTo);
    const dropped = this.pages.filter((page) => page.name <= dropUpTo);
    const loose = kept.filter((page) => !page.isSegment);
    const closes = this.closesSegment(loose, keys.size);
    const merged = closes ? loose : mergedEarly(loose, keys.size);
    return {
      name,
      keys,
      firstMs: merged[0]?.firstMs ?? this.liveFirstMs,
      lastMs: this.liveLastMs,
      isSegment: closes,
      kept: kept.filter((page) => !merged.includes(page)),
      removed: [...dropped, ...merged],
      reads: merged.flatMap((page) => page.fences.map((_, block) => blockKey(page.name, block))),
    };
  }

  /** The rows and the directory of a frozen checkpoint; `read` are the values of its `reads`. */
  write(checkpoint: DedupeCheckpoint, read: readonly (Uint8Array | null)[]): WrittenPages {
    const rows: Row[] = checkpoint.removed.flatMap(removeRows);
    const older = read.filter((block) => block !== null);
    assert(older.length === checkpoint.reads.length, 'every block of a known page is on disk');
    const records = Buffer.concat([checkpoint.keys.records, ...older]);
    const pages = [...checkpoint.kept];
    if (records.length > 0) {
      const page = buildPage(records);
      rows.push(...pageRows(checkpoint.name, page));
      const { name, isSegment, firstMs, lastMs } = checkpoint;
      const { count, fences, filter } = page;
      pages.push({ name, isSegment, count, firstMs, lastMs, fences, filter });
    }
    return { rows, pages, directory: pages.map(directoryEntry) };
  }

  /** The rows are durable: memory may forget what they hold. */
  written(result: WrittenPages): void {
    this.pages = [...result.pages];
    this.frozen = null;
    this.absent.clear();
  }

  /** Keys of the filter rows that `restore` needs, in directory order. */
  static filterKeys(directory: unknown): Uint8Array[] {
    return readDirectory(directory).map((page) => filterKey(page.name));
  }

  /** At a start, from the checkpoint's directory. False: damaged. */
  restore(directory: unknown, filters: readonly (Uint8Array | null)[]): boolean {
    const entries = readDirectory(directory);
    if (!Array.isArray(directory) || entries.length !== directory.length) return false;
    for (const [i, entry] of entries.entries()) {
      const filter = filters[i] ?? null;
      if (filter === null) return false;
      this.pages.push({ ...entry, filter });
    }
    return true;
  }

  private findInPages(hash: Buffer, at: number, nowMs: number): KeyLookup {
    for (let i = this.pages.length - 1; i >= 0; i--) {
      const page = this.pages[i];
      if (page === undefined || page.lastMs + this.window.windowMs <= nowMs) break;
      if (!mayContain(page.filter, hash, at)) continue;
      const block = blockOf(page.fences, hash, at);
      if (block === null) continue;
      const bytes = this.blocks.get(`${page.name}/${block}`);
      if (bytes === undefined) {
        const key = blockKey(page.name, block);
        return { kind: 'cold', block: { page: page.name, block, key } };
      }
      const place = findInBlock(bytes, hash, at);
      if (place !== null) return { kind: 'place', place };
    }
    return isNew;
  }

  /** Small enough that dropping one segment never drops more than an eighth of the window. */
  private closesSegment(loose: readonly KnownPage[], added: number): boolean {
    const keysMax = Math.min(segmentKeysMax, this.window.windowBytes / 8 / bytesPerKey);
    const keys = loose.reduce((sum, page) => sum + page.count, added);
    const firstMs = loose[0]?.firstMs ?? this.liveFirstMs;
    return keys >= keysMax || this.liveLastMs - firstMs >= this.window.windowMs / 8;
  }
}

export interface DedupeCheckpoint {
  readonly name: number;
  readonly keys: KeyTable;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly isSegment: boolean;
  readonly kept: readonly KnownPage[];
  readonly removed: readonly KnownPage[];
  /** Rows that `write` needs. */
  readonly reads: readonly Uint8Array[];
}

export interface WrittenPages {
  readonly rows: readonly Row[];
  readonly pages: readonly KnownPage[];
  /** For the checkpoint's state; positional. */
  readonly directory: readonly unknown[];
}

/**
 * So that a trickle, where each checkpoint brings a few keys, keeps few pages: the newest that the
 * new one at least half outweighs. A key is written again only into a page half as large again.
 */
function mergedEarly(loose: readonly KnownPage[], added: number): readonly KnownPage[] {
  if (loose.length < loosePagesMax) return [];
  let from = loose.length;
  let keys = added;
  for (let page = loose[from - 1]; page !== undefined; page = loose[from - 1]) {
    if (page.count > 2 * keys) break;
    keys += page.count;
    from -= 1;
  }
  return loose.slice(from);
}

function directoryEntry(page: KnownPage): unknown[] {
  return [page.name, page.isSegment, page.count, page.firstMs, page.lastMs, page.fences];
}

function readDirectory(directory: unknown): Omit<KnownPage, 'filter'>[] {
  if (!Array.isArray(directory)) return [];
  return directory.flatMap((entry: unknown) => {
    if (!Array.isArray(entry)) return [];
    const [name, isSegment, count, firstMs, lastMs, fences]: unknown[] = entry;
    if (typeof name !== 'number' || typeof isSegment !== 'boolean') return [];
    if (typeof count !== 'number' || typeof firstMs !== 'number') return [];
    if (typeof lastMs !== 'number' || !Array.isArray(fences)) return [];
    return [{ name, isSegment, count, firstMs, lastMs, fences: fences.map(Number) }];
  });
}

function pageRows(name: number, page: Page): Row[] {
  const rows: Row[] = page.blocks.map((value, block) => ({ key: blockKey(name, block), value }));
  rows.push({ key: filterKey(name), value: page.filter });
  return rows;
}

function removeRows(page: KnownPage): Row[] {
  const rows: Row[] = page.fences.map((_, block) => ({
    key: blockKey(page.name, block),
    value: null,
  }));
  rows.push({ key: filterKey(page.name), value: null });
  return rows;
}
