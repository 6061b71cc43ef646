// The order of conversations on one stream: once a command of a conversation ended neither stored nor
// duplicate, every later one of it is refused until the client names it in `restart`.
import type { Refusal } from '../errors.ts';

const brokenMax = 65_536;

export class SessionOrder {
  private readonly broken = new Set<string>();

  break(conversation: string): void {
    this.broken.add(conversation);
  }

  /** Too many at once: the stream has to end. */
  get isOverfull(): boolean {
    return this.broken.size > brokenMax;
  }

  isBroken(conversation: string): boolean {
    return this.broken.size > 0 && this.broken.has(conversation);
  }

  restart(conversations: readonly string[]): void {
    for (const conversation of conversations) this.broken.delete(conversation);
  }
}

export const outOfOrder: Refusal = {
  reason: 'SESSION_ORDER',
  field: 'conversation',
  message: 'an earlier append of this conversation on this stream was not stored: restart it',
};
