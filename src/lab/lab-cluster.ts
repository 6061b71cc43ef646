// The machines of one run, put together: nodes with their disks, and clients, on one network.
import { PacelineClient } from '../client/client.ts';
import type { ClientTransport } from '../client/types.ts';
import { WatchedTransport } from './check-streams.ts';
import { Checkers } from './checkers.ts';
import { Disk } from './disk.ts';
import { LabNode } from './lab-node.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import { RpcTransport } from './rpc.ts';
import { addressOf, configOf, type Shape } from './shape.ts';
import type { Actor, World } from './world.ts';

export interface LabClient {
  readonly machine: Machine;
  /** The client of its newest incarnation. */
  client: PacelineClient;
}

export class LabCluster {
  readonly world: World;
  readonly shape: Shape;
  readonly network: Network;
  readonly nodes: readonly LabNode[];
  readonly clients: LabClient[] = [];
  /** Clients that may be killed. */
  readonly apps: LabClient[] = [];
  readonly checkers: Checkers;
  /** Makes clients write at once, much. */
  provoke: () => void = () => {};
  /** Makes clients write one message after the other, faster than they are answered. */
  flood: () => void = () => {};
  /** Makes a client write in that partition, one message after the other, slowly. */
  trickle: (partition: number) => void = () => {};
  /** Makes clients say again what they lately said in that partition. */
  resend: (partition: number) => void = () => {};
  /**
   * Makes a client append what expects one message more than there is, after `onHead`, and another client
   * append that one a little later.
   */
  expectAhead: (of: LabClient, onHead: () => void) => void = () => {};
  /** Makes a client ask that node alone for what is newest, or for everything. */
  question: (node: LabNode, what: 'newest' | 'everything') => void = () => {};
  /** The faults are over. */
  isHealed = false;
  private readonly byMachine: ReadonlyMap<Actor, LabNode>;

  constructor(world: World, shape: Shape) {
    this.world = world;
    this.shape = shape;
    this.network = new Network(world, shape.networkMs);
    const nodes: LabNode[] = [];
    this.nodes = nodes;
    this.checkers = new Checkers(world, nodes);
    for (let id = 1; id <= shape.nodes; id += 1) nodes.push(this.createNode(id));
    this.byMachine = new Map(this.nodes.map((node) => [node.machine, node]));
    world.afterStep = (actor) => this.look(actor);
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** Whose disk is whole. */
  get healthy(): readonly LabNode[] {
    return this.nodes.filter(({ disk }) => !disk.damaged);
  }

  /** How many more may lose their disks for good. */
  get spare(): number {
    const lost = this.nodes.length - this.healthy.length;
    return Math.floor((this.nodes.length - 1) / 2) - lost;
  }

  addClient(name: string, options: { readonly timeoutMs: number }): LabClient {
    const added = this.newClient(name, options.timeoutMs);
    this.clients.push(added);
    return added;
  }

  addApp(name: string, options: { readonly timeoutMs: number }): LabClient {
    const added = this.newClient(name, options.timeoutMs);
    this.apps.push(added);
    return added;
  }

  /** For the process that runs there now; ends with it. */
  createClient(machine: Machine, timeoutMs: number, name = ''): PacelineClient {
    const { random } = machine;
    return new PacelineClient({
      servers: this.nodes.map(({ id }) => addressOf(id)),
      transport: this.openTransport(machine, name),
      clock: machine,
      random: random.next,
      clientId: `${machine.name} ${machine.incarnation}${name}`,
      appendTimeoutMs: timeoutMs,
      readTimeoutMs: timeoutMs,
    });
  }

  /** Of its own; what leaves and comes by it is looked at. */
  openTransport(machine: Machine, name: string): ClientTransport {
    const rpc = new RpcTransport(this.network, machine);
    return new WatchedTransport(this.world, `${machine.name}${name}`, rpc);
  }

  /** A new process on the machine of a client, which knows nothing of the one before. */
  restartClient(of: LabClient, timeoutMs: number): void {
    of.machine.kill();
    of.machine.start();
    of.client = this.createClient(of.machine, timeoutMs);
  }

  /** Cuts, slowness and losses end, clocks are right, every process runs again; a stop ends by itself. */
  heal(): void {
    this.isHealed = true;
    this.network.healAll();
    for (const node of this.nodes) {
      node.disk.endFaults();
      node.machine.setRate(1);
      node.machine.setWallRight();
      node.supervised = true;
      node.start();
    }
  }

  /** No node is stopped any more. */
  get allAwake(): boolean {
    return this.nodes.every(({ machine }) => !machine.isStopped);
  }

  /** Every partition has a leader that all healthy nodes know, and all have applied the same. */
  get hasConverged(): boolean {
    const nodes = this.healthy;
    return Array.from({ length: this.shape.partitions }, (_, partition) => partition).every(
      (partition) => {
        const rafts = nodes.map((node) => raftOf(node, partition));
        // It may be one whose disk is damaged where nobody has looked yet.
        const leader = this.nodes
          .map((node) => raftOf(node, partition))
          .find((raft) => raft?.role === 'leader');
        return rafts.every(
          (raft) =>
            raft !== undefined &&
            leader !== undefined &&
            raft.leader === leader.self &&
            raft.applied === leader.lastIndex,
        );
      },
    );
  }

  private newClient(name: string, timeoutMs: number): LabClient {
    const machine = new Machine(this.world, name);
    machine.start();
    return { machine, client: this.createClient(machine, timeoutMs) };
  }

  private createNode(id: number): LabNode {
    const { world, network, shape } = this;
    const machine = new Machine(world, `node ${id}`, shape.skewMs);
    const disk = new Disk(machine, shape.disk);
    const { checkers } = this;
    return new LabNode({ machine, disk, network, checkers, config: configOf(shape, id) });
  }

  private look(actor: Actor | null): void {
    const node = actor === null ? undefined : this.byMachine.get(actor);
    if (node?.node != null) this.checkers.look(node);
  }
}

function raftOf({ node }: LabNode, partition: number) {
  return node?.replicas[partition]?.raft;
}
