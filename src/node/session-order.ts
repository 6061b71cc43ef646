// The order of conversations on one stream: once a command of a conversation ended neither stored nor
// duplicate, every later one of it is refused until the client names it in `restart`. Later is what comes
// later on the stream: a group may be refused as it comes while one before it still waits.
import type { Refusal } from '../errors.ts';

const brokenMax = 65_536;

/** Numbers of groups, by their order on the stream: what is between them is refused too. */
interface Broken {
  first: number;
  last: number;
}

export class SessionOrder {
  private readonly broken = new Map<string, Broken>();
  private groups = 0;
  /** The stream has ended: nobody hears of its commands any more. */
  isClosed = false;

  /** Too many at once: the stream has to end. */
  get isOverfull(): boolean {
    return this.broken.size > brokenMax;
  }

  /** The next one that came. */
  nextGroup(): GroupOrder {
    this.groups += 1;
    return new GroupOrder(this, this.broken, this.groups);
  }
}

/** The order as one group has to keep it. */
export class GroupOrder {
  private readonly session: SessionOrder;
  private readonly broken: Map<string, Broken>;
  private readonly number: number;

  constructor(session: SessionOrder, broken: Map<string, Broken>, number: number) {
    this.session = session;
    this.broken = broken;
    this.number = number;
  }

  get isClosed(): boolean {
    return this.session.isClosed;
  }

  break(conversation: string): void {
    const { number } = this;
    const known = this.broken.get(conversation);
    if (known === undefined) this.broken.set(conversation, { first: number, last: number });
    else {
      known.first = Math.min(known.first, number);
      known.last = Math.max(known.last, number);
    }
  }

  isBroken(conversation: string): boolean {
    if (this.broken.size === 0) return false;
    return (this.broken.get(conversation)?.first ?? Infinity) <= this.number;
  }

  /** Forgives what came before this group, not what was refused behind it meanwhile. */
  restart(conversations: readonly string[]): void {
    for (const conversation of conversations) {
      const known = this.broken.get(conversation);
      if (known === undefined) continue;
      if (known.last < this.number) this.broken.delete(conversation);
      else known.first = Math.max(known.first, this.number + 1);
    }
  }
}

export const outOfOrder: Refusal = {
  reason: 'SESSION_ORDER',
  field: 'conversation',
  message: 'an earlier append of this conversation on this stream was not stored: restart it',
};
