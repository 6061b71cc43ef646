// A TCP proxy between two nodes, whose connections a test can end or hold up.
import net from 'node:net';
import { listenOn } from '../../scripts/harness/listening.ts';

export interface Proxied {
  readonly dialed: net.Socket;
  readonly onward: net.Socket;
  /** Towards the target. */
  bytes: number;
}

export interface TcpProxy {
  readonly address: string;
  readonly connections: ReadonlySet<Proxied>;
  /** Connections stay. */
  stopListening(): void;
  close(): void;
}

export async function createProxy(target: string): Promise<TcpProxy> {
  const connections = new Set<Proxied>();
  const server = net.createServer((dialed) => {
    const [host, port] = target.split(':');
    const onward = net.connect(Number(port), host);
    const proxied: Proxied = { dialed, onward, bytes: 0 };
    connections.add(proxied);
    dialed.on('data', (chunk) => {
      proxied.bytes += chunk.length;
    });
    dialed.pipe(onward);
    onward.pipe(dialed);
    const end = () => {
      connections.delete(proxied);
      dialed.destroy();
      onward.destroy();
    };
    for (const socket of [dialed, onward]) socket.on('close', end).on('error', end);
  });
  const port = await listenOn(server);
  return {
    address: `127.0.0.1:${port}`,
    connections,
    stopListening: () => void server.close(),
    close() {
      server.close();
      for (const { dialed } of connections) dialed.destroy();
    },
  };
}
