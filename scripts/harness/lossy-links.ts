// Links that lose, double and reorder appends: several clients, each behind bad links of its own, and one of
// them chosen by chance for every append. What is said one after the other arrives in any order, some of it
// twice, and some answers never come.
import type { Append } from '../../src/client/append.ts';
import { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { OutboxOptions } from '../../src/client/outbox-options.ts';
import { systemClock } from '../../src/clock.ts';
import { PacelineError } from '../../src/errors.ts';
import type { Cluster } from './cluster.ts';
import { anyOf } from './load.ts';
import { NodeProxy, throughProxies } from './proxy.ts';

/** Of all appends. */
const doubled = 0.05;
const unanswered = 0.02;
const copyMsMax = 500;
const faultEveryMs = { min: 100, max: 500 } as const;
const faultMsMax = 700;
const delayMsMax = 60;
const appendTimeoutMs = 10_000;

interface Link {
  readonly client: PacelineClient;
  readonly proxies: readonly NodeProxy[];
}

export class LossyLinks {
  readonly figures = { appends: 0, copies: 0, lost_answers: 0 };
  readonly faults: Record<string, number> = {};
  private readonly links: readonly Link[];
  private isBad = false;

  private constructor(links: readonly Link[]) {
    this.links = links;
  }

  static async create(cluster: Cluster, count = 4): Promise<LossyLinks> {
    const links = Array.from({ length: count }, async () => {
      const proxies = await Promise.all(cluster.servers.map((server) => NodeProxy.create(server)));
      const client = new PacelineClient({
        servers: cluster.servers,
        transport: throughProxies(createGrpcClientTransport(), cluster, proxies),
        clock: systemClock,
        random: Math.random,
        clientId: crypto.randomUUID(),
        appendTimeoutMs,
      });
      return { client, proxies };
    });
    return new LossyLinks(await Promise.all(links));
  }

  /** What an outbox appends by. */
  readonly append: OutboxOptions['append'] = (append, resolve, reject, signal) => {
    this.figures.appends += 1;
    if (this.isBad && Math.random() < doubled) this.appendCopy(append, signal);
    const isLost = this.isBad && Math.random() < unanswered;
    const answer: typeof resolve = (appended) => {
      if (!isLost) return resolve(appended);
      this.figures.lost_answers += 1;
      reject(new PacelineError({ reason: 'OUTCOME_UNKNOWN', message: 'the answer was lost' }));
    };
    anyOf(this.links).client.start(append, answer, reject, signal);
  };

  /** Some fault on some link, again and again, until `heal`. */
  spoil(): void {
    this.isBad = true;
    this.faultLater();
  }

  heal(): void {
    this.isBad = false;
  }

  async close(): Promise<void> {
    await Promise.all(this.links.map(({ client }) => client.close()));
    for (const { proxies } of this.links) for (const proxy of proxies) proxy.close();
  }

  /** Behind or before the other; nobody hears its answer. */
  private appendCopy(append: Append, signal: AbortSignal): void {
    const { client } = anyOf(this.links);
    setTimeout(() => {
      if (!this.isBad) return;
      this.figures.copies += 1;
      const nobody = () => {};
      client.start(append, nobody, nobody, signal);
    }, Math.random() * copyMsMax);
  }

  private faultLater(): void {
    const { min, max } = faultEveryMs;
    setTimeout(
      () => {
        if (!this.isBad) return;
        this.fault();
        this.faultLater();
      },
      min + Math.random() * (max - min),
    );
  }

  private fault(): void {
    const proxy = anyOf(anyOf(this.links).proxies);
    const kind = kindOf(Math.random());
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    if (kind === 'delay') proxy.delayMs = Math.random() * delayMsMax;
    else if (kind === 'stall') proxy.stalled = true;
    else if (kind === 'reset') proxy.reset();
    else proxy.swallow();
    setTimeout(() => {
      proxy.delayMs = 0;
      proxy.stalled = false;
    }, Math.random() * faultMsMax);
  }
}

/** What is swallowed is missed only after seconds: it is rare, or all would always wait for it. */
function kindOf(chance: number): 'delay' | 'stall' | 'reset' | 'swallow' {
  if (chance < 0.05) return 'swallow';
  if (chance < 0.25) return 'reset';
  return chance < 0.5 ? 'stall' : 'delay';
}
