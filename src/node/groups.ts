// Commands of one client frame for one partition, and what becomes of them: the form in which the
// edge hands them to a replica and gets them back.
import type { Refusal } from '../errors.ts';
import type { Placed } from '../order/sequencer.ts';
import type { SessionOrder } from './session-order.ts';

/** Stored: the numbers of the message, the original's where it is a duplicate. */
export interface Stored {
  readonly kind: 'stored';
  readonly duplicate: boolean;
  readonly seq: number;
  readonly rev: number;
  readonly idMs: number;
  readonly idCounter: number;
  readonly shard: number;
  readonly timeMs: number;
  readonly index: number;
  readonly term: number;
}

export type Outcome = Stored | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface Group {
  readonly partition: number;
  /** Checked at the edge; a Refusal stands for a command that did not pass. */
  readonly commands: readonly (Placed | Refusal)[];
  readonly bytes: number;
  readonly atomic: boolean;
  readonly restart: readonly string[];
  /** null: a unary append. */
  readonly session: SessionOrder | null;
  /** Called once, with one outcome for each command. */
  readonly done: (outcomes: readonly Outcome[]) => void;
}

export function isPlaced(item: Placed | Refusal): item is Placed {
  return 'command' in item;
}

export function refused(refusal: Refusal): Outcome {
  return { kind: 'refused', refusal };
}

/** Answers the whole group with one refusal; its conversations' order is broken by it. */
export function refuseGroup(group: Group, refusal: Refusal): void {
  group.done(group.commands.map((item) => breakOrder(group, item, refusal)));
}

/** The outcome of a command that was not stored, after its conversation's order was broken. */
export function breakOrder(group: Group, item: Placed | Refusal, refusal: Refusal): Outcome {
  if (!isPlaced(item)) return refused(item);
  group.session?.break(item.command.conversation);
  return refused(refusal);
}
