// Links that came before their predecessor and wait for it, in the leader's memory: they are not in the
// log, and end with the leader's term. Bounded per chain and per node.
import type { Link } from '../command.ts';
import type { Refusal } from '../errors.ts';
import type { Chain } from '../order/chains.ts';
import type { EffectivePolicy } from '../order/policy.ts';
import { type HeldVerdict, type Placed, samePayload } from '../order/sequencer.ts';
import { type Final, refused } from './groups.ts';

export const holdLimits = {
  chainCommands: 64,
  chainBytes: 1024 * 1024,
  nodeBytes: 16 * 1024 * 1024,
  /** Whom the end of one is told to: who sent it, and who repeated it, on streams that stand. */
  tellings: 16,
  /** What one costs besides its bytes, in the node's count. */
  overheadBytes: 1024,
} as const;

/** Bytes of memory held by all partitions of a node. */
export interface HoldBudget {
  bytes: number;
}

/** Who waits for the end of a held command. */
export interface Listener {
  readonly tell: (outcome: Final) => void;
  /** Its stream has ended. */
  readonly isGone: () => boolean;
}

export interface HeldCommand {
  readonly placed: Placed;
  readonly link: Link;
  readonly arrival: number;
  readonly sinceMs: number;
  waitMs: number;
  /** Its wait is over, what is held before it goes with it soon. */
  isOver: boolean;
  /** The end of its wait is the end of all that wait in its chain. */
  rejects: boolean;
  /** More than one where the same came again. */
  listeners: readonly Listener[];
}

/** What goes, when it is asked for: nothing, where it went in the meantime. */
export type WaitOver = () => readonly HeldCommand[];

/** Of one device of a sender in a conversation. */
interface HeldChain {
  /** By epoch, client_seq and arrival. */
  commands: HeldCommand[];
  bytes: number;
}

export class Holds {
  private readonly chains = new Map<string, HeldChain>();
  /** More than one where a key came with several payloads. */
  private readonly byKey = new Map<string, HeldCommand[]>();
  private readonly budget: HoldBudget;
  private arrivals = 0;
  /** No wait ends before. */
  private nextDueMs = Number.POSITIVE_INFINITY;

  constructor(budget: HoldBudget) {
    this.budget = budget;
  }

  get isEmpty(): boolean {
    return this.chains.size === 0;
  }

  /** The held command of the same key and payload; null: there is none. */
  same(placed: Placed): HeldCommand | null {
    if (this.byKey.size === 0 || placed.command.identity === '') return null;
    const held = this.byKey.get(placed.command.identity) ?? [];
    return held.find((each) => samePayload(each.placed.command, placed.command)) ?? null;
  }

  /** Who repeats a held command is told of its end too. False: too many are. */
  join(held: HeldCommand, listener: Listener): boolean {
    const listeners = held.listeners.filter(({ isGone }) => !isGone());
    if (listeners.length >= holdLimits.tellings) return false;
    held.listeners = [...listeners, listener];
    return true;
  }

  /** False: there is no room for it. */
  add(
    placed: Placed,
    link: Link,
    verdict: HeldVerdict,
    nowMs: number,
    listener: Listener,
  ): boolean {
    const bytes = placed.command.bytes.length;
    const name = nameOf(link);
    const chain = this.chains.get(name) ?? { commands: [], bytes: 0 };
    if (chain.commands.length >= holdLimits.chainCommands) return false;
    if (chain.bytes + bytes > holdLimits.chainBytes) return false;
    if (this.budget.bytes + bytes + holdLimits.overheadBytes > holdLimits.nodeBytes) return false;
    const { waitMs, rejects } = verdict;
    this.arrivals += 1;
    const arrival = this.arrivals;
    const held = {
      placed: owned(placed),
      link,
      arrival,
      sinceMs: nowMs,
      waitMs,
      rejects,
      isOver: false,
      listeners: [listener],
    };
    const after = chain.commands.findIndex((each) => isAfter(each.link, link));
    chain.commands.splice(after < 0 ? chain.commands.length : after, 0, held);
    this.nextDueMs = Math.min(this.nextDueMs, dueMs(held));
    chain.bytes += bytes;
    this.budget.bytes += bytes + holdLimits.overheadBytes;
    this.chains.set(name, chain);
    const key = placed.command.identity;
    if (key === '') return true;
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), held]);
    return true;
  }

  /** Takes out one that need not wait any more: it follows, or it can never follow. */
  next(link: Link, { epoch, last }: Chain): HeldCommand | null {
    const chain = this.chains.get(nameOf(link));
    const found = chain?.commands.find((each) => {
      if (each.link.epoch !== epoch) return each.link.epoch < epoch;
      return each.link.prev !== null && each.link.prev <= last;
    });
    if (chain === undefined || found === undefined) return null;
    this.remove(chain, [found]);
    return found;
  }

  /** What waits in the chain of this link. */
  inChain(link: Link): readonly HeldCommand[] {
    return this.chains.get(nameOf(link))?.commands ?? [];
  }

  /** What has to go before a link that does not wait; of its chain, in order. */
  before(link: Link, rejects: boolean): readonly HeldCommand[] {
    return this.inChain(link).filter((each) => rejects || !isAfter(each.link, link));
  }

  /** False: it is not held any more. */
  take(held: HeldCommand): boolean {
    const chain = this.chains.get(nameOf(held.link));
    if (chain === undefined || !chain.commands.includes(held)) return false;
    this.remove(chain, [held]);
    return true;
  }

  /** Those whose wait is over, the longest over first; each is told once. */
  expired(nowMs: number): WaitOver[] {
    if (nowMs < this.nextDueMs) return [];
    const waiting = [...this.chains.values()]
      .flatMap(({ commands }) => commands)
      .filter(({ isOver }) => !isOver)
      .sort((a, b) => dueMs(a) - dueMs(b) || a.arrival - b.arrival);
    const later = waiting.findIndex((held) => dueMs(held) > nowMs);
    const due = later < 0 ? waiting : waiting.slice(0, later);
    const next = waiting[due.length];
    this.nextDueMs = next === undefined ? Number.POSITIVE_INFINITY : dueMs(next);
    return due.map((held) => {
      held.isOver = true;
      return () => {
        const all = this.inChain(held.link);
        const at = all.indexOf(held);
        return at >= 0 && held.rejects ? all : all.slice(0, at + 1);
      };
    });
  }

  /** Waits last as long as the policy says now. */
  policyChanged(conversation: string, policy: EffectivePolicy): void {
    const { gapWaitMs, gapAction, chainsCount } = policy;
    this.nextDueMs = 0;
    for (const { commands } of this.chains.values()) {
      for (const held of commands) {
        if (held.placed.command.conversation !== conversation) continue;
        held.waitMs = gapWaitMs;
        held.rejects = chainsCount && gapAction === 'reject';
      }
    }
  }

  /** The term ended: nothing of them was stored. */
  fail(refusal: Refusal): void {
    for (const chain of [...this.chains.values()]) {
      const { commands } = chain;
      this.remove(chain, commands);
      for (const { listeners } of commands) {
        for (const { tell } of listeners) tell(refused(refusal));
      }
    }
  }

  private remove(chain: HeldChain, gone: readonly HeldCommand[]): void {
    chain.commands = chain.commands.filter((each) => !gone.includes(each));
    for (const held of gone) {
      const { command } = held.placed;
      chain.bytes -= command.bytes.length;
      this.budget.bytes -= command.bytes.length + holdLimits.overheadBytes;
      if (chain.commands.length === 0) this.chains.delete(nameOf(held.link));
      const key = command.identity;
      if (key === '') continue;
      const others = (this.byKey.get(key) ?? []).filter((each) => each !== held);
      if (others.length === 0) this.byKey.delete(key);
      else this.byKey.set(key, others);
    }
  }
}

/** With bytes of its own: those that came are a view of their frame, which would stay as long as it is held. */
function owned({ command, shard }: Placed): Placed {
  return { command: { ...command, bytes: new Uint8Array(command.bytes) }, shard };
}

function dueMs({ sinceMs, waitMs }: HeldCommand): number {
  return sinceMs + waitMs;
}

function isAfter(one: Link, other: Link): boolean {
  return one.epoch === other.epoch ? one.clientSeq > other.clientSeq : one.epoch > other.epoch;
}

/** With a length: senders and devices are of any characters. */
function nameOf({ chain, device }: Link): string {
  return `${chain.length}\0${chain}${device}`;
}
