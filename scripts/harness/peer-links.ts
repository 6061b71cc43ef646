// The links between the nodes of a cluster, each direction through a proxy of its own: a node dials every
// other and says what it has to say on what it dialed, so the proxy from 1 to 2 carries what 1 says to 2.
import { PacelineClient } from '../../src/client/client.ts';
import { createGrpcClientTransport } from '../../src/client/grpc/transport.ts';
import type { ClientTransport } from '../../src/client/types.ts';
import { systemClock } from '../../src/clock.ts';
import { type Cluster, freePorts } from './cluster.ts';
import { detoured, NodeProxy } from './proxy.ts';

interface PeerLink {
  readonly from: number;
  readonly to: number;
  readonly proxy: NodeProxy;
}

export class PeerLinks {
  private readonly cluster: Cluster;
  private readonly links: readonly PeerLink[];

  private constructor(cluster: Cluster, links: readonly PeerLink[]) {
    this.cluster = cluster;
    this.links = links;
  }

  static async create(cluster: Cluster): Promise<PeerLinks> {
    const pairs = cluster.nodes.flatMap(({ id: from }) =>
      cluster.nodes.filter(({ id }) => id !== from).map((to) => ({ from, to })),
    );
    // A port of its own for good: refused for a while, it is listened on again.
    const ports = await freePorts(pairs.length);
    const links = pairs.map(async ({ from, to }, i) => {
      return { from, to: to.id, proxy: await NodeProxy.create(to.address, ports[i]) };
    });
    return new PeerLinks(cluster, await Promise.all(links));
  }

  /** Starts every node, which knows the others by its own proxies to them. */
  start(): void {
    for (const node of this.cluster.nodes) {
      const own = this.links.filter(({ from }) => from === node.id);
      const others = own.map(({ to, proxy }) => `${to}=${proxy.address}`);
      node.start({ flags: ['--peers', [`${node.id}=${node.address}`, ...others].join(',')] });
    }
  }

  /** What a client is told of other nodes are proxies: it goes to the nodes themselves. */
  directTransport(): ClientTransport {
    return detoured(createGrpcClientTransport(), (address) => {
      const link = this.links.find(({ proxy }) => proxy.address === address);
      return link === undefined ? address : this.cluster.node(link.to).address;
    });
  }

  createClient(): PacelineClient {
    return new PacelineClient({
      servers: this.cluster.servers,
      transport: this.directTransport(),
      clock: systemClock,
      random: Math.random,
      clientId: crypto.randomUUID(),
    });
  }

  /** Nothing that `from` says arrives at `to`, and neither is told. */
  mute(from: number, to: number): void {
    this.between(from, to).muted = true;
  }

  /**
   * Both directions are reset and then refused: nobody seems to be there, while both live. (A connect
   * that is not answered says the same to a node, 50 ms later: peer-watch.ts.)
   */
  sever(a: number, b: number): number {
    return this.between(a, b).close() + this.between(b, a).close();
  }

  /** How much was kept from arriving. */
  get mutedBytes(): number {
    return this.links.reduce((sum, { proxy }) => sum + proxy.mutedBytes, 0);
  }

  async heal(): Promise<void> {
    await Promise.all(this.links.map(({ proxy }) => proxy.mend()));
  }

  close(): void {
    for (const { proxy } of this.links) proxy.close();
  }

  private between(from: number, to: number): NodeProxy {
    const link = this.links.find((each) => each.from === from && each.to === to);
    if (link === undefined) throw new Error(`there is no link from ${from} to ${to}`);
    return link.proxy;
  }
}
