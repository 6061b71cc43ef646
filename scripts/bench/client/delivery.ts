// Appends at an even rate while this process also follows them: how long until a message is answered, and
// how long until it is delivered.
import type { Driver } from '../subjects/subject.ts';
import { Latencies } from './latencies.ts';
import { type Messages, numberOf } from './messages.ts';

export interface DeliveryOptions {
  readonly perSecond: number;
  readonly seconds: number;
  /** Before them, not counted. */
  readonly warmUpSeconds: number;
}

interface Quantiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface DeliveryFigures {
  readonly perSecond: number;
  /** From the append to its delivery. */
  readonly delivered: Quantiles;
  /** From the append to its answer. */
  readonly answered: Quantiles;
  readonly acknowledged: number;
}

const tickMs = 1;
const lostMs = 10_000;

/** null: this subject is not followed. Rejects where a message is not delivered within 10 s of the last. */
export async function measureDelivery(
  driver: Driver,
  messages: Messages,
  options: DeliveryOptions,
): Promise<DeliveryFigures | null> {
  if (driver.subscribe === undefined) return null;
  const delivery = new Delivery(driver, messages, options);
  await driver.subscribe((body) => delivery.onBody(body));
  return delivery.run();
}

class Delivery {
  private readonly driver: Driver;
  private readonly messages: Messages;
  private readonly options: DeliveryOptions;
  private readonly delivered = new Latencies();
  private readonly answered = new Latencies();
  /** By message number; of those not delivered yet. */
  private readonly sentMs = new Map<number, number>();
  private startedMs = 0;
  private sent = 0;
  private acknowledged = 0;
  private check: () => void = () => {};
  private reject: (error: Error) => void = () => {};

  constructor(driver: Driver, messages: Messages, options: DeliveryOptions) {
    this.driver = driver;
    this.messages = messages;
    this.options = options;
  }

  async run(): Promise<DeliveryFigures> {
    const { perSecond, seconds, warmUpSeconds } = this.options;
    const count = Math.round(perSecond * (seconds + warmUpSeconds));
    this.startedMs = performance.now();
    let pacer: NodeJS.Timeout | undefined;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.reject = reject;
      this.check = () => {
        if (this.sent === count && this.acknowledged === count && this.sentMs.size === 0) resolve();
      };
      pacer = setInterval(() => this.sendDue(count), tickMs);
      const late = () => reject(new Error(`${this.sentMs.size} messages were not delivered`));
      timer = setTimeout(late, (seconds + warmUpSeconds) * 1000 + lostMs);
    });
    clearInterval(pacer);
    clearTimeout(timer);
    return {
      perSecond,
      delivered: this.delivered.quantiles(),
      answered: this.answered.quantiles(),
      acknowledged: this.acknowledged,
    };
  }

  onBody(body: Uint8Array): void {
    const sentMs = this.sentMs.get(numberOf(body));
    if (sentMs === undefined) return;
    this.sentMs.delete(numberOf(body));
    if (this.isCounted(sentMs)) this.delivered.add(performance.now() - sentMs);
    this.check();
  }

  private sendDue(count: number): void {
    const due = ((performance.now() - this.startedMs) * this.options.perSecond) / 1000;
    while (this.sent < Math.min(due, count)) this.send();
  }

  private send(): void {
    const message = this.messages.nextNumbered();
    const sentMs = performance.now();
    this.sent += 1;
    this.sentMs.set(message.number, sentMs);
    this.driver.append(message, (error) => {
      if (error !== null) this.reject(error);
      this.acknowledged += 1;
      if (this.isCounted(sentMs)) this.answered.add(performance.now() - sentMs);
      this.check();
    });
  }

  private isCounted(sentMs: number): boolean {
    return sentMs - this.startedMs >= this.options.warmUpSeconds * 1000;
  }
}
