// What an app's outbox keeps, on a disk that takes a while: it outlives the app's process, and whatever that
// process still does after its end does not reach it.
import { MemoryOutboxStore } from '../client/outbox-memory.ts';
import type { OutboxStore, OutboxWrite } from '../client/outbox-store.ts';
import type { Machine } from './machine.ts';

const diskMs = 1;

export class AppDisk {
  private readonly kept = new MemoryOutboxStore();

  /** For the process that runs now. */
  open(machine: Machine): OutboxStore {
    const { kept } = this;
    const waits = () => machine.pass(diskMs);
    return {
      readHead: () => waits().then(() => kept.readHead()),
      readChains: () => waits().then(() => kept.readChains()),
      readMessages: (conversation, after, limit) =>
        waits().then(() => kept.readMessages(conversation, after, limit)),
      write: (write: OutboxWrite) => waits().then(() => kept.write(write)),
      close: () => waits(),
    };
  }
}
