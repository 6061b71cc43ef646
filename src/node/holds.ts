// Links that came before their predecessor and wait for it, in the leader's memory: they are not in the
// log, and end with the leader's term. Bounded per chain and per node.
import type { Link } from '../command.ts';
import type { Refusal } from '../errors.ts';
import { type HeldVerdict, identityOf, type Placed, samePayload } from '../order/sequencer.ts';
import { type Final, refused } from './groups.ts';

export const holdLimits = {
  chainCommands: 64,
  chainBytes: 1024 * 1024,
  nodeBytes: 16 * 1024 * 1024,
} as const;

/** Bytes held by all partitions of a node. */
export interface HoldBudget {
  bytes: number;
}

export interface HeldCommand {
  readonly placed: Placed;
  readonly link: Link;
  /** client_seq of the newest link stored when it came. */
  readonly last: number;
  readonly untilMs: number;
  readonly rejects: boolean;
  /** More than one where the same came again. */
  readonly tell: ((outcome: Final) => void)[];
}

interface HeldChain {
  /** Ascending by client_seq. */
  commands: HeldCommand[];
  bytes: number;
}

export class Holds {
  private readonly chains = new Map<string, HeldChain>();
  private readonly byKey = new Map<string, HeldCommand>();
  private readonly budget: HoldBudget;

  constructor(budget: HoldBudget) {
    this.budget = budget;
  }

  get isEmpty(): boolean {
    return this.chains.size === 0;
  }

  /** The same command, held already: `tell` hears its end too. 'other': its key is held by another one. */
  join(placed: Placed, tell: (outcome: Final) => void): HeldCommand | 'other' | null {
    if (this.byKey.size === 0 || !placed.command.hasKey) return null;
    const held = this.byKey.get(identityOf(placed.command));
    if (held === undefined) return null;
    if (!samePayload(held.placed.command, placed.command)) return 'other';
    held.tell.push(tell);
    return held;
  }

  /** False: there is no room for it. */
  add(
    placed: Placed,
    link: Link,
    verdict: HeldVerdict,
    nowMs: number,
    tell: (outcome: Final) => void,
  ): boolean {
    const bytes = placed.command.bytes.length;
    const name = nameOf(link);
    const chain = this.chains.get(name) ?? { commands: [], bytes: 0 };
    if (chain.commands.length >= holdLimits.chainCommands) return false;
    if (chain.bytes + bytes > holdLimits.chainBytes) return false;
    if (this.budget.bytes + bytes > holdLimits.nodeBytes) return false;
    const { last, waitMs, rejects } = verdict;
    const held = { placed, link, last, untilMs: nowMs + waitMs, rejects, tell: [tell] };
    const after = chain.commands.findIndex((each) => each.link.clientSeq > link.clientSeq);
    chain.commands.splice(after < 0 ? chain.commands.length : after, 0, held);
    chain.bytes += bytes;
    this.budget.bytes += bytes;
    this.chains.set(name, chain);
    if (placed.command.hasKey) this.byKey.set(identityOf(placed.command), held);
    return true;
  }

  /** Takes out the one that follows `last` in the chain of `link`. */
  next(link: Link, last: number): HeldCommand | null {
    const chain = this.chains.get(nameOf(link));
    // Below `last`: it lost its place to another one, and has to be told.
    const found = chain?.commands.find(({ link: { prev } }) => prev !== null && prev <= last);
    if (chain === undefined || found === undefined) return null;
    this.remove(chain, [found]);
    return found;
  }

  /** Takes out those whose wait is over, each with what is before it in its chain. */
  expired(nowMs: number): HeldCommand[] {
    const all: HeldCommand[] = [];
    for (const chain of this.chains.values()) {
      const newest = chain.commands.findLastIndex(({ untilMs }) => untilMs <= nowMs);
      if (newest < 0) continue;
      const isLost = chain.commands[newest]?.rejects === true;
      const over = isLost ? [...chain.commands] : chain.commands.slice(0, newest + 1);
      this.remove(chain, over);
      all.push(...over);
    }
    return all;
  }

  /** The term ended: nothing of them was stored. */
  fail(refusal: Refusal): void {
    for (const chain of [...this.chains.values()]) {
      const { commands } = chain;
      this.remove(chain, [...commands]);
      for (const { tell } of commands) for (const each of tell) each(refused(refusal));
    }
  }

  private remove(chain: HeldChain, gone: readonly HeldCommand[]): void {
    chain.commands = chain.commands.filter((each) => !gone.includes(each));
    for (const { placed, link } of gone) {
      const bytes = placed.command.bytes.length;
      chain.bytes -= bytes;
      this.budget.bytes -= bytes;
      if (placed.command.hasKey) this.byKey.delete(identityOf(placed.command));
      if (chain.commands.length === 0) this.chains.delete(nameOf(link));
    }
  }
}

function nameOf({ chain, device, epoch }: Link): string {
  return `${chain}\0${device}\0${epoch}`;
}
