// What the ordering tests share: a disk that is a map, commands, entries, and lookups that fetch what
// is cold, as a node does.
import { type Command, scanCommand } from '../../src/command.ts';
import { AppendCommand, type AppendCommandInput } from '../../src/gen/proto.ts';
import type { DedupeKeys, Row } from '../../src/order/dedupe.ts';
import {
  createColumns,
  encodeCommandsHeader,
  plainSlot,
  type SlotExtra,
} from '../../src/order/header.ts';
import {
  hashBytes,
  identityOfText,
  type KeyPlace,
  viewOf,
  writeHash,
} from '../../src/order/page.ts';
import type { CheckpointRows, Rows } from '../../src/order/rows.ts';

/** The rows of one partition on disk. */
export class RowStore {
  readonly rows = new Map<string, Uint8Array>();

  apply(rows: readonly Row[]): void {
    for (const { key, value } of rows) {
      if (value === null) this.rows.delete(hexOf(key));
      else this.rows.set(hexOf(key), Uint8Array.from(value));
    }
  }

  get(keys: readonly Uint8Array[]): (Uint8Array | null)[] {
    return keys.map((key) => this.rows.get(hexOf(key)) ?? null);
  }

  /** Everything, comparable. */
  dump(): string[] {
    return [...this.rows].map(([key, value]) => `${key}=${hexOf(value)}`).sort();
  }

  copy(): RowStore {
    const other = new RowStore();
    for (const [key, value] of this.rows) other.rows.set(key, value);
    return other;
  }
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Finds a key, however many blocks it takes; null: new. */
export function lookUp(
  keys: DedupeKeys,
  store: RowStore,
  identity: string,
  nowMs: number,
): KeyPlace | null {
  for (let fetches = 0; fetches < 200; fetches++) {
    const found = keys.find(identity, nowMs);
    if (found.kind === 'new') return null;
    if (found.kind === 'place') return found.place;
    const [value] = store.get([found.block.key]);
    keys.admit(found.block, value ?? null);
  }
  throw new Error('a lookup does not end');
}

export function commandOf(input: AppendCommandInput): Command {
  const bytes = AppendCommand.encode({ conversation: 'g:a', sender: 's', ...input });
  const scanned = scanCommand(bytes);
  if (scanned.kind !== 'command') throw new Error(`not a command: ${scanned.kind}`);
  return scanned.command;
}

export interface Slot {
  readonly command: Pick<Command, 'bytes'>;
  readonly seq: number;
  /** seq where not given: nothing but messages so far. */
  readonly rev?: number;
  /** null: a plain message. */
  readonly extra?: Partial<SlotExtra> | null;
  readonly shard?: number;
  readonly idAheadMs?: number;
  /** Where the message before of its conversation stands. */
  readonly previous?: { readonly index: number; readonly slot: number };
}

/** The header and commands of a Commands entry at `index`. */
export function entryOf(
  slots: readonly Slot[],
  index = 0,
): { header: Uint8Array; commands: Uint8Array } {
  const columns = createColumns();
  for (const [slot, each] of slots.entries()) {
    const { command, seq, shard = 5, idAheadMs = 0, previous, extra = null } = each;
    if (extra !== null) columns.extras.set(slot, { ...plainSlot, ...extra });
    columns.lengths.push(command.bytes.length);
    columns.seqs.push(seq);
    columns.revs.push(each.rev ?? seq);
    columns.idAheadMs.push(idAheadMs);
    columns.idCounters.push(0);
    columns.shards.push(shard);
    columns.previousBack.push(previous === undefined ? 0 : index - previous.index);
    columns.previousSlots.push(previous?.slot ?? 0);
  }
  const commands = Buffer.concat(slots.map(({ command }) => command.bytes));
  return { header: encodeCommandsHeader(columns), commands };
}

/** One whole checkpoint: freeze, write, make durable, forget. */
export function checkpoint(rows: Rows, store: RowStore, index: number, drop = 0): CheckpointRows {
  const frozen = rows.freeze(index, drop);
  const written = rows.write(frozen, store.get(frozen.keys.reads));
  store.apply(written.rows);
  rows.written(written);
  return written;
}

/** Of a key's identity, in a buffer of its own. */
export function hashKey(identity: string): Buffer {
  const hash = Buffer.alloc(hashBytes);
  writeHash(viewOf(hash), 0, identityOfText(identity));
  return hash;
}
