// What callers without types may get wrong as they connect: a string of servers would be dialled letter by letter.
import { checkAmount, checkServer, refused } from './check-value.ts';
import type { ClientOptions } from './types.ts';

type Checked = Omit<ClientOptions, 'transport' | 'clock' | 'random'>;

/** A message's key is the client's id, and a number of up to 11 characters behind it. */
const clientIdBytesMax = 48;

/** Throws BAD_REQUEST with the field. */
export function checkOptions(options: Partial<Checked>): void {
  checkServers(options.servers);
  const { appendTimeoutMs = 1, readTimeoutMs = 1, bufferBytesMax = 0, whenFull = 'wait' } = options;
  checkAmount('appendTimeoutMs', appendTimeoutMs);
  checkAmount('readTimeoutMs', readTimeoutMs);
  checkAmount('bufferBytesMax', bufferBytesMax);
  if (whenFull !== 'wait' && whenFull !== 'refuse')
    throw bad('whenFull', 'is none of wait, refuse');
  const { clientId } = options;
  if (clientId === undefined) return;
  const isId = typeof clientId === 'string' && clientId !== '';
  if (isId && Buffer.byteLength(clientId) <= clientIdBytesMax) return;
  throw bad('clientId', `is not a string of 1 to ${clientIdBytesMax} bytes`);
}

function checkServers(servers: readonly string[] | undefined): void {
  if (!Array.isArray(servers) || servers.length === 0) {
    throw bad('servers', 'is not an array of one HOST:PORT at least');
  }
  for (const server of servers) checkServer('servers', server);
}

function bad(field: string, problem: string) {
  return refused('BAD_REQUEST', field, `${field} ${problem}`);
}
