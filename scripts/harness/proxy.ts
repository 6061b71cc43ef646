// A TCP proxy in front of one node that makes a bad network: it delays, throttles, stalls and cuts the
// connections through it. Its client addresses it in place of the node.
import net from 'node:net';
import type { ClientTransport } from '../../src/client/types.ts';
import type { Cluster } from './cluster.ts';

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

export class NodeProxy {
  address = '';
  /** Before each chunk, in both directions. */
  delayMs = 0;
  /** 0 = as fast as it goes. */
  bytesPerSecond = 0;
  /** What arrives waits. */
  stalled = false;
  private readonly target: string;
  private readonly links = new Set<Link>();
  private readonly server: net.Server;

  private constructor(target: string) {
    this.target = target;
    this.server = net.createServer({ pauseOnConnect: true }, (client) => this.link(client));
  }

  static async create(target: string): Promise<NodeProxy> {
    const proxy = new NodeProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    const at = proxy.server.address();
    if (at === null || typeof at === 'string') throw new Error('the proxy has no port');
    proxy.address = `127.0.0.1:${at.port}`;
    return proxy;
  }

  get connections(): number {
    return this.links.size;
  }

  /** Both ends get a reset. */
  reset(): number {
    const { size } = this.links;
    for (const { client, server } of this.links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return size;
  }

  /** Nothing passes any more through what is open, and nobody is told. */
  swallow(): number {
    const { size } = this.links;
    for (const { client, server } of this.links) {
      for (const socket of [client, server]) socket.removeAllListeners('data').on('data', () => {});
    }
    return size;
  }

  close(): void {
    this.reset();
    this.server.close();
  }

  private link(client: net.Socket): void {
    const [host, port] = this.target.split(':');
    const server = net.connect(Number(port), host);
    const link = { client, server };
    this.links.add(link);
    this.pass(client, server);
    this.pass(server, client);
    const end = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('close', end).on('error', end);
    client.resume();
  }

  /** One chunk at a time: while it waits nothing more is read, so TCP slows the sender down. */
  private pass(from: net.Socket, to: net.Socket): void {
    from.on('data', (chunk: Buffer) => {
      from.pause();
      const forward = () => {
        if (this.stalled) setTimeout(forward, 20);
        else if (to.write(chunk)) from.resume();
        else to.once('drain', () => from.resume());
      };
      const throttleMs =
        this.bytesPerSecond === 0 ? 0 : (chunk.length * 1000) / this.bytesPerSecond;
      const waitMs = this.delayMs + throttleMs;
      if (waitMs === 0) forward();
      else setTimeout(forward, waitMs);
    });
  }
}

/** The transport, but what it would send to a node goes through that node's proxy. */
export function throughProxies(
  transport: ClientTransport,
  cluster: Cluster,
  proxies: readonly NodeProxy[],
): ClientTransport {
  const detour = (address: string) => {
    const i = cluster.nodes.findIndex((node) => node.address === address);
    return proxies[i]?.address ?? address;
  };
  return {
    openStream: (address, path, events) => transport.openStream(detour(address), path, events),
    call: (address, rpc, request, timeoutMs) =>
      transport.call(detour(address), rpc, request, timeoutMs),
    close: () => transport.close(),
  };
}
