// Paceline by its simple way: a unary call a message, sent to the leader. What etcd's Put is compared with.
import { Client, credentials, status } from '@grpc/grpc-js';
import { createGrpcClientTransport } from '../../../src/client/grpc/transport.ts';
import { rpcs } from '../../../src/gen/services.ts';
import { until } from '../../harness/until.ts';
import { paceline, startPaceline } from './paceline.ts';
import { partitionsOf } from './places.ts';
import { conversationName, type Driver, type Subject, sender } from './subject.ts';

const callMs = 10_000;
const retryMs = 10;
const { path, request: requestCodec } = rpcs.append;

export const pacelineUnary: Subject = {
  name: 'paceline-unary',
  durability: paceline.durability,
  idempotency: paceline.idempotency,
  start: startPaceline,
  async connect({ addresses }): Promise<Driver> {
    const leaders = await leadersOf(addresses[0] ?? '');
    const channels = new Map<string, Client>();
    for (const address of addresses) {
      channels.set(address, new Client(address, credentials.createInsecure()));
    }
    const channelOf = leaders.map((address) => channels.get(address));
    const client = crypto.randomUUID();
    return {
      append({ number, conversation, body }, done) {
        const name = conversationName(conversation);
        const command = { conversation: name, sender, key: `${client}-${number}`, body };
        const channel = channelOf[conversation];
        if (channel === undefined) throw new Error('a partition has no leader');
        send({
          channel,
          request: requestCodec.encode({ command }),
          endMs: Date.now() + callMs,
          done,
        });
      },
      async close() {
        for (const channel of channels.values()) channel.close();
      },
    };
  },
};

interface UnaryCall {
  readonly channel: Client;
  readonly request: Uint8Array;
  readonly endMs: number;
  readonly done: (error: Error | null) => void;
}

/**
 * Without a deadline, as the calls to etcd have none. Again after a moment where there is no leader just now:
 * the key makes that safe.
 */
function send(call: UnaryCall): void {
  const { channel, request, endMs, done } = call;
  channel.makeUnaryRequest(path, asBuffer, asIs, request, (error) => {
    if (error?.code !== status.UNAVAILABLE || Date.now() > endMs) done(error);
    else setTimeout(send, retryMs, call);
  });
}

/** Address of the leader of each conversation, once that server knows them all. */
async function leadersOf(server: string): Promise<string[]> {
  const transport = createGrpcClientTransport();
  const map = await until('every leader is known', callMs, async () => {
    const known = await transport.call(server, rpcs.getPartitionMap, {}, callMs);
    return known.leaders.every(({ leader }) => leader !== 0) && known;
  });
  transport.close();
  const addressOf = new Map(map.nodes.map(({ id, address }) => [id, address]));
  return partitionsOf(map.partitionCount).map((partition) => {
    return addressOf.get(map.leaders[partition]?.leader ?? 0) ?? '';
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
