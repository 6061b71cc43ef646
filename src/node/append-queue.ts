// Commands that wait for the leader's sequencer, in arrival order, and their passage through it:
// what they need and memory does not have is fetched for a whole window at once, then they are
// sequenced into entries. Behind a command that waits, all of its partition wait.
import { assert } from '../assert.ts';
import type { Link } from '../command.ts';
import type { Refusal } from '../errors.ts';
import type { KeyPlace } from '../order/page.ts';
import { senderGap } from '../order/refusals.ts';
import type {
  Arrival,
  Draft,
  HeldVerdict,
  Needs,
  Placed,
  Sequencer,
  Verdict,
} from '../order/sequencer.ts';
import type { NodeLimits } from './config.ts';
import {
  breakOrder,
  type Final,
  type Group,
  type Held,
  isPlaced,
  type Outcome,
  repeatOf,
} from './groups.ts';
import type { HeldCommand, Holds, Listener, WaitOver } from './holds.ts';
import { outOfOrder } from './session-order.ts';
import type { Decided } from './waits.ts';

/** What the queue asks of its replica while sequencing. */
export interface SequencingHost {
  readonly sequencer: Sequencer;
  /** Index of the next entry, and its stamp; null: no time is known, or too much is uncommitted. */
  openDraft(): Draft | null;
  /** Appends the draft to the log. */
  propose(draft: Draft): void;
  /** The stored message or event at that place; in memory by now. */
  original(place: KeyPlace): Final;
  readonly holds: Holds;
  readonly partition: number;
  nowMs(): number;
  decided(decided: Decided): void;
}

interface Queued {
  readonly group: Group;
  readonly outcomes: Outcome[];
  /** In this round of looks, its commands before this one were found to need nothing. */
  ready: number;
  round: number;
  /** Newest entry that an outcome so far rests on. */
  index: number;
  confirm: boolean;
}

export class AppendQueue {
  private readonly limits: NodeLimits;
  private groups: Queued[] = [];
  private commands = 0;
  private bytes = 0;
  /** Of looks at what commands need: while a write is in flight, each command is looked at once. */
  private round = 0;
  private rowsVersion = 0;
  /** So many of the first were at hand when something was fetched last; 0 = nothing was since the last pass. */
  private fetchedFor = 0;

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
    this.groups.push(queuedOf(group));
    return null;
  }

  /** Whatever the queue's limits: what is held has its own. */
  pushWaitOver(partition: number, all: readonly WaitOver[]): void {
    for (const waitOver of all) this.groups.push(queuedOf({ ...emptyGroup(partition), waitOver }));
  }

  /** Empties the queue; what was already sequenced of a group stands in its outcomes. */
  drain(): Decided[] {
    const all = this.groups;
    this.groups = [];
    this.commands = 0;
    this.bytes = 0;
    this.fetchedFor = 0;
    return all;
  }

  /**
   * What the next window of commands needs and memory does not have, and what they may let go. Where they may be
   * sequenced, those that came while something was fetched wait for the next pass: others may come while what
   * they need is fetched, and so on.
   */
  needs(sequencer: Sequencer, holds: Holds, nowMs: number, maySequence: boolean): Needs {
    const { sequenceWindow } = this.limits;
    const isLimited = maySequence && this.fetchedFor > 0;
    const needs = this.look(sequencer, holds, nowMs, isLimited ? this.fetchedFor : sequenceWindow);
    const isReady = needs.rows.length === 0 && needs.entries.size === 0;
    if (!isReady && !isLimited)
      this.fetchedFor = Math.min(sequenceWindow, Math.max(1, this.commands));
    return needs;
  }

  private look(sequencer: Sequencer, holds: Holds, nowMs: number, window: number): Needs {
    const needs: Needs = { rows: [], entries: new Set() };
    const chains = new Set<readonly HeldCommand[]>();
    const collectChain = (link: Link) => {
      const held = holds.inChain(link);
      if (held.length === 0 || chains.has(held)) return;
      chains.add(held);
      for (const { placed } of held) sequencer.collectNeeds(placed, nowMs, needs);
    };
    if (this.rowsVersion !== sequencer.rowsVersion) this.round += 1;
    this.rowsVersion = sequencer.rowsVersion;
    let left = window;
    for (const queued of this.groups) {
      const { group, outcomes } = queued;
      if (queued.round !== this.round) queued.ready = outcomes.length;
      queued.round = this.round;
      if (group.waitOver !== undefined) left -= 1;
      const [lowest] = group.waitOver?.() ?? [];
      if (lowest !== undefined) collectChain(lowest.link);
      for (let slot = outcomes.length; slot < group.commands.length; slot++) {
        if (left-- <= 0 && !group.atomic) return needs;
        const item = group.commands[slot];
        if (slot < queued.ready || item === undefined || !isPlaced(item)) continue;
        const isReady = sequencer.collectNeeds(item, nowMs, needs);
        if (isReady && slot === queued.ready) queued.ready += 1;
        if (!holds.isEmpty && item.command.link !== null) collectChain(item.command.link);
      }
      if (left <= 0) return needs;
    }
    return needs;
  }

  /** Sequences one window. True: there may be more. */
  sequence(host: SequencingHost): boolean {
    this.round += 1;
    const pass = new Pass(host, this.limits);
    let left = this.fetchedFor || this.limits.sequenceWindow;
    this.fetchedFor = 0;
    let done = 0;
    for (const queued of this.groups) {
      if (left <= 0) break;
      const before = queued.outcomes.length;
      const more = pass.group(queued, left);
      // What ends a wait counts too, though it has no commands of its own.
      left -= Math.max(1, queued.outcomes.length - before);
      if (!more) break;
      done += 1;
      this.commands -= queued.group.commands.length;
      this.bytes -= queued.group.bytes;
    }
    pass.close();
    for (const queued of this.groups.splice(0, done)) host.decided(queued);
    for (const queued of pass.released) host.decided(queued);
    return left <= 0 && this.groups.length > 0;
  }
}

/** One run over the queue with at most one open draft. */
class Pass {
  private readonly host: SequencingHost;
  private readonly limits: NodeLimits;
  /** What left its hold in this run. */
  readonly released: Queued[] = [];
  private draft: Draft | null = null;

  constructor(host: SequencingHost, limits: NodeLimits) {
    this.host = host;
    this.limits = limits;
  }

  /** True: the whole group has its outcomes. */
  group(queued: Queued, window: number): boolean {
    const { group, outcomes } = queued;
    if (outcomes.length === 0) group.session?.restart(group.restart);
    if (group.waitOver !== undefined) return this.endWait(group.waitOver);
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
      if (this.joins(queued, item, draft)) continue;
      this.settle(queued, item, this.verdict(group, item, draft), draft);
      this.letFollow(item, draft);
      this.closeFull(draft);
    }
    return outcomes.length === group.commands.length;
  }

  close(): void {
    const { draft } = this;
    this.draft = null;
    if (draft !== null && draft.commands.length > 0) this.host.propose(draft);
  }

  /** Wherever something joins a draft: an entry that grew on would fit no frame, and no place could name its slots. */
  private closeFull(draft: Draft): void {
    if (draft.commandBytes >= this.limits.entryBytesTarget) this.close();
  }

  private openDraft(): Draft | null {
    this.draft ??= this.host.openDraft();
    return this.draft;
  }

  private verdict(group: Group, item: Placed, draft: Draft): Verdict {
    if (group.session?.isBroken(item.command.conversation)) {
      return { kind: 'refused', refusal: outOfOrder, decided: false };
    }
    const { sequencer, holds } = this.host;
    const { link } = item.command;
    const verdict = sequencer.sequence(item, draft);
    if (verdict.kind !== 'held' || verdict.waitMs > 0 || link === null) return verdict;
    // Nothing waits any more under this policy: first goes what is held before it.
    while (!group.atomic && sequencer.isAhead(link)) {
      const before = holds.before(link, verdict.rejects);
      if (before.length === 0) break;
      this.letGoAll(verdict.rejects ? before : before.slice(0, 1), draft);
    }
    return sequencer.sequence(item, draft, 'waited');
  }

  /** The lowest first, as long as the one is held whose wait is over. False: no draft can be opened now. */
  private endWait(waitOver: WaitOver): boolean {
    for (;;) {
      const over = waitOver();
      const [lowest] = over;
      if (lowest === undefined) return true;
      const draft = this.openDraft();
      if (draft === null) return false;
      this.letGoAll(lowest.rejects ? over : [lowest], draft);
      this.closeFull(draft);
    }
  }

  /** Of those that still wait when it is their turn. */
  private letGoAll(over: readonly HeldCommand[], draft: Draft): void {
    for (const held of over) {
      if (this.host.holds.take(held)) this.letGo(held, 'waited', draft);
    }
  }

  /** It is held already: the same key and payload. */
  private joins(queued: Queued, item: Placed, draft: Draft): boolean {
    const { holds, sequencer } = this.host;
    const { group, outcomes } = queued;
    const held = holds.same(item);
    if (held === null || group.session?.isBroken(item.command.conversation)) return false;
    if (sequencer.judgeRepeat(item.command, draft) !== null) return false;
    const waits = this.heldOf(held.link);
    const isTold = holds.join(held, listenerOf(group, outcomes.length));
    outcomes.push(isTold ? waits : noRoom(group, item, waits));
    return true;
  }

  private heldOf(link: Link): Held {
    const chain = this.host.sequencer.chainOf(link);
    const last = chain?.epoch === link.epoch ? chain.last : 0;
    return { kind: 'held', last, want: link.prev ?? 0 };
  }

  /** What was held and need not wait any more, now that this command was sequenced. */
  private letFollow({ command }: Placed, draft: Draft): void {
    const { holds, sequencer } = this.host;
    const { link, event, conversation } = command;
    if (holds.isEmpty) return;
    if (event?.kind === 'set-policy') {
      holds.policyChanged(conversation, sequencer.policyOf(conversation));
    }
    if (link === null || link.prev === null) return;
    for (;;) {
      const chain = sequencer.chainOf(link);
      const held = chain === undefined ? null : holds.next(link, chain);
      if (held === null) return;
      this.letGo(held, 'held', draft);
    }
  }

  private letGo(held: HeldCommand, arrival: Arrival, draft: Draft): void {
    const queued = queuedOf(groupOf(this.host.partition, held));
    const verdict = this.host.sequencer.sequence(held.placed, draft, arrival);
    this.settle(queued, held.placed, verdict, draft);
    this.released.push(queued);
    this.letFollow(held.placed, draft);
  }

  private settle(queued: Queued, item: Placed, verdict: Verdict, draft: Draft): void {
    const slot = queued.outcomes.length;
    queued.outcomes.push(this.outcome(queued.group, slot, item, verdict, draft));
    queued.index = Math.max(queued.index, restsOn(verdict, draft));
    if (verdict.kind === 'refused' && verdict.decided) queued.confirm = true;
  }

  private outcome(
    group: Group,
    slot: number,
    item: Placed,
    verdict: Verdict,
    draft: Draft,
  ): Outcome {
    switch (verdict.kind) {
      case 'stored':
        return verdict;
      case 'duplicate':
        return this.duplicate(verdict.place, draft);
      case 'refused':
        return breakOrder(group, item, verdict.refusal);
      case 'held':
        return this.hold(group, slot, item, verdict);
    }
  }

  private hold(group: Group, slot: number, item: Placed, verdict: HeldVerdict): Outcome {
    const { holds } = this.host;
    const { link } = item.command;
    assert(link !== null, 'only links are held');
    const waits = this.heldOf(link);
    const listener = listenerOf(group, slot);
    if (holds.add(item, link, verdict, this.host.nowMs(), listener)) return waits;
    return noRoom(group, item, waits);
  }

  /** The original may stand in the draft itself. */
  private duplicate(place: KeyPlace, draft: Draft): Final {
    if (place.index !== draft.index) return this.host.original(place);
    return repeatOf(draft.columns, place, draft);
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
    sequencer.begin();
    const verdicts = items.map((item) => unheld(item, this.verdict(group, item, draft)));
    const isRepeat = verdicts.every((verdict) => verdict.kind === 'duplicate');
    if (isRepeat || verdicts.every((verdict) => verdict.kind === 'stored')) {
      sequencer.keep();
      this.settleAll(queued, items, verdicts, draft);
      for (const item of items) this.letFollow(item, draft);
    } else {
      sequencer.rollback();
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
    case 'stored':
      return draft.index;
    case 'duplicate':
      return verdict.place.index;
    case 'held':
      return 0;
    case 'refused':
      if (!verdict.decided) return 0;
      return draft.commands.length > 0 ? draft.index : draft.index - 1;
  }
}

/** It would have to wait, and nothing more may. */
function noRoom(group: Group, item: Placed, { want, last }: Held): Final {
  return breakOrder(group, item, senderGap(want, last).refusal);
}

/** Within an atomic batch nothing is held. */
function unheld(item: Placed, verdict: Verdict): Verdict {
  if (verdict.kind !== 'held') return verdict;
  return senderGap(item.command.link?.prev ?? 0, verdict.last);
}

/** Of the group nothing else is kept: its commands are views of their frame. */
function listenerOf({ later, session }: Group, slot: number): Listener {
  return {
    tell: (outcome) => later(slot, outcome),
    isGone: () => session?.isClosed ?? false,
  };
}

/** A held command, by itself: its end goes to all who sent it. */
function groupOf(partition: number, { placed, listeners }: HeldCommand): Group {
  const end = (outcome: Outcome | undefined) => {
    if (outcome === undefined || outcome.kind === 'held') return;
    for (const { tell } of listeners) tell(outcome);
  };
  return {
    ...emptyGroup(partition),
    commands: [placed],
    bytes: placed.command.bytes.length,
    done: ([outcome]) => end(outcome),
    later: (_slot, outcome) => end(outcome),
  };
}

function emptyGroup(partition: number): Group {
  const nobody = () => {};
  const rest = { atomic: false, restart: [], session: null, done: nobody, later: nobody };
  return { partition, commands: [], bytes: 0, ...rest };
}

function queuedOf(group: Group): Queued {
  return { group, outcomes: [], ready: 0, round: 0, index: 0, confirm: false };
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
