// The messages of a subscription, without its other events. Not a generator: that one would end only with its
// next message.
import type { Message } from './message.ts';
import type { Subscription } from './subscription.ts';

export class Messages implements AsyncIterableIterator<Message> {
  private readonly subscription: Subscription;
  /** One takes after the other, so that each gets the message whose turn it is. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(subscription: Subscription) {
    this.subscription = subscription;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    const taken = this.last.then(() => this.take());
    this.last = taken.catch(() => undefined);
    return taken;
  }

  /** Ends the subscription: what waits in `next`, and every later one, is done. */
  async return(): Promise<IteratorResult<Message>> {
    await this.subscription.return();
    return { done: true, value: undefined };
  }

  private async take(): Promise<IteratorResult<Message>> {
    for (;;) {
      const { done, value } = await this.subscription.next();
      if (done) return { done, value: undefined };
      if (value.kind === 'message') return { done: false, value: value.message };
    }
  }
}
