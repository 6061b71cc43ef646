// The client as commands use it: servers from --servers, PACELINE_SERVERS or the ones `paceline dev`
// starts.
import type { PacelineClient } from '../client/client.ts';
import { connect as connectClient } from '../client/grpc/connect.ts';
import { PacelineError } from '../errors.ts';
import { usage } from './flags.ts';

const devServers = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402';

export interface ServersFlag {
  readonly servers?: string;
}

export function serversOf({ servers }: ServersFlag): string[] {
  const list = servers ?? process.env['PACELINE_SERVERS'] ?? devServers;
  const addresses = list.split(',').filter((each) => each !== '');
  if (addresses.length === 0) throw usage('servers', 'is empty: HOST:PORT,...');
  for (const address of addresses) {
    const port = Number(/:(\d+)$/.exec(address)?.[1] ?? 1);
    if (port >= 1 && port <= 65_535) continue;
    throw usage('servers', `"${address}" has port ${port}, it must be 1 to 65535`);
  }
  return addresses;
}

/** What of a command's flags says whom it asks, and how long. */
export interface Asked {
  readonly timeout: string;
  readonly node?: string;
  readonly level?: string;
}

/** Where nobody answered in time: what is known of it, in place of what gRPC says of its last attempt. */
export async function answered<T>(call: Promise<T>, asked: Asked): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof PacelineError) || error.reason !== 'UNREACHABLE') throw error;
    throw new PacelineError({ ...error, message: unansweredText(error.message, asked) });
  }
}

export function unansweredText(last: string, { timeout, node, level }: Asked): string {
  const isLate = last.startsWith('Deadline exceeded');
  if (node !== undefined && !isLate) return last;
  const who = node === undefined ? 'no node answered' : `node ${node} did not answer`;
  const up = level === 'eventual' ? 'is it up' : 'is a majority of nodes up';
  const why = isLate ? '' : ` (the last: ${last})`;
  return `${who} within ${timeout} s: ${up}? see \`paceline status\`${why}`;
}

/** Gives up after `timeoutMs`; the caller closes it. */
export function connect(servers: readonly string[], timeoutMs: number): PacelineClient {
  return connectClient({ servers, appendTimeoutMs: timeoutMs, readTimeoutMs: timeoutMs });
}
