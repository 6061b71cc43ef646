// The outbox's way into its store: what comes in one tick, or while a write is under way, becomes one
// synced write. What only forgets messages waits for company, and is not synced: forgetting it is harmless.
// After a write that failed nothing more is written.
import type { Clock, Timer } from '../clock.ts';
import type { ChainRow, KeptMessage, MessageName, OutboxStore } from './outbox-store.ts';

const forgetDelayMs = 100;

/** Of what was given to be durable. */
interface Waiting {
  readonly onDurable: () => void;
  readonly onFailure: (error: Error) => void;
}

/** What a write says of a chain, as it is when the write begins. */
export interface ChainState {
  readonly row: ChainRow;
}

export class OutboxWriter {
  private readonly store: OutboxStore;
  private readonly clock: Clock;
  private readonly onFailure: (error: Error) => void;
  private puts: KeptMessage[] = [];
  private removes: MessageName[] = [];
  private touched = new Set<ChainState>();
  private waiting: Waiting[] = [];
  private writing: Waiting[] = [];
  private flushing = false;
  private failed: Error | null = null;
  private forgetTimer: Timer | null = null;

  /** `onFailure` is called once. */
  constructor(store: OutboxStore, clock: Clock, onFailure: (error: Error) => void) {
    this.store = store;
    this.clock = clock;
    this.onFailure = onFailure;
  }

  /** One of the two is called, once. */
  keep(
    chain: ChainState,
    kept: KeptMessage,
    onDurable: () => void,
    onFailure: (error: Error) => void,
  ): void {
    this.puts.push(kept);
    this.touched.add(chain);
    this.waiting.push({ onDurable, onFailure });
    this.scheduleFlush();
  }

  /** `onDurable` is called once it is surely gone. */
  remove(chain: ChainState, name: MessageName, onDurable: () => void): void {
    this.removes.push(name);
    this.touched.add(chain);
    this.waiting.push({ onDurable, onFailure: () => {} });
    this.scheduleFlush();
  }

  /** The message need not come again. */
  forget(chain: ChainState, name: MessageName): void {
    this.removes.push(name);
    this.touched.add(chain);
    this.forgetTimer ??= this.clock.after(forgetDelayMs, () => {
      this.forgetTimer = null;
      this.scheduleFlush();
    });
  }

  /** Why nothing is written any more. */
  get failure(): Error | null {
    return this.failed;
  }

  /** Resolves once everything given is written and synced, or writing has failed. */
  async settle(): Promise<void> {
    this.forgetTimer?.cancel();
    this.forgetTimer = null;
    if (this.failed !== null) return;
    const settled = new Promise<void>((resolve) => {
      this.waiting.push({ onDurable: resolve, onFailure: () => resolve() });
    });
    this.scheduleFlush();
    await settled;
  }

  private scheduleFlush(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.clock.soon(() => {
      this.flush().then(
        () => this.goOn(),
        (error: unknown) => this.fail(asError(error)),
      );
    });
  }

  private async flush(): Promise<void> {
    const { puts, removes } = this;
    const chains = [...this.touched].map(({ row }) => row);
    this.writing = this.waiting;
    this.puts = [];
    this.removes = [];
    this.waiting = [];
    this.touched = new Set();
    await this.store.write({ chains, puts, removes }, { sync: this.writing.length > 0 });
  }

  private goOn(): void {
    this.flushing = false;
    if (this.waiting.length > 0) this.scheduleFlush();
    for (const { onDurable } of this.writing.splice(0)) onDurable();
  }

  /** `flushing` stays: there is no write after this one. */
  private fail(error: Error): void {
    this.failed = error;
    this.onFailure(error);
    for (const { onFailure } of [...this.writing, ...this.waiting]) onFailure(error);
  }
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
