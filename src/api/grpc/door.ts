// The node's one port. Clients speak gRPC, peers a protocol of their own (decision 0016): the first byte of a
// connection tells which.
import { lookup } from 'node:dns/promises';
import net, { type Server, type Socket } from 'node:net';
import { placeAt } from '../../address.ts';

/** Who connects and says nothing for this long is let go. */
const silentMs = 10_000;

const lacking: ReadonlySet<unknown> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** Where connections of peers are taken over. */
export interface PeerDoor {
  readonly firstByte: number;
  accept(socket: Socket): void;
}

export interface Door {
  /** At every address of a name. The port bound. Errors: those of listen(2). */
  listen(address: string): Promise<number>;
  /** Nobody comes in any more; who is in stays. */
  close(): void;
}

/** `peers` null: there are none. */
export function createDoor(onGrpc: (socket: Socket) => void, peers: PeerDoor | null): Door {
  const silent = new Set<Socket>();
  const servers: Server[] = [];
  const enter = (socket: Socket) => {
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
  };
  return {
    async listen(address) {
      const { host, port } = placeAt(address);
      let bound: number | null = null;
      let lacks: unknown = null;
      for (const { address: each } of await lookup(host, { all: true })) {
        const server = net.createServer(enter);
        servers.push(server);
        try {
          bound = await listenAt(server, each, bound ?? port);
        } catch (error) {
          if (!isLack(error)) throw error;
          lacks = error;
        }
      }
      if (bound === null) throw lacks;
      return bound;
    },
    close() {
      for (const server of servers) server.close();
      for (const socket of silent) socket.destroy();
    },
  };
}

/** The port bound. */
function listenAt(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    // For good: what goes wrong later is no reason to end.
    server.on('error', reject);
    server.listen(port, host, () => {
      const at = server.address();
      resolve(at === null || typeof at === 'string' ? port : at.port);
    });
  });
}

/** The machine does not have that address of the name, as ::1 where there is no IPv6. */
function isLack(error: unknown): boolean {
  return error instanceof Error && 'code' in error && lacking.has(error.code);
}
