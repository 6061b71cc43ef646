// The client as commands use it: servers from --servers, PACELINE_SERVERS or the ones `paceline dev`
// starts.
import type { PacelineClient } from '../client/client.ts';
import { connect as connectClient } from '../client/grpc/connect.ts';
import { PacelineError } from '../errors.ts';

const devServers = '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402';

export interface ServersFlag {
  readonly servers?: string;
}

export function serversOf({ servers }: ServersFlag): string[] {
  const list = servers ?? process.env['PACELINE_SERVERS'] ?? devServers;
  const addresses = list.split(',').filter((each) => each !== '');
  for (const address of addresses) {
    if (/^.+:\d{1,5}$/.test(address)) continue;
    const message = `servers: "${address}" is not HOST:PORT`;
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'servers', message });
  }
  if (addresses.length > 0) return addresses;
  const message = 'servers is empty: HOST:PORT,...';
  throw new PacelineError({ reason: 'BAD_REQUEST', field: 'servers', message });
}

/** Gives up after `timeoutMs`; the caller closes it. */
export function connect(servers: readonly string[], timeoutMs: number): PacelineClient {
  return connectClient({ servers, appendTimeoutMs: timeoutMs, readTimeoutMs: timeoutMs });
}
