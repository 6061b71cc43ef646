// A closed loop of appends: so many in flight, each followed by the next when it is acknowledged.
import type { Append } from '../../src/client/append.ts';
import type { PacelineClient } from '../../src/client/client.ts';

export interface LoadOptions {
  readonly client: PacelineClient;
  readonly inFlight: number;
  /** The conversation of the n-th append, from 0. */
  readonly conversation: (n: number) => string;
  readonly bodyBytes: number;
  /** What else the n-th append says. */
  readonly more?: (n: number) => Partial<Append>;
  /** Ends after this many appends, */
  readonly appends?: number;
  /** or after this time, of which `warmUpMs` is not counted. */
  readonly durationMs?: number;
  readonly warmUpMs?: number;
}

export interface LoadFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly acknowledged: number;
}

export async function runLoad(options: LoadOptions): Promise<LoadFigures> {
  const { client, inFlight, conversation, bodyBytes, more, warmUpMs = 0 } = options;
  const { appends = Number.POSITIVE_INFINITY, durationMs = Number.POSITIVE_INFINITY } = options;
  const body = Buffer.alloc(bodyBytes, 'paceline ');
  const latencies: number[] = [];
  const startedMs = performance.now();
  let started = 0;
  let open = 0;
  let lastMs = startedMs;
  await new Promise<void>((resolve, reject) => {
    const next = () => {
      const beganMs = performance.now();
      if (started >= appends || beganMs - startedMs >= durationMs) {
        if (open === 0) resolve();
        return;
      }
      const said = { conversation: conversation(started), sender: 'bench', body };
      const append = more === undefined ? said : { ...said, ...more(started) };
      started += 1;
      open += 1;
      client.start(
        append,
        () => {
          open -= 1;
          lastMs = performance.now();
          if (beganMs - startedMs >= warmUpMs) latencies.push(lastMs - beganMs);
          next();
        },
        reject,
      );
    };
    for (let i = 0; i < inFlight; i++) next();
  });
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor(latencies.length * q)] ?? 0;
  const seconds = (lastMs - startedMs - warmUpMs) / 1000;
  return {
    perSecond: Math.round(latencies.length / seconds),
    p50Ms: Number(quantile(0.5).toFixed(2)),
    p99Ms: Number(quantile(0.99).toFixed(2)),
    acknowledged: started,
  };
}
