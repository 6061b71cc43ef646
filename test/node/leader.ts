// A leader for tests of the queue and the waits: the real sequencer and rows, a log that is an array.
import { expect } from 'vitest';
import type { Refusal } from '../../src/errors.ts';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import { AppendQueue, type SequencingHost } from '../../src/node/append-queue.ts';
import { defaultLimits, type NodeLimits } from '../../src/node/config.ts';
import type { BadCommand, Final, Group, Outcome } from '../../src/node/groups.ts';
import { Holds } from '../../src/node/holds.ts';
import { type Decided, endedOutcomes, Waits } from '../../src/node/waits.ts';
import { commandAt, encodeCommandsHeader } from '../../src/order/header.ts';
import type { KeyPlace } from '../../src/order/page.ts';
import { Rows } from '../../src/order/rows.ts';
import { type Draft, type Placed, Sequencer } from '../../src/order/sequencer.ts';
import { commandOf } from '../order/fixture.ts';

const time = Date.UTC(2026, 0, 1);
export const notLeader: Refusal = { reason: 'NOT_LEADER', message: 'led by node 2' };
export const malformed: BadCommand = {
  refusal: {
    reason: 'TOO_LARGE',
    field: 'body',
    message: 'body is too large',
  },
  conversation: 'g:malformed',
};

/** A leader whose log is an array; nothing commits until told. */
export class Leader implements SequencingHost {
  readonly term = 3;
  readonly log: Draft[] = [];
  readonly sequencer: Sequencer;
  readonly waits = new Waits(() => ++this.rounds);
  readonly queue: AppendQueue;
  readonly partition = 0;
  readonly holdBudget = { bytes: 0 };
  readonly holds = new Holds(this.holdBudget);
  /** Of the monotonic clock. */
  clockMs = 0;
  rounds = 0;
  /** Entries that may still be opened. */
  room = Number.POSITIVE_INFINITY;
  readonly rows = new Rows({ windowMs: 1e12, windowBytes: 1e12 });
  private committed = 0;

  constructor(limits: Partial<NodeLimits> = {}) {
    this.queue = new AppendQueue({ ...defaultLimits, ...limits });
    this.sequencer = new Sequencer(this.rows, (place) => {
      const entry = this.log[place.index - 1];
      return entry === undefined ? null : (entry.commands[place.slot] ?? null);
    });
  }

  openDraft(): Draft | null {
    if (this.log.length >= this.room) return null;
    return this.sequencer.open(this.log.length + 1, time, this.term);
  }

  propose(draft: Draft): void {
    expect(draft.index).toBe(this.log.length + 1);
    this.log.push(draft);
  }

  nowMs(): number {
    return this.clockMs;
  }

  /** What the replica does at a tick. */
  tick(ms: number): void {
    this.clockMs += ms;
    this.queue.pushWaitOver(0, this.holds.expired(this.clockMs));
    this.run();
  }

  original(place: KeyPlace): Final {
    const { columns, timeMs, index } = this.log[place.index - 1] ?? this.sequencer.open(0, 0, 0);
    const at = (column: number[]) => column[place.slot] ?? 0;
    const idMs = timeMs + at(columns.idAheadMs);
    const numbers = {
      seq: place.seq,
      rev: at(columns.revs),
      idMs,
      idCounter: at(columns.idCounters),
    };
    const { term } = this;
    const { lateFor = null, epoch = 0 } = columns.extras.get(place.slot) ?? {};
    const rest = { shard: 1, timeMs, index, term, lateFor, epoch };
    return { kind: 'stored', duplicate: true, ...numbers, ...rest };
  }

  decided(decided: Decided): void {
    this.waits.add(decided, this.committed);
  }

  /** Windows until nothing more can be done now. */
  run(): void {
    for (let more = true; more; ) {
      const needs = this.queue.needs(this.sequencer, this.holds, time, true);
      expect(needs.entries.size).toBe(0);
      for (const cold of needs.rows) this.rows.admit(cold, null);
      more = this.queue.sequence(this);
    }
  }

  commit(upTo = this.log.length): void {
    for (; this.committed < upTo; this.committed++) {
      const { index, timeMs, columns, commands } =
        this.log[this.committed] ?? this.sequencer.open(0, 0, 0);
      this.rows.fold(index, timeMs, encodeCommandsHeader(columns), Buffer.concat(commands));
      this.sequencer.folded(index);
      this.waits.committed(index);
    }
  }

  /** As a replica ends a term. */
  lose(): void {
    const isCommitted = ({ index }: { readonly index: number }) => index <= this.committed;
    const ended = { refusal: notLeader, isCommitted };
    this.waits.fail(ended);
    for (const { group, outcomes } of this.queue.drain()) {
      group.done(endedOutcomes(group, outcomes, ended));
    }
    this.holds.fail(notLeader);
  }

  bodies(): string[] {
    return this.log.flatMap(({ columns, commands }) => {
      const all = Buffer.concat(commands);
      return commands.map((_, slot) => {
        const bytes = commandAt(columns, all, slot);
        return Buffer.from(bytes.subarray(commandOf({}).bytes.length + 2)).toString();
      });
    });
  }
}

export const command = (input: AppendCommandInput = {}): Placed => ({
  command: commandOf(input),
  shard: 1,
});
export const saying = (body: string): Placed => command({ body: Buffer.from(body) });

export interface Answered extends Group {
  /** One word for each command; null until answered. */
  readonly answer: () => string[] | null;
}

export function group(
  commands: readonly (Placed | BadCommand)[],
  more: Partial<Group> = {},
): Answered {
  let answer: string[] | null = null;
  const done = (outcomes: readonly Outcome[]) => {
    expect(answer, 'answered once').toBeNull();
    answer = outcomes.map((outcome, slot) => {
      return outcome.kind === 'held' ? (ends.get(slot) ?? `held ${outcome.last}`) : wordOf(outcome);
    });
  };
  const ends = new Map<number, string>();
  const later = (slot: number, outcome: Final) => {
    expect(ends.has(slot), 'a held command ends once').toBe(false);
    ends.set(slot, wordOf(outcome));
    if (answer !== null) answer[slot] = wordOf(outcome);
  };
  const bytes = commands.length * 10;
  const rest = { atomic: false, restart: [], session: null, ...more };
  return { partition: 0, commands, bytes, done, later, answer: () => answer, ...rest };
}

function wordOf(outcome: Final): string {
  if (outcome.kind === 'refused') return outcome.refusal.reason;
  const late = outcome.lateFor === null ? '' : ` late for ${outcome.lateFor}`;
  return `${outcome.duplicate ? 'duplicate' : 'seq'} ${outcome.seq}${late}`;
}

export function submit(leader: Leader, ...groups: Answered[]): void {
  for (const each of groups) expect(leader.queue.push(each)).toBeNull();
  leader.run();
}
