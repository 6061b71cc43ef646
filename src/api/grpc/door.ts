// The node's one port. Clients speak gRPC, peers a protocol of their own (decision 0016): the first byte of a
// connection tells which.
import net, { type Socket } from 'node:net';
import { placeAt } from '../../address.ts';

/** Who connects and says nothing for this long is let go. */
const silentMs = 10_000;

/** Where connections of peers are taken over. */
export interface PeerDoor {
  readonly firstByte: number;
  accept(socket: Socket): void;
}

export interface Door {
  /** The port bound. Errors: those of listen(2). */
  listen(address: string): Promise<number>;
  /** Nobody comes in any more; who is in stays. */
  close(): void;
}

/** `peers` null: there are none. */
export function createDoor(onGrpc: (socket: Socket) => void, peers: PeerDoor | null): Door {
  const silent = new Set<Socket>();
  const server = net.createServer((socket) => {
    silent.add(socket);
    const leave = () => socket.destroy();
    socket.setTimeout(silentMs, leave).on('error', leave);
    socket.on('close', () => silent.delete(socket));
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      silent.delete(socket);
      socket.setTimeout(0).off('timeout', leave).off('error', leave);
      socket.unshift(first);
      if (peers !== null && first[0] === peers.firstByte) peers.accept(socket);
      else onGrpc(socket);
    });
  });
  return {
    listen(address) {
      const { host, port } = placeAt(address);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          const bound = server.address();
          resolve(bound === null || typeof bound === 'string' ? port : bound.port);
        });
      });
    },
    close() {
      server.close();
      for (const socket of silent) socket.destroy();
    },
  };
}
