// Pending messages that nobody ended in time: the leader looks them up in the order of their due time and
// proposes their end. What is due stands in rows, so a new leader goes on where the old one was.
import { encodePendingEnd } from '../order/leader-commands.ts';
import { dueKey, readDueKey } from '../order/row-keys.ts';
import { decodeDue } from '../order/row-values.ts';
import type { Due, Rows } from '../order/rows.ts';
import type { Group, Outcome } from './groups.ts';

export interface RowRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly limit: number;
}

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type ScanRows = (range: RowRange) => Promise<readonly Row[]>;

const atOnce = 128;
/** A key with it follows the key next. */
const after = new Uint8Array(1);
/** After every log time. */
const endOfTimeMs = Number.MAX_SAFE_INTEGER;

export class Expiries {
  private readonly partition: number;
  private readonly rows: Rows;
  private readonly scan: ScanRows;
  /** Nothing is due before. */
  private nextMs = 0;
  private loading = false;
  private ready: Due[] = [];
  /** Proposed, not ended yet. */
  private readonly proposed = new Set<string>();

  constructor(partition: number, rows: Rows, scan: ScanRows) {
    this.partition = partition;
    this.rows = rows;
    this.scan = scan;
  }

  /** Commands that end what is due at `timeMs` of log time. `onError`: the rows could not be read. */
  due(timeMs: number, onError: (error: unknown) => void): Group[] {
    this.nextMs = Math.min(this.nextMs, this.rows.takeEarliestDue());
    if (this.nextMs <= timeMs && !this.loading) {
      this.loading = true;
      this.load(timeMs).catch(onError);
    }
    return this.ready.splice(0).map((due) => this.groupOf(due));
  }

  /** Another term, another leader: what was proposed may be lost. */
  forget(): void {
    this.nextMs = 0;
    this.ready = [];
    this.proposed.clear();
  }

  private async load(timeMs: number): Promise<void> {
    const { rows } = this;
    const { version } = rows;
    const to = dueKey(endOfTimeMs, 0, '', 0);
    let from: Uint8Array | null = dueKey(this.nextMs, 0, '', 0);
    while (from !== null) {
      const found = await this.scan({ from, to, limit: atOnce });
      // A checkpoint written meanwhile moved rows: looked up again.
      from = rows.version === version ? this.take(found, timeMs) : null;
    }
    this.loading = false;
  }

  /** A page of the rows on disk, with what is newer in memory. Where to look further; null: enough is known. */
  private take(found: readonly Row[], timeMs: number): Uint8Array | null {
    const newer = new Map(this.rows.dues.newer());
    const isOpen = (due: Due | null) => due !== null && !this.proposed.has(nameOf(due));
    const stored = found.flatMap(({ key, value }) => {
      if (newer.has(Buffer.prototype.latin1Slice.call(key))) return [];
      const due = { ...readDueKey(key), releases: decodeDue(value) };
      return isOpen(due) ? [due] : [];
    });
    const last = found.length < atOnce ? undefined : found.at(-1);
    // All of these have ended, though their rows stay until the next checkpoint.
    if (last !== undefined && stored.length === 0) return Buffer.concat([last.key, after]);
    const known = [...stored, ...newer.values()]
      .filter((due) => due !== null)
      .filter(isOpen)
      .sort((a, b) => a.dueMs - b.dueMs);
    this.ready = known.filter(({ dueMs }) => dueMs <= timeMs).slice(0, atOnce);
    const later = known[this.ready.length]?.dueMs ?? endOfTimeMs;
    const beyond = last === undefined ? endOfTimeMs : readDueKey(last.key).dueMs;
    this.nextMs = Math.min(later, beyond);
    return null;
  }

  private groupOf(due: Due): Group {
    const command = encodePendingEnd(due);
    const name = nameOf(due);
    this.proposed.add(name);
    const end = (outcome: Outcome | undefined) => {
      if (!this.proposed.delete(name)) return;
      const isOver = outcome?.kind === 'stored' || isNotPending(outcome);
      if (!isOver) this.nextMs = Math.min(this.nextMs, due.dueMs);
    };
    return {
      partition: this.partition,
      commands: [{ command, shard: due.shard }],
      bytes: command.bytes.length,
      atomic: false,
      restart: [],
      session: null,
      done: ([outcome]) => end(outcome),
      later: (_slot, outcome) => end(outcome),
    };
  }
}

function nameOf({ conversation, seq }: Due): string {
  return `${conversation}\0${seq}`;
}

function isNotPending(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'refused' && outcome.refusal.reason === 'NOT_PENDING';
}
