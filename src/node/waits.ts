// Groups that have their verdicts and wait to be answered: until the newest entry they rest on is
// committed and, where a refusal rests on state, until leadership was confirmed by a round begun
// after the decision. If the term ends first, what is committed keeps its result, what is only
// proposed is unknown, and what was refused or not sequenced is NOT_LEADER, never the refusal.
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

/** What is known when leadership in a term ends. */
export interface EndedTerm {
  /** For what was not stored. */
  readonly refusal: Refusal;
  readonly isCommitted: (entry: { readonly index: number; readonly term: number }) => boolean;
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
    // What is added stands first: V8 copies slowly into an object that begins with a spread.
    const waiting: Waiting = {
      open: (isCommitted ? 0 : 1) + (decided.confirm ? 1 : 0),
      ...decided,
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
  fail(ended: EndedTerm): void {
    const all = new Set([...this.byRound.values(), ...[...this.byIndex.values()].flat()]);
    this.byIndex.clear();
    this.byRound.clear();
    for (const { group, outcomes } of all) {
      group.done(endedOutcomes(group, outcomes, ended));
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

/** What a group is answered whose term ended before it was answered; `outcomes` of what was sequenced. */
export function endedOutcomes(
  group: Group,
  outcomes: readonly Outcome[],
  { refusal, isCommitted }: EndedTerm,
): Outcome[] {
  return group.commands.map((item, slot) => {
    const outcome = outcomes[slot];
    if (outcome === undefined) return breakOrder(group, item, refusal);
    if (!isPlaced(item) || outcome.kind === 'held') return outcome;
    if (outcome.kind === 'refused') return refused(refusal);
    if (isCommitted(outcome)) return outcome;
    const { index, term } = outcome;
    const message = `leadership ended before entry ${index} of term ${term} was committed`;
    return breakOrder(group, item, { reason: 'OUTCOME_UNKNOWN', message });
  });
}
