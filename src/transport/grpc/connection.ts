// One gRPC connection carrying one Connect call. Made anew for each attempt, so that the library's own
// backoff never delays one, and torn down by its socket, so that a peer which stopped reading keeps
// nothing alive here. Knows nothing of what the frames say.
import type { Socket } from 'node:net';
import { type ChannelCredentials, Client, credentials, type StatusObject } from '@grpc/grpc-js';

export const connectPath = '/paceline.peer.v1.PeerService/Connect';
export const messageBytesMax = 16 * 1024 * 1024;

const channelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // With a retry buffer, a write counts as done before it has left.
  'grpc.enable_retries': 0,
  'grpc.retry_buffer_size': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  // Peers are reached directly, whatever the environment says for others.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_channelz': 0,
};

export interface ConnectionEvents {
  onFrame(bytes: Buffer): void;
  /** At most once; never after close(). */
  onEnd(status: StatusObject): void;
}

export interface Connection {
  /** Bytes given to write() that have not left this process. */
  readonly queuedBytes: number;
  write(frame: Buffer): void;
  close(): void;
}

export function openConnection(address: string, events: ConnectionEvents): Connection {
  const sockets = new Set<Socket>();
  const client = new Client(address, credentialsSeeing(sockets), channelOptions);
  const call = client.makeBidiStreamRequest(connectPath, asIs, asIs);
  let queuedBytes = 0;
  let open = true;
  const close = () => {
    open = false;
    call.cancel();
    client.close();
    for (const socket of sockets) socket.destroy();
  };
  call.on('data', (bytes: Buffer) => {
    if (open) events.onFrame(bytes);
  });
  // The status says the same, and comes for every end.
  call.on('error', () => {});
  call.on('status', (status: StatusObject) => {
    if (!open) return;
    close();
    events.onEnd(status);
  });
  return {
    get queuedBytes() {
      return queuedBytes;
    },
    write(frame) {
      const { length } = frame;
      queuedBytes += length;
      call.write(frame, () => {
        queuedBytes -= length;
      });
    },
    close,
  };
}

/** Insecure credentials, through which the library shows each socket before it uses it. */
function credentialsSeeing(sockets: Set<Socket>): ChannelCredentials {
  const seeing = credentials.createInsecure();
  const createConnector = seeing._createSecureConnector.bind(seeing);
  seeing._createSecureConnector = (...parameters) => {
    const connector = createConnector(...parameters);
    return {
      ...connector,
      connect(socket) {
        sockets.add(socket);
        return connector.connect(socket);
      },
    };
  };
  return seeing;
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
