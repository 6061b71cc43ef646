// Commands of one client frame for one partition, and what becomes of them: the form in which the
// edge hands them to a replica and gets them back.
import type { Refusal } from '../errors.ts';
import { type CommandsHeader, plainSlot } from '../order/header.ts';
import type { KeyPlace } from '../order/page.ts';
import type { Placed, Stored } from '../order/sequencer.ts';
import type { WaitOver } from './holds.ts';
import type { GroupOrder } from './session-order.ts';

/** It waits for its predecessor; what becomes of it is told by `Group.later`. */
export interface Held {
  readonly kind: 'held';
  /** client_seq of the newest link of its chain: what follows it is missing. */
  readonly last: number;
  readonly want: number;
}

/** The end of a command. */
export type Final = Stored | { readonly kind: 'refused'; readonly refusal: Refusal };
export type Outcome = Final | Held;

/** A command that did not pass the edge's check; it breaks its conversation's order like any refusal. */
export interface BadCommand {
  readonly refusal: Refusal;
  /** Canonical text; '' where none could be read. */
  readonly conversation: string;
}

export interface Group {
  readonly partition: number;
  /** Checked at the edge. */
  readonly commands: readonly (Placed | BadCommand)[];
  readonly bytes: number;
  readonly atomic: boolean;
  readonly restart: readonly string[];
  /** null: a unary append. */
  readonly session: GroupOrder | null;
  /** Called once, with one outcome for each command. */
  readonly done: (outcomes: readonly Outcome[]) => void;
  /** Called once for each command whose outcome was `held`; before `done` where it ends that soon. */
  readonly later: (slot: number, outcome: Final) => void;
  /** No commands of its own: the wait of held ones is over. */
  readonly waitOver?: WaitOver;
}

/** What a repeat of the command at `place` is answered: the original's numbers, by its entry's header. */
export function repeatOf(
  columns: CommandsHeader,
  { seq, slot }: KeyPlace,
  { timeMs, index, term }: Pick<Stored, 'timeMs' | 'index' | 'term'>,
): Stored {
  const at = (column: readonly number[]) => column[slot] ?? 0;
  const { lateFor, epoch } = columns.extras.get(slot) ?? plainSlot;
  return {
    kind: 'stored',
    duplicate: true,
    seq,
    rev: at(columns.revs),
    idMs: timeMs + at(columns.idAheadMs),
    idCounter: at(columns.idCounters),
    shard: at(columns.shards),
    timeMs,
    index,
    term,
    lateFor,
    epoch,
  };
}

export function isPlaced(item: Placed | BadCommand): item is Placed {
  return 'command' in item;
}

export function refused(refusal: Refusal): Final {
  return { kind: 'refused', refusal };
}

/** Answers the whole group with one refusal; its conversations' order is broken by it. */
export function refuseGroup(group: Group, refusal: Refusal): void {
  group.done(group.commands.map((item) => breakOrder(group, item, refusal)));
}

/** The outcome of a command that was not stored, after its conversation's order was broken. */
export function breakOrder(group: Group, item: Placed | BadCommand, refusal: Refusal): Final {
  if (isPlaced(item)) group.session?.break(item.command.conversation);
  else if (item.conversation !== '') group.session?.break(item.conversation);
  return refused(isPlaced(item) ? refusal : item.refusal);
}
