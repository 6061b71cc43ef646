// The bare bound: what is left of the product when everything that somebody could leave out is left out
// (bound/node.ts). Same frames, partitions and leaders, and a client that does as little.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { freePorts } from '../../harness/cluster.ts';
import { connectBound } from '../bound/client.ts';
import { asIs, paths } from '../bound/frames.ts';
import { compactAll } from '../compaction.ts';
import { makeDirectory, ServerProcess, together } from '../processes.ts';
import type { Servers, Setup, Subject } from './subject.ts';

const main = fileURLToPath(new URL('../bound/main.ts', import.meta.url));
const nodes = 3;
const startMs = 20_000;

export const bound: Subject = {
  name: 'bound',
  durability: 'synced by the leader and one other',
  idempotency: 'none',
  start,
  connect: connectBound,
};

async function start({ directory, partitions, through }: Setup): Promise<Servers> {
  const addresses = (await freePorts(nodes)).map((port) => `127.0.0.1:${port}`);
  const dataDirectories = addresses.map((_, i) => makeDirectory(directory, `node-${i + 1}`));
  const servers = dataDirectories.map((data, i) => {
    const node = [process.execPath, '--import', 'tsx', main, `${i}`, `${addresses}`, data];
    return new ServerProcess({
      name: `bound ${i + 1}`,
      command: [...through, ...node],
      logFile: path.join(directory, `node-${i + 1}.log`),
    });
  });
  for (const server of servers) {
    await server.ready('reaches the others', startMs, async () => /^ready$/m.test(server.log()));
  }
  return {
    version: '',
    place: { addresses, partitions },
    ...together(servers),
    dataDirectories,
    compact: () => compactAll(dataDirectories),
    held: () => Promise.all(addresses.map(countAt)),
  };
}

function countAt(address: string): Promise<number> {
  const client = new Client(address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(paths.count, asIs, asIs, Buffer.alloc(0), (error, answer) => {
      client.close();
      if (error === null) resolve(Number(`${answer}`));
      else reject(error);
    });
  });
}
