// Commands that wait for the leader's sequencer, in arrival order, and their passage through it:
// what they need and memory does not have is fetched for a whole window at once, then they are
// sequenced into entries. Behind a command that waits, all of its partition wait.
import type { Refusal } from '../errors.ts';
import type { KeyPlace } from '../order/page.ts';
import type { Draft, Needs, Placed, Sequencer, Verdict } from '../order/sequencer.ts';
import type { NodeLimits } from './config.ts';
import { breakOrder, type Group, isPlaced, type Outcome } from './groups.ts';
import { outOfOrder } from './session-order.ts';
import type { Decided } from './waits.ts';

/** What the queue asks of its replica while sequencing. */
export interface SequencingHost {
  readonly sequencer: Sequencer;
  /** Index of the next entry, and its stamp; null: no time is known, or too much is uncommitted. */
  openDraft(): Draft | null;
  /** Appends the draft to the log. */
  propose(draft: Draft): void;
  /** The stored message at that place; in memory by now. */
  original(place: KeyPlace): Outcome;
  decided(decided: Decided): void;
  readonly term: number;
}

interface Queued {
  readonly group: Group;
  readonly outcomes: Outcome[];
  /** Newest entry that an outcome so far rests on. */
  index: number;
  confirm: boolean;
}

export class AppendQueue {
  private readonly limits: NodeLimits;
  private groups: Queued[] = [];
  private commands = 0;
  private bytes = 0;

  constructor(limits: NodeLimits) {
    this.limits = limits;
  }

  get isEmpty(): boolean {
    return this.groups.length === 0;
  }

  /** null: taken; else why not. */
  push(group: Group): Refusal | null {
    const { queuedCommandsMax, queuedBytesMax } = this.limits;
    if (this.commands + group.commands.length > queuedCommandsMax) {
      return busy(queuedCommandsMax, 'commands');
    }
    if (this.bytes + group.bytes > queuedBytesMax) return busy(queuedBytesMax, 'bytes');
    this.commands += group.commands.length;
    this.bytes += group.bytes;
    this.groups.push({ group, outcomes: [], index: 0, confirm: false });
    return null;
  }

  /** Empties the queue; what was already sequenced of a group stands in its outcomes. */
  drain(): Decided[] {
    const all = this.groups;
    this.groups = [];
    this.commands = 0;
    this.bytes = 0;
    return all;
  }

  /** What the next window of commands needs and memory does not have. */
  needs(sequencer: Sequencer, nowMs: number): Needs {
    const needs: Needs = { rows: [], entries: new Set() };
    let left = this.limits.sequenceWindow;
    for (const { group, outcomes } of this.groups) {
      for (let slot = outcomes.length; slot < group.commands.length; slot++) {
        if (left-- === 0 && !group.atomic) return needs;
        const item = group.commands[slot];
        if (item !== undefined && isPlaced(item)) sequencer.collectNeeds(item, nowMs, needs);
      }
      if (left <= 0) return needs;
    }
    return needs;
  }

  /** Sequences one window. True: there may be more. */
  sequence(host: SequencingHost): boolean {
    const pass = new Pass(host, this.limits);
    let left = this.limits.sequenceWindow;
    let done = 0;
    for (const queued of this.groups) {
      if (left <= 0) break;
      const before = queued.outcomes.length;
      const more = pass.group(queued, left);
      left -= queued.outcomes.length - before;
      if (!more) break;
      done += 1;
      this.commands -= queued.group.commands.length;
      this.bytes -= queued.group.bytes;
    }
    pass.close();
    for (const queued of this.groups.splice(0, done)) host.decided(queued);
    return left <= 0 && this.groups.length > 0;
  }
}

/** One run over the queue with at most one open draft. */
class Pass {
  private readonly host: SequencingHost;
  private readonly limits: NodeLimits;
  private draft: Draft | null = null;

  constructor(host: SequencingHost, limits: NodeLimits) {
    this.host = host;
    this.limits = limits;
  }

  /** True: the whole group has its outcomes. */
  group(queued: Queued, window: number): boolean {
    const { group, outcomes } = queued;
    if (outcomes.length === 0) group.session?.restart(group.restart);
    if (group.atomic) return this.atomic(queued);
    const end = Math.min(group.commands.length, outcomes.length + window);
    for (let slot = outcomes.length; slot < end; slot++) {
      const item = group.commands[slot];
      if (item === undefined) break;
      if (!isPlaced(item)) {
        outcomes.push(breakOrder(group, item, item.refusal));
        continue;
      }
      const draft = this.openDraft();
      if (draft === null) return false;
      this.settle(queued, item, this.verdict(group, item, draft), draft);
      if (draft.commandBytes >= this.limits.entryBytesTarget) this.close();
    }
    return outcomes.length === group.commands.length;
  }

  close(): void {
    const { draft } = this;
    this.draft = null;
    if (draft !== null && draft.commands.length > 0) this.host.propose(draft);
  }

  private openDraft(): Draft | null {
    this.draft ??= this.host.openDraft();
    return this.draft;
  }

  private verdict(group: Group, item: Placed, draft: Draft): Verdict {
    if (group.session?.isBroken(item.command.conversation)) {
      return { kind: 'refused', refusal: outOfOrder, decided: false };
    }
    return this.host.sequencer.sequence(item, draft);
  }

  private settle(queued: Queued, item: Placed, verdict: Verdict, draft: Draft): void {
    queued.outcomes.push(this.outcome(queued.group, item, verdict, draft));
    queued.index = Math.max(queued.index, restsOn(verdict, draft));
    if (verdict.kind === 'refused' && verdict.decided) queued.confirm = true;
  }

  private outcome(group: Group, item: Placed, verdict: Verdict, draft: Draft): Outcome {
    switch (verdict.kind) {
      case 'accepted': {
        const { timeMs, index } = draft;
        const { term } = this.host;
        return { kind: 'stored', duplicate: false, ...verdict.numbers, timeMs, index, term };
      }
      case 'duplicate':
        return this.duplicate(verdict.place, draft);
      case 'refused':
        return breakOrder(group, item, verdict.refusal);
    }
  }

  /** The original may stand in the draft itself. */
  private duplicate(place: KeyPlace, draft: Draft): Outcome {
    if (place.index !== draft.index) return this.host.original(place);
    const { columns, timeMs, index } = draft;
    const at = (column: number[]) => column[place.slot] ?? 0;
    return {
      kind: 'stored',
      duplicate: true,
      seq: place.seq,
      rev: at(columns.revs),
      idMs: timeMs + at(columns.idAheadMs),
      idCounter: at(columns.idCounters),
      shard: at(columns.shards),
      timeMs,
      index,
      term: this.host.term,
    };
  }

  /** All or none, in an entry of its own. */
  private atomic(queued: Queued): boolean {
    this.close();
    const { group } = queued;
    const items = group.commands.filter(isPlaced);
    const conversation = items[0]?.command.conversation;
    if (conversation === undefined || items.length < group.commands.length) {
      queued.outcomes.push(...group.commands.map((item) => breakOrder(group, item, notWhole)));
      return true;
    }
    const draft = this.openDraft();
    if (draft === null) return false;
    const { sequencer } = this.host;
    const before = sequencer.proposedHead(conversation);
    const verdicts = items.map((item) => this.verdict(group, item, draft));
    const isRepeat = verdicts.every((verdict) => verdict.kind === 'duplicate');
    if (isRepeat || verdicts.every((verdict) => verdict.kind === 'accepted')) {
      this.settleAll(queued, items, verdicts, draft);
    } else {
      sequencer.discard(draft, conversation, before);
      this.draft = null;
      this.settleAll(queued, items, verdicts.map(whole), { ...draft, commands: [] });
    }
    this.close();
    return true;
  }

  private settleAll(
    queued: Queued,
    items: readonly Placed[],
    verdicts: readonly Verdict[],
    draft: Draft,
  ): void {
    for (const [slot, item] of items.entries()) {
      const verdict = verdicts[slot];
      if (verdict !== undefined) this.settle(queued, item, verdict, draft);
    }
  }
}

/** The newest entry that the verdict was decided on. */
function restsOn(verdict: Verdict, draft: Draft): number {
  switch (verdict.kind) {
    case 'accepted':
      return draft.index;
    case 'duplicate':
      return verdict.place.index;
    case 'refused':
      if (!verdict.decided) return 0;
      return draft.commands.length > 0 ? draft.index : draft.index - 1;
  }
}

/** Within a refused atomic batch: what was fine falls with the rest, by state. */
function whole(verdict: Verdict): Verdict {
  if (verdict.kind === 'refused') return verdict;
  return { kind: 'refused', refusal: notWhole, decided: true };
}

const notWhole: Refusal = {
  reason: 'ATOMIC_BATCH',
  field: 'atomic',
  message: 'another command of the atomic batch was refused, or stored before: none was stored now',
};

function busy(limit: number, unit: string): Refusal {
  const message = `the partition has ${limit} ${unit} waiting, the limit`;
  return { reason: 'BUSY', field: 'partition', limit, message, retryAfterMs: 20 };
}
