// A partition for tests of the sequencer: entries in an array, rows on a disk that is a map, one leader
// at a time.
import { expect } from 'vitest';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import { commandAt, encodeCommandsHeader } from '../../src/order/header.ts';
import { type FrozenRows, Rows } from '../../src/order/rows.ts';
import { type Draft, type Needs, type Placed, Sequencer } from '../../src/order/sequencer.ts';
import { checkpoint, commandOf, RowStore } from './fixture.ts';

const start = Date.UTC(2026, 0, 1);
const window = { windowMs: 1e12, windowBytes: 32 * 8 * 4 };
export const shardOf: Readonly<Record<string, number>> = { 'g:a': 1, 'g:b': 1, 'g:c': 2 };

interface Entry {
  readonly index: number;
  readonly timeMs: number;
  readonly columns: Draft['columns'];
  readonly commands: Buffer;
}

export function placed(input: AppendCommandInput): Placed {
  const command = commandOf(input);
  return { command, shard: shardOf[command.conversation] ?? 0 };
}

/** A partition with one leader at a time, whose log and rows live on; memory dies with the leader. */
export class Partition {
  readonly log: Entry[] = [];
  rows = new Rows(window);
  store = new RowStore();
  sequencer: Sequencer;
  timeMs = start;
  private state: Uint8Array | null = null;
  private checkpointed = 0;
  private checkpoints = 0;
  private folded = 0;
  private readonly fetched = new Map<number, Entry>();

  constructor() {
    this.sequencer = this.createSequencer();
  }

  draft(): Draft {
    return this.sequencer.open(this.log.length + 1, this.timeMs, 1);
  }

  /** Fetches until nothing is cold. */
  prepare(commands: readonly Placed[]): void {
    for (let rounds = 0; rounds < 100; rounds++) {
      const needs: Needs = { rows: [], entries: new Set() };
      for (const each of commands) this.sequencer.collectNeeds(each, this.timeMs, needs);
      if (needs.rows.length === 0 && needs.entries.size === 0) return;
      const values = this.store.get(needs.rows.map(({ key }) => key));
      for (const [i, cold] of needs.rows.entries()) this.rows.admit(cold, values[i] ?? null);
      for (const index of needs.entries) {
        const entry = this.log[index - 1];
        if (entry !== undefined) this.fetched.set(index, entry);
      }
    }
    throw new Error('needs do not end');
  }

  propose({ index, timeMs, columns, commands }: Draft): void {
    if (commands.length === 0) return;
    expect(index).toBe(this.log.length + 1);
    this.log.push({ index, timeMs, columns, commands: Buffer.concat(commands) });
  }

  commit(upTo: number): void {
    for (; this.folded < upTo; this.folded++) this.fold(this.rows, this.log[this.folded]);
    this.sequencer.folded(this.folded);
    this.rows.release();
    this.fetched.clear();
  }

  /** Everything committed is in rows on disk; memory then knows it as cold or clean. */
  checkpoint(): void {
    this.state = checkpoint(this.rows, this.store, this.nextIndex()).state;
    this.checkpointed = this.folded;
  }

  freeze(): FrozenRows {
    return this.rows.freeze(this.nextIndex(), 0);
  }

  finish(frozen: FrozenRows, folded: number): void {
    const written = this.rows.write(frozen, this.store.get(frozen.keys.reads));
    this.store.apply(written.rows);
    this.rows.written(written);
    this.state = written.state;
    this.checkpointed = folded;
  }

  get committed(): number {
    return this.folded;
  }

  /** Another replica leads: it has the log up to `surviving`, its own rows and no memory. */
  changeLeader(surviving: number): void {
    this.log.length = surviving;
    this.store = this.store.copy();
    this.rows = new Rows(window);
    if (this.state !== null) {
      expect(this.rows.restore(this.state, this.store.get(Rows.restoreKeys(this.state)))).toBe(
        true,
      );
    }
    this.folded = this.checkpointed;
    this.fetched.clear();
    for (; this.folded < surviving; this.folded++) this.fold(this.rows, this.log[this.folded]);
    this.sequencer = this.createSequencer();
  }

  private createSequencer(): Sequencer {
    return new Sequencer(this.rows, ({ index, slot }) => {
      // Only what is not folded is in memory; the rest has to be fetched.
      const entry = index > this.folded ? this.log[index - 1] : this.fetched.get(index);
      return entry === undefined ? null : commandAt(entry.columns, entry.commands, slot);
    });
  }

  /** Names of checkpoints rise, and are no index of the log here. */
  private nextIndex(): number {
    this.checkpoints += 1;
    return this.checkpoints;
  }

  private fold(rows: Rows, entry: Entry | undefined): void {
    if (entry === undefined) throw new Error('no such entry');
    const { index, timeMs, columns, commands } = entry;
    rows.fold(index, timeMs, encodeCommandsHeader(columns), commands);
  }
}
