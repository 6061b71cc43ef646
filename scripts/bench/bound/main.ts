// Starts one node of the bare bound (node.ts), with the same settings of gRPC and LevelDB as Paceline. Told
// its number, from 0, the addresses of all nodes, its data directory, and when all others listen.
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { Level } from 'level';
import { asIs, paths } from './frames.ts';
import { BoundNode, fail } from './node.ts';

const connectMs = 20_000;
const bytesMax = 16 * 1024 * 1024;
const channelOptions = {
  'grpc.max_receive_message_length': bytesMax,
  'grpc.max_send_message_length': bytesMax,
  'grpc.enable_retries': 0,
  'grpc.retry_buffer_size': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  'grpc.enable_http_proxy': 0,
} as const;

const [number = '0', addresses = '', directory = ''] = process.argv.slice(2);
const all = addresses.split(',');
const own = all[Number(number)] ?? '';
main().catch(fail);

async function main(): Promise<void> {
  const db = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    writeBufferSize: 16 * 1024 * 1024,
    compression: false,
  });
  await db.open();
  const node = new BoundNode(Number(number), db);
  await listen(node);
  for (const address of all) if (address !== own) await dial(node, address);
  console.log('ready');
}

function listen(node: BoundNode): Promise<void> {
  const server = new Server(channelOptions);
  server.addService(
    {
      append: rpc(paths.append, true, true),
      replicate: rpc(paths.replicate, true, true),
      follow: rpc(paths.follow, false, true),
      count: rpc(paths.count, false, false),
    },
    {
      append: node.onAppend,
      replicate: node.onReplicate,
      follow: node.onFollow,
      count: node.onCount,
    },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync(own, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

function rpc(path: string, requestStream: boolean, responseStream: boolean) {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

function dial(node: BoundNode, address: string): Promise<void> {
  const client = new Client(address, credentials.createInsecure(), channelOptions);
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + connectMs, (error) => {
      if (error) reject(error);
      else {
        node.addPeer(client.makeBidiStreamRequest(paths.replicate, asIs, asIs));
        resolve();
      }
    });
  });
}
