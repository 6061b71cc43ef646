// Groups that have their verdicts and wait to be answered: until the newest entry they rest on is
// committed and, where a refusal rests on state, until leadership was confirmed by a round begun
// after the decision. If the term ends first, what was stored is unknown and what was refused is
// NOT_LEADER, never the refusal.
import type { Refusal } from '../errors.ts';
import { breakOrder, type Group, isPlaced, type Outcome, refused } from './groups.ts';

export interface Decided {
  readonly group: Group;
  readonly outcomes: Outcome[];
  /** Answered once this index is committed. */
  readonly index: number;
  /** Some refusal among the outcomes rests on state. */
  readonly confirm: boolean;
}

interface Waiting extends Decided {
  open: number;
}

export class Waits {
  private readonly byIndex = new Map<number, Waiting[]>();
  private readonly byRound = new Map<number, Waiting>();
  /** Asks for a read round that begins now; its context comes back by `confirmed`. */
  private readonly askRound: () => number;

  constructor(askRound: () => number) {
    this.askRound = askRound;
  }

  add(decided: Decided, committed: number): void {
    const isCommitted = decided.index <= committed;
    if (isCommitted && !decided.confirm) {
      decided.group.done(decided.outcomes);
      return;
    }
    const waiting: Waiting = {
      ...decided,
      open: (isCommitted ? 0 : 1) + (decided.confirm ? 1 : 0),
    };
    if (!isCommitted) this.waitForIndex(waiting);
    if (decided.confirm) this.byRound.set(this.askRound(), waiting);
  }

  committed(index: number): void {
    const waiting = this.byIndex.get(index);
    if (waiting === undefined) return;
    this.byIndex.delete(index);
    for (const each of waiting) this.close(each);
  }

  /** True: the context was one of these. Leadership lost meanwhile is told by `fail`. */
  confirmed(context: number): boolean {
    const waiting = this.byRound.get(context);
    if (waiting === undefined) return false;
    this.byRound.delete(context);
    this.close(waiting);
    return true;
  }

  /** The term ended. */
  fail(notLeader: Refusal, term: number): void {
    const all = new Set([...this.byRound.values(), ...[...this.byIndex.values()].flat()]);
    this.byIndex.clear();
    this.byRound.clear();
    for (const { group, outcomes } of all) {
      group.done(failedOutcomes(group, outcomes, notLeader, term));
    }
  }

  private waitForIndex(waiting: Waiting): void {
    const same = this.byIndex.get(waiting.index);
    if (same === undefined) this.byIndex.set(waiting.index, [waiting]);
    else same.push(waiting);
  }

  private close(waiting: Waiting): void {
    waiting.open -= 1;
    if (waiting.open === 0) waiting.group.done(waiting.outcomes);
  }
}

/** What the outcomes of sequenced commands become when the term ends before they were answered. */
export function failedOutcomes(
  group: Group,
  outcomes: readonly Outcome[],
  notLeader: Refusal,
  term: number,
): Outcome[] {
  return outcomes.map((outcome, slot) => {
    const item = group.commands[slot];
    if (item === undefined || !isPlaced(item)) return outcome;
    if (outcome.kind === 'held') return outcome;
    if (outcome.kind === 'refused') return refused(notLeader);
    const message = `leadership ended before entry ${outcome.index} of term ${term} was committed`;
    return breakOrder(group, item, { reason: 'OUTCOME_UNKNOWN', message });
  });
}
