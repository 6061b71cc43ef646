// The real sequencer, queue, holds and rows as the subject of the chain model's histories: a log that is
// an array, a disk that is a map, a leader that can be replaced.
import type { Refusal } from '../../src/errors.ts';
import { AppendQueue, type SequencingHost } from '../../src/node/append-queue.ts';
import { defaultLimits } from '../../src/node/config.ts';
import type { Final, Group, Outcome } from '../../src/node/groups.ts';
import { Holds } from '../../src/node/holds.ts';
import type { Decided } from '../../src/node/waits.ts';
import { commandAt, encodeCommandsHeader, isEvent } from '../../src/order/header.ts';
import type { KeyPlace } from '../../src/order/page.ts';
import { chainKey, headKey, stateKey } from '../../src/order/row-keys.ts';
import { Rows } from '../../src/order/rows.ts';
import { type Draft, Sequencer } from '../../src/order/sequencer.ts';
import { readIdentity } from '../../src/stored-command.ts';
import type { Subject } from '../order/chain-histories.ts';
import {
  type Answer,
  inputOf,
  type Outcome as Said,
  type Step,
  type Stored,
} from '../order/chain-steps.ts';
import { checkpoint, commandOf, RowStore } from '../order/fixture.ts';

const startMs = Date.UTC(2026, 0, 1);
/** Small pages: keys are found on disk too. */
const window = { windowMs: 1e12, windowBytes: 32 * 8 * 64 };
const notLeader: Refusal = { reason: 'NOT_LEADER', message: 'led by node 2' };
const cleanMax = 4096;

interface Entry {
  readonly draft: Draft;
  readonly commands: Buffer;
}

export class ChainSubject implements Subject, SequencingHost {
  readonly term = 1;
  readonly partition = 0;
  holds = new Holds({ bytes: 0 });
  sequencer: Sequencer;
  private queue = new AppendQueue(defaultLimits);
  private rows = new Rows(window);
  private readonly store = new RowStore();
  private state: Uint8Array | null = null;
  private checkpointed = 0;
  private checkpoints = 0;
  private log: Entry[] = [];
  /** Of the log after each step. */
  private lengths = [0];
  private folded = 0;
  private clockMs = 0;
  private answers: Answer[] = [];
  private readonly fetched = new Set<number>();

  constructor() {
    this.sequencer = this.createSequencer();
  }

  apply(step: Step): readonly Answer[] {
    this.answers = [];
    switch (step.kind) {
      case 'append':
        this.submit(step);
        break;
      case 'pass':
        this.clockMs += step.ms;
        this.queue.pushWaitOver(0, this.holds.expired(this.clockMs));
        this.run();
        break;
      case 'commit':
        this.fold(this.lengths[step.through] ?? 0);
        break;
      case 'checkpoint':
        this.checkpoint();
        break;
      case 'leader':
        this.changeLeader(this.lengths[step.through] ?? 0);
        break;
      case 'evict':
        this.evict();
    }
    this.lengths.push(this.log.length);
    return this.answers;
  }

  stored(conversation: string, afterRev: number): readonly Stored[] {
    return this.log.flatMap(({ draft: { columns }, commands }) => {
      return columns.lengths.flatMap((_, slot) => {
        const command = commandAt(columns, commands, slot);
        const rev = columns.revs[slot] ?? 0;
        if (readIdentity(command).conversation !== conversation || rev <= afterRev) return [];
        const extra = columns.extras.get(slot);
        const lateFor = extra?.lateFor ?? null;
        const seq = isEvent(extra) ? 0 : (columns.seqs[slot] ?? 0);
        return [{ seq, rev, late: lateFor !== null, lateFor: lateFor ?? 0, command }];
      });
    });
  }

  // SequencingHost

  openDraft(): Draft {
    return this.sequencer.open(this.log.length + 1, startMs + this.clockMs, this.term);
  }

  propose(draft: Draft): void {
    this.log.push({ draft, commands: Buffer.concat(draft.commands) });
  }

  original(place: KeyPlace): Final {
    const entry = this.log[place.index - 1];
    if (entry === undefined) throw new Error('the original is in the log');
    const { columns, timeMs, index } = entry.draft;
    const rev = columns.revs[place.slot] ?? 0;
    const { lateFor = null, epoch = 0 } = columns.extras.get(place.slot) ?? {};
    const id = { idMs: 0, idCounter: 0, shard: 0 };
    const where = { timeMs, index, term: this.term };
    return {
      kind: 'stored',
      duplicate: true,
      seq: place.seq,
      rev,
      ...id,
      ...where,
      lateFor,
      epoch,
    };
  }

  decided({ group, outcomes }: Decided): void {
    group.done(outcomes);
  }

  nowMs(): number {
    return this.clockMs;
  }

  private submit({ sent }: Extract<Step, { kind: 'append' }>): void {
    const commands = sent.map((each) => ({ command: commandOf(inputOf(each)), shard: 1 }));
    const answer = (slot: number, outcome: Outcome) => {
      const id = sent[slot]?.id ?? 0;
      this.answers.push({ id, outcome: saidOf(outcome) });
    };
    const group: Group = {
      ...{ partition: 0, commands, bytes: 0, atomic: false, restart: [], session: null },
      done: (outcomes) => {
        for (const [slot, outcome] of outcomes.entries()) answer(slot, outcome);
      },
      later: answer,
    };
    if (this.queue.push(group) !== null) throw new Error('the queue has room');
    this.run();
  }

  private run(): void {
    for (let more = true; more; ) {
      this.fetch();
      more = this.queue.sequence(this);
    }
    this.rows.release();
    this.fetched.clear();
  }

  private fetch(): void {
    for (let rounds = 0; rounds < 100; rounds++) {
      const needs = this.queue.needs(this.sequencer, this.holds, startMs + this.clockMs, true);
      if (needs.rows.length === 0 && needs.entries.size === 0) return;
      const values = this.store.get(needs.rows.map(({ key }) => key));
      for (const [i, cold] of needs.rows.entries()) this.rows.admit(cold, values[i] ?? null);
      for (const index of needs.entries) this.fetched.add(index);
    }
    throw new Error('needs do not end');
  }

  private fold(upTo: number): void {
    for (; this.folded < upTo; this.folded++) this.foldEntry();
    this.sequencer.folded(this.folded);
  }

  private foldEntry(): void {
    const entry = this.log[this.folded];
    if (entry === undefined) throw new Error('no such entry');
    const { index, timeMs, columns } = entry.draft;
    this.rows.fold(index, timeMs, encodeCommandsHeader(columns), entry.commands);
  }

  private checkpoint(): void {
    this.checkpoints += 1;
    this.state = checkpoint(this.rows, this.store, this.checkpoints).state;
    this.checkpointed = this.folded;
  }

  /** Another replica: rows as on disk and what is committed above, nothing else. */
  private changeLeader(length: number): void {
    this.holds.fail(notLeader);
    this.log = this.log.slice(0, length);
    this.lengths = this.lengths.map((before) => Math.min(before, length));
    this.rows = new Rows(window);
    if (this.state !== null) {
      const isWhole = this.rows.restore(this.state, this.store.get(Rows.restoreKeys(this.state)));
      if (!isWhole) throw new Error('the checkpoint is damaged');
    }
    this.folded = this.checkpointed;
    for (; this.folded < length; this.folded++) this.foldEntry();
    this.queue = new AppendQueue(defaultLimits);
    this.holds = new Holds({ bytes: 0 });
    this.sequencer = this.createSequencer();
  }

  /** Other rows push out whatever is clean. */
  private evict(): void {
    for (let i = 0; i < cleanMax; i++) {
      const name = `g:other-${i}`;
      this.rows.admit({ kind: 'head', conversation: name, key: headKey(1, name) }, null);
      this.rows.admit({ kind: 'chains', name, key: chainKey(1, name) }, null);
      this.rows.admit({ kind: 'state', name, key: stateKey(1, name, 1) }, null);
    }
    this.rows.release();
  }

  private createSequencer(): Sequencer {
    return new Sequencer(this.rows, ({ index, slot }) => {
      const entry = this.log[index - 1];
      if (entry === undefined || (index <= this.folded && !this.fetched.has(index))) return null;
      return commandAt(entry.draft.columns, entry.commands, slot);
    });
  }
}

function saidOf(outcome: Outcome): Said {
  switch (outcome.kind) {
    case 'held':
      return { kind: 'held', resendFrom: outcome.last, want: outcome.want };
    case 'refused':
      return { kind: 'refused', ...outcome.refusal };
    case 'stored': {
      const { seq, rev, lateFor, epoch } = outcome;
      if (outcome.duplicate) return { kind: 'duplicate', seq, rev, epoch };
      return { kind: 'stored', seq, rev, late: lateFor !== null, lateFor: lateFor ?? 0, epoch };
    }
  }
}
