// A closed loop: so many appends in flight, each followed by the next when it is answered. What happens in
// the window between warm-up and end is counted, CPU time of the servers and of this process with it.
// No function here is named within another: tsx would name it anew at every call.
import { cpuMsOf } from '../proc.ts';
import type { Driver } from '../subjects/subject.ts';
import { Latencies } from './latencies.ts';
import type { Messages } from './messages.ts';

export interface ClosedLoopOptions {
  readonly inFlight: number;
  readonly seconds: number;
  /** Before them, not counted. */
  readonly warmUpSeconds: number;
  readonly serverPids: readonly number[];
}

export interface ClosedLoopFigures {
  readonly inFlight: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** CPU time for 1,000 messages, of all servers together. */
  readonly serverCpuMs: number;
  readonly clientCpuMs: number;
  /** Acknowledged in the window. */
  readonly messages: number;
  /** Acknowledged in all, warm-up included. */
  readonly acknowledged: number;
}

interface Sample {
  readonly atMs: number;
  readonly serverCpuMs: number;
  readonly clientCpu: NodeJS.CpuUsage;
}

export class ClosedLoop {
  private readonly driver: Driver;
  private readonly messages: Messages;
  private readonly options: ClosedLoopOptions;
  private readonly latencies = new Latencies();
  private before: Sample | null = null;
  private after: Sample | null = null;
  private open = 0;
  private acknowledged = 0;
  private resolve: (figures: ClosedLoopFigures) => void = () => {};
  private reject: (error: Error) => void = () => {};

  constructor(driver: Driver, messages: Messages, options: ClosedLoopOptions) {
    this.driver = driver;
    this.messages = messages;
    this.options = options;
  }

  /** Resolves once everything in flight was answered. */
  run(): Promise<ClosedLoopFigures> {
    const { inFlight, seconds, warmUpSeconds } = this.options;
    setTimeout(() => {
      this.before = this.sample();
      setTimeout(() => {
        this.after = this.sample();
      }, seconds * 1000);
    }, warmUpSeconds * 1000);
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      for (let i = 0; i < inFlight; i++) this.next();
    });
  }

  private next(): void {
    const beganMs = performance.now();
    this.open += 1;
    this.driver.append(this.messages.next(), (error) => this.answered(beganMs, error));
  }

  private answered(beganMs: number, error: Error | null): void {
    if (error !== null) {
      this.reject(error);
      return;
    }
    this.open -= 1;
    this.acknowledged += 1;
    if (this.after === null) {
      if (this.before !== null) this.latencies.add(performance.now() - beganMs);
      this.next();
    } else if (this.open === 0) this.resolve(this.figures(this.after));
  }

  private figures(after: Sample): ClosedLoopFigures {
    const { before, latencies, acknowledged } = this;
    const messages = latencies.size;
    if (before === null) throw new Error('the window has no beginning');
    const { user, system } = after.clientCpu;
    const clientCpuMs = (user + system - before.clientCpu.user - before.clientCpu.system) / 1000;
    return {
      inFlight: this.options.inFlight,
      perSecond: Math.round((messages * 1000) / (after.atMs - before.atMs)),
      ...latencies.quantiles(),
      serverCpuMs: perThousand(after.serverCpuMs - before.serverCpuMs, messages),
      clientCpuMs: perThousand(clientCpuMs, messages),
      messages,
      acknowledged,
    };
  }

  private sample(): Sample {
    const serverCpuMs = cpuMsOf(this.options.serverPids);
    return { atMs: performance.now(), serverCpuMs, clientCpu: process.cpuUsage() };
  }
}

function perThousand(ms: number, messages: number): number {
  return Number(((ms * 1000) / Math.max(1, messages)).toFixed(2));
}
