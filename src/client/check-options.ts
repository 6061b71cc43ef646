// What callers without types may get wrong as they connect: a string of servers would be dialled letter by letter.
import { refused } from './check-value.ts';
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
  for (const server of servers) {
    const port = /^[^\s,]+:(\d{1,5})$/.exec(String(server))?.[1];
    if (port !== undefined && Number(port) <= 65_535) continue;
    throw refused('BAD_REQUEST', 'servers', `servers: "${server}" is not HOST:PORT`);
  }
}

/** No end at all may be meant. */
function checkAmount(field: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return;
  throw bad(field, 'is not a number from 0 on');
}

function bad(field: string, problem: string) {
  return refused('BAD_REQUEST', field, `${field} ${problem}`);
}
