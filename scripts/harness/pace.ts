// Appends at an even rate while faults happen: each message has a value of its own, and what became of
// it is kept, so that streams and reads can be compared with what was acknowledged.
import type { PacelineClient } from '../../src/client/client.ts';
import { PacelineError } from '../../src/errors.ts';

export interface PaceOptions {
  readonly client: PacelineClient;
  readonly perSecond: number;
  /** The conversation of the n-th append, from 0. */
  readonly conversation: (n: number) => string;
  /** The value, padded to this length. */
  readonly bodyBytes?: number;
}

export interface PacedAppend {
  readonly conversation: string;
  readonly calledMs: number;
  /** 0 = not acknowledged. */
  seq: number;
}

const tickMs = 2;

export class Pace {
  /** By value. */
  readonly appends = new Map<string, PacedAppend>();
  /** How many ended otherwise than acknowledged, by reason. */
  readonly refused = new Map<string, number>();
  acknowledged = 0;
  private readonly options: PaceOptions;
  private timer: NodeJS.Timeout | undefined;
  private startedMs = 0;

  constructor(options: PaceOptions) {
    this.options = options;
  }

  start(): void {
    this.startedMs = performance.now() - (this.appends.size * 1000) / this.options.perSecond;
    this.timer = setInterval(() => this.sendDue(), tickMs);
  }

  /** Resolves once every append has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.options.client.drain();
  }

  private sendDue(): void {
    const due = ((performance.now() - this.startedMs) * this.options.perSecond) / 1000;
    while (this.appends.size < due) this.send(this.appends.size);
  }

  private send(n: number): void {
    const { client, bodyBytes = 0 } = this.options;
    const value = `v${n}`;
    const conversation = this.options.conversation(n);
    const append: PacedAppend = { conversation, calledMs: performance.now(), seq: 0 };
    this.appends.set(value, append);
    client.start(
      { conversation, sender: 'pace', key: value, body: value.padEnd(bodyBytes) },
      ({ seq }) => {
        append.seq = seq;
        this.acknowledged += 1;
      },
      (error) => {
        const reason = error instanceof PacelineError ? error.reason : error.message;
        this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
      },
    );
  }
}
