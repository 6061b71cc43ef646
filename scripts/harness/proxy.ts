// A TCP proxy in front of one node that makes a bad network: it delays, throttles, stalls, mutes and cuts
// the connections through it. Its client addresses it in place of the node.
import net from 'node:net';
import type { ClientTransport } from '../../src/client/types.ts';
import type { Cluster } from './cluster.ts';
import { listenOn } from './listening.ts';

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** Some of what was said never arrived: what follows would make no sense. */
  torn: boolean;
}

export class NodeProxy {
  address = '';
  /** Before each chunk, in both directions. */
  delayMs = 0;
  /** 0 = as fast as it goes. */
  bytesPerSecond = 0;
  /** What arrives waits. */
  stalled = false;
  /** What the client says is taken and not passed on, in what is open and in what opens. */
  muted = false;
  /** Bytes that `muted` kept from the node. */
  mutedBytes = 0;
  private readonly target: string;
  private readonly links = new Set<Link>();
  private readonly server: net.Server;

  private constructor(target: string) {
    this.target = target;
    this.server = net.createServer({ pauseOnConnect: true }, (client) => this.link(client));
  }

  static async create(target: string, port = 0): Promise<NodeProxy> {
    const proxy = new NodeProxy(target);
    proxy.address = `127.0.0.1:${await listenOn(proxy.server, port)}`;
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

  /** Reset, and nobody listens until `mend`. Returns how many connections it cut. */
  close(): number {
    if (this.server.listening) this.server.close();
    return this.reset();
  }

  /** As good as new; connections that lost something are reset. */
  async mend(): Promise<void> {
    this.muted = false;
    for (const { client, torn } of this.links) if (torn) client.resetAndDestroy();
    if (this.server.listening) return;
    await listenOn(this.server, Number(this.address.split(':')[1]));
  }

  private link(client: net.Socket): void {
    const [host, port] = this.target.split(':');
    const server = net.connect(Number(port), host);
    const link = { client, server, torn: false };
    this.links.add(link);
    this.pass(client, server, (chunk) => this.mutes(link, chunk));
    this.pass(server, client, () => false);
    const end = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('close', end).on('error', end);
    client.resume();
  }

  private mutes(link: Link, chunk: Buffer): boolean {
    if (!this.muted) return false;
    link.torn = true;
    this.mutedBytes += chunk.length;
    return true;
  }

  /** One chunk at a time: while it waits nothing more is read, so TCP slows the sender down. */
  private pass(from: net.Socket, to: net.Socket, isLost: (chunk: Buffer) => boolean): void {
    from.on('data', (chunk: Buffer) => {
      if (isLost(chunk)) return;
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
  return detoured(transport, (address) => {
    const i = cluster.nodes.findIndex((node) => node.address === address);
    return proxies[i]?.address ?? address;
  });
}

export function detoured(
  transport: ClientTransport,
  detour: (address: string) => string,
): ClientTransport {
  return {
    openStream: (address, path, events) => transport.openStream(detour(address), path, events),
    call: (address, rpc, request, timeoutMs) =>
      transport.call(detour(address), rpc, request, timeoutMs),
    close: () => transport.close(),
  };
}
