// The sending half of the outbox: reads what is kept as there is room in memory, hands it out in order, and
// acts on the answers. The state of each conversation is its chain's.
import type { Timer } from '../clock.ts';
import type { PacelineError } from '../errors.ts';
import type { Appended } from './append.ts';
import type { Chain, Item, Pause } from './outbox-chain.ts';
import type { FullOutboxOptions } from './outbox-options.ts';
import type { KeptMessage, PageLimit } from './outbox-store.ts';
import { judge } from './outbox-verdict.ts';
import { asError, type OutboxWriter } from './outbox-writer.ts';

const firstPauseMs = 50;
const pageBytes = 1024 * 1024;

export interface SenderOwner {
  onStored(kept: KeptMessage, appended: Appended): void;
  onFailed(kept: KeptMessage, error: PacelineError): void;
  /** It is being removed; `onFailed` follows, unless the store fails. */
  onRefused(kept: KeptMessage): void;
  /** Nothing more can be sent. */
  onOver(error: Error): void;
}

export class OutboxSender {
  private readonly options: FullOutboxOptions;
  private readonly writer: OutboxWriter;
  private readonly owner: SenderOwner;
  private readonly reads = new Set<Promise<void>>();
  /** Chains that may have something to send or to read. */
  private readonly ready = new Set<Chain>();
  /** Chains that wait for others to leave memory. */
  private readonly hungry = new Set<Chain>();
  private loaded = 0;
  private loadedBytes = 0;
  private isScheduled = false;
  private wakeTimer: Timer | null = null;
  private isStopped = false;

  constructor(options: FullOutboxOptions, writer: OutboxWriter, owner: SenderOwner) {
    this.options = options;
    this.writer = writer;
    this.owner = owner;
  }

  /** There may be something to do for it. */
  wake(chain: Chain): void {
    this.ready.add(chain);
    if (this.isScheduled || this.isStopped) return;
    this.isScheduled = true;
    this.options.clock.soon(() => {
      this.isScheduled = false;
      if (!this.isStopped) this.pump();
    });
  }

  /** A new message is durable. */
  offer(chain: Chain, kept: KeptMessage): void {
    const hasRoom = chain.loadedCount < this.options.conversationWindowMax && this.hasRoom;
    if (chain.offer(kept, hasRoom)) this.enter(kept);
    this.wake(chain);
  }

  /** Hands out nothing more and hears no more answers; resolves once nothing is being read. */
  async stop(chains: Iterable<Chain>): Promise<void> {
    this.isStopped = true;
    this.wakeTimer?.cancel();
    for (const chain of chains) chain.abortAll();
    await Promise.all(this.reads);
  }

  private pump(): void {
    const nowMs = this.options.clock.monotonicMs();
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const chain of this.ready) {
      if (chain.resumeAtMs > nowMs) {
        wakeAtMs = Math.min(wakeAtMs, chain.resumeAtMs);
        continue;
      }
      this.ready.delete(chain);
      this.fill(chain);
      for (let item = chain.next(nowMs); item !== null; item = chain.next(nowMs)) {
        this.handOut(chain, item);
        if (this.isStopped) return;
      }
    }
    this.wakeTimer?.cancel();
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    this.wakeTimer = this.options.clock.after(Math.max(1, wakeAtMs - nowMs), () => this.pump());
  }

  // What is in memory.

  private get hasRoom(): boolean {
    const { windowMax, windowBytesMax } = this.options;
    return this.loaded < windowMax && this.loadedBytes < windowBytesMax;
  }

  private enter(kept: KeptMessage): void {
    this.loaded += 1;
    this.loadedBytes += kept.message.body.length;
  }

  private leave(kept: KeptMessage): void {
    this.loaded -= 1;
    this.loadedBytes -= kept.message.body.length;
    this.feed();
  }

  /** A quarter of the room is free: there is enough to share. */
  private feed(): void {
    const { windowMax, windowBytesMax } = this.options;
    if (this.loaded * 4 > windowMax * 3 || this.loadedBytes * 4 > windowBytesMax * 3) return;
    for (const chain of this.hungry) this.wake(chain);
    this.hungry.clear();
  }

  /** Reads what is kept and not in memory, once half of the conversation's room is free. */
  private fill(chain: Chain): void {
    const { conversationWindowMax, windowMax, windowBytesMax } = this.options;
    const after = chain.readAfter;
    if (after === null || chain.isReading || chain.loadedCount * 2 > conversationWindowMax) return;
    if (!this.hasRoom) {
      this.hungry.add(chain);
      return;
    }
    const roomOfChain = conversationWindowMax - chain.loadedCount;
    const count = Math.min(roomOfChain, windowMax - this.loaded);
    const bytes = Math.min(pageBytes, windowBytesMax - this.loadedBytes);
    this.loaded += count;
    this.loadedBytes += bytes;
    chain.isReading = true;
    const read = this.read(chain, after, { count, bytes }).then(
      () => this.wake(chain),
      (error: unknown) => {
        if (!this.isStopped) this.owner.onOver(asError(error));
      },
    );
    this.reads.add(read);
    read.then(() => this.reads.delete(read));
  }

  /** The room was taken before. */
  private async read(chain: Chain, after: number, room: PageLimit): Promise<void> {
    const upTo = chain.durable;
    const page = await this.options.store.readMessages(chain.conversation, after, room);
    chain.isReading = false;
    this.loaded -= room.count;
    this.loadedBytes -= room.bytes;
    for (const kept of chain.takePage(page, upTo)) this.enter(kept);
    this.feed();
  }

  // Out, and back.

  private handOut(chain: Chain, item: Item): void {
    const { sender, device, epoch, append } = this.options;
    const { key, clientSeq, message } = item.kept;
    const { prevClientSeq, signal } = chain.handOut(item);
    let isOut = true;
    const back = (take: () => void) => {
      if (!isOut || this.isStopped) return;
      isOut = false;
      take();
      this.wake(chain);
    };
    append(
      { ...message, sender, key, device, epoch, clientSeq, prevClientSeq },
      (appended) => back(() => this.stored(chain, item, appended)),
      (error) => back(() => this.notStored(chain, item, prevClientSeq, error)),
      signal,
    );
  }

  private stored(chain: Chain, item: Item, appended: Appended): void {
    this.forget(chain, chain.end(item, appended.duplicate ? 'duplicate' : 'stored'));
    this.owner.onStored(item.kept, appended);
  }

  private notStored(chain: Chain, item: Item, prevClientSeq: number, error: Error): void {
    const { clientSeq, message } = item.kept;
    const { isUnknown, faults } = item;
    const { expectedSeq = 0 } = message;
    const verdict = judge(error, { clientSeq, prevClientSeq, expectedSeq, isUnknown, faults });
    switch (verdict.kind) {
      case 'fenced':
        this.owner.onOver(verdict.error);
        return;
      case 'passed':
        this.forget(chain, chain.end(item, 'passed'));
        this.owner.onFailed(item.kept, verdict.error);
        return;
      case 'refused':
        this.refused(chain, item, verdict.error);
        return;
      case 'again':
        item.isUnknown ||= verdict.isUnknown;
        this.again(chain, item, verdict.atLeastMs);
        return;
      case 'fault':
        item.isUnknown = true;
        item.faults += 1;
        this.again(chain, item, 0);
        return;
      case 'gap':
        chain.relinkOldest(item, verdict.actual);
        this.again(chain, item, 0);
        return;
      case 'ahead':
        item.afterAtLeast = verdict.actual;
        this.again(chain, item, 0);
    }
  }

  private again(chain: Chain, item: Item, atLeastMs: number): void {
    chain.breakRound(this.pause(atLeastMs));
    chain.again(item);
  }

  /** What was out behind it follows the one before it, once it is surely gone. */
  private refused(chain: Chain, item: Item, error: PacelineError): void {
    const { conversation } = chain;
    chain.breakRound({ ...this.pause(0), growingMs: () => 0 });
    chain.removing += 1;
    this.owner.onRefused(item.kept);
    this.forget(chain, chain.drop(item));
    this.leave(item.kept);
    this.writer.remove(chain, { conversation, clientSeq: item.kept.clientSeq }, () => {
      chain.removing -= 1;
      this.owner.onFailed(item.kept, error);
      this.wake(chain);
    });
  }

  private forget(chain: Chain, items: readonly Item[]): void {
    const { conversation } = chain;
    for (const { kept } of items) {
      this.leave(kept);
      this.writer.forget(chain, { conversation, clientSeq: kept.clientSeq });
    }
  }

  private pause(atLeastMs: number): Pause {
    const { clock, random, pauseMaxMs } = this.options;
    return {
      nowMs: clock.monotonicMs(),
      atLeastMs,
      growingMs: (failures) => {
        return Math.min(pauseMaxMs, firstPauseMs * 2 ** failures) * (0.5 + random() / 2);
      },
    };
  }
}
