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

export type ScanRows = (
  range: RowRange,
) => Promise<readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]>;

const atOnce = 128;
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
    const [from, to] = [dueKey(this.nextMs, 0, '', 0), dueKey(endOfTimeMs, 0, '', 0)];
    const found = await this.scan({ from, to, limit: atOnce });
    this.loading = false;
    // A checkpoint written meanwhile moved rows: looked up again.
    if (rows.version !== version) return;
    const all = new Map<string, Due | null>();
    for (const { key, value } of found) {
      const name = Buffer.prototype.latin1Slice.call(key);
      all.set(name, { ...readDueKey(key), releases: decodeDue(value) });
    }
    for (const [name, due] of rows.dues.newer()) all.set(name, due);
    const known = [...all]
      .flatMap(([, due]) => (due === null || this.proposed.has(nameOf(due)) ? [] : [due]))
      .sort((a, b) => a.dueMs - b.dueMs);
    this.ready = known.filter(({ dueMs }) => dueMs <= timeMs).slice(0, atOnce);
    const later = known[this.ready.length]?.dueMs ?? endOfTimeMs;
    const last = found.at(-1);
    const beyond =
      found.length < atOnce || last === undefined ? endOfTimeMs : readDueKey(last.key).dueMs;
    this.nextMs = Math.min(later, beyond);
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
