// A disk for the outbox: writes stand one after the other, and a crash takes some of those that were not
// synced. Each write happens when the test says so.
import { MemoryOutboxStore } from '../../src/client/outbox-memory.ts';
import type { OutboxStore, OutboxWrite, PageLimit } from '../../src/client/outbox-store.ts';

export class CrashStore implements OutboxStore {
  /** In order. */
  readonly writes: OutboxWrite[] = [];
  /** So many of them survive a crash. */
  synced = 0;
  isClosed = false;
  /** Writes wait for `finish`. */
  isSlow = false;
  private readonly memory = new MemoryOutboxStore();
  private pending: { write: OutboxWrite; sync: boolean; done: (error?: Error) => void } | null =
    null;

  get isWriting(): boolean {
    return this.pending !== null;
  }

  readHead() {
    return this.memory.readHead();
  }

  readChains() {
    return this.memory.readChains();
  }

  readMessages(conversation: string, after: number, limit: PageLimit) {
    return this.memory.readMessages(conversation, after, limit);
  }

  async write(write: OutboxWrite, { sync }: { readonly sync: boolean }): Promise<void> {
    if (this.pending !== null) throw new Error('one write at a time');
    return new Promise((resolve, reject) => {
      const done = (error?: Error) => (error === undefined ? resolve() : reject(error));
      this.pending = { write, sync, done };
      if (!this.isSlow) this.finish();
    });
  }

  /** The write that is under way ends. */
  finish(error?: Error): void {
    const { pending } = this;
    this.pending = null;
    if (error === undefined && pending !== null) {
      this.writes.push(pending.write);
      if (pending.sync) this.synced = this.writes.length;
      void this.memory.write(pending.write);
    }
    pending?.done(error);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.synced = this.writes.length;
  }

  /** What the next process finds: all that was synced, and by `choice` some of what was not. */
  crash(choice: number): CrashStore {
    const all = this.pending === null ? this.writes : [...this.writes, this.pending.write];
    const count = this.synced + (choice % (all.length - this.synced + 1));
    const next = new CrashStore();
    for (const write of all.slice(0, count)) {
      next.writes.push(write);
      void next.memory.write(write);
    }
    next.synced = count;
    return next;
  }
}
