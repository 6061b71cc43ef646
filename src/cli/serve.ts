// `paceline serve`: one node, put together from LevelDB, sockets and this machine's clock.
import { setFlagsFromString } from 'node:v8';
import { type ApiServer, createApiServer } from '../api/grpc/server.ts';
import { systemClock } from '../clock.ts';
import { PacelineError } from '../errors.ts';
import { randomBytes } from '../hash.ts';
import { createLog } from '../logger.ts';
import { Node } from '../node/node.ts';
import { openStore } from '../storage/level/store.ts';
import type { Store } from '../storage/types.ts';
import { createTcpTransport } from '../transport/tcp/tcp-transport.ts';
import { withCrashPoints } from './crash-points.ts';
import { makeDataDirectory } from './data-directory.ts';
import { usage } from './flags.ts';
import { inWords } from './ports.ts';
import { otherAddress, type ServeSettings } from './settings.ts';

/**
 * Thrice what lives. Twice is 30 MiB less and a collection of all three times a second under load, a tenth of the CPU;
 * four times, V8's own, is 50 MiB more.
 */
const heapGrowthPercent = 200;

/** Resolves once the node listens; it then runs until SIGINT or SIGTERM. */
export async function serve(settings: ServeSettings): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
  const { node: config, data, logLevel } = settings;
  const log = createLog(config.id, logLevel);
  const store = withCrashPoints(await open(data), process.env['PACELINE_CRASH_AT']);
  const transport = createTcpTransport({
    self: config.id,
    peers: config.nodes,
    clock: systemClock,
    random: Math.random,
  });
  const onFatal = (error: Error) => {
    log('fatal', { error: error.stack }, 'fatal');
    process.exit(1);
  };
  const machine = { clock: systemClock, random: Math.random, randomBytes };
  const node = new Node({ ...machine, config, store, transport, log, onFatal });
  const server = createApiServer(node, transport, log);
  let isStopping = false;
  const stop = once(async () => {
    isStopping = true;
    log('stopping', {});
    await node.stop();
    await server.close();
    process.exit(0);
  });
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // Started by `paceline dev`: ends with it, however that ended.
  if (process.connected) process.on('disconnect', stop);
  try {
    await listen(server, config.address);
    log('listening', { address: config.address });
    const told = otherAddress(config);
    if (told !== '')
      log('peers names this node by another address than --listen', { peers: told }, 'warn');
    await node.start();
  } catch (error) {
    // A start that a stop cut short has not failed.
    if (!isStopping) throw error;
  }
}

/** What an operator can put right is named by its flag. */
async function open(directory: string): Promise<Store> {
  makeDataDirectory(directory);
  try {
    return await openStore({ directory });
  } catch (error) {
    if (!(error instanceof PacelineError) || !isInUse(error)) throw error;
    throw usage('data', `"${directory}" is in use by another process`);
  }
}

/** Storage says so in words only. */
function isInUse({ message }: PacelineError): boolean {
  return message.endsWith('is in use by another process');
}

async function listen(server: ApiServer, address: string): Promise<void> {
  try {
    await server.listen(address);
  } catch (error) {
    throw usage('listen', `${address} cannot be listened at: ${inWords(error)}`);
  }
}

function once(call: () => Promise<void>): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    call().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
  };
}
