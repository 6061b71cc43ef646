// One node of the lab: a machine, a disk, and on them the real node, store and api. It can be started
// again on what its disk holds; why it ended is kept, as not every end is allowed.
import { createUnaryMethods } from '../api/unary.ts';
import { InvariantError } from '../assert.ts';
import type { NodeConfig } from '../node/config.ts';
import { Node } from '../node/node.ts';
import { openStoreIn } from '../storage/store.ts';
import type { NodeId } from '../transport/types.ts';
import type { Checkers } from './checkers.ts';
import type { Disk } from './disk.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { PeerTransport, type PeerWatch, peerService } from './peer-transport.ts';
import { acceptCall, RpcForwarder, RpcTransport } from './rpc.ts';

/** A supervisor starts an ended process again after this. */
const restartMs = { min: 100, max: 2000 } as const;
const noticed = 'a store that has lost a batch does not open';

export interface LabNodeParts {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly network: Network;
  readonly checkers: Checkers;
  readonly config: NodeConfig;
}

export class LabNode {
  readonly id: NodeId;
  readonly machine: Machine;
  readonly disk: Disk;
  readonly config: NodeConfig;
  /** While its process lives and its store is open. */
  node: Node | null = null;
  /** Why the process ended by itself, newest last. */
  readonly ends: string[] = [];
  /** Frames with heartbeats that it sent. */
  heartbeats = 0;
  /** Started again by itself after an end. */
  supervised = true;
  private readonly network: Network;
  private readonly checkers: Checkers;

  constructor({ machine, disk, network, checkers, config }: LabNodeParts) {
    this.id = config.id;
    this.machine = machine;
    this.disk = disk;
    this.network = network;
    this.checkers = checkers;
    this.config = config;
    network.hosts.set(config.address, machine);
  }

  get name(): string {
    return this.machine.name;
  }

  start(): void {
    const { machine } = this;
    if (machine.alive) return;
    machine.start();
    machine.world.say(this.name, () => 'starts');
    machine.onDeath(() => {
      this.node = null;
    });
    const { incarnation } = machine;
    this.boot().catch((error: Error) => {
      if (machine.incarnation === incarnation) this.end(error);
    });
  }

  /** kill -9, or with `power` the loss of what was not synced. */
  kill(power: boolean): void {
    this.machine.world.say(this.name, () => (power ? 'loses power' : 'is killed'));
    this.machine.kill();
    if (power) this.disk.losePower();
  }

  private async boot(): Promise<void> {
    const { machine, disk, network, config } = this;
    const { random, world } = machine;
    const store = await openStoreIn(disk.open(), {
      place: this.name,
      randomBytes: random.bytes,
      created: async () => {},
    });
    const addresses = config.nodes;
    if (disk.lostBatch) world.break(noticed, `${this.name} serves without a batch in the middle`);
    const watch = this.watch();
    const transport = new PeerTransport({
      ...{ self: config.id, addresses, machine, network, watch },
    });
    const node = new Node({
      ...{ config, transport, clock: machine, random: random.next, randomBytes: random.bytes },
      store,
      log: (event, facts) => {
        machine.world.say(this.name, () => `${event} ${JSON.stringify(facts)}`);
      },
      onFatal: (error) => this.end(error),
    });
    const methods = createUnaryMethods(node, new RpcForwarder(new RpcTransport(network, machine)));
    network.listen(config.address, machine, (connection, _from, service) => {
      if (service === peerService) return transport.accept(connection);
      return acceptCall(node, methods, service, connection);
    });
    this.node = node;
    await node.start();
  }

  private watch(): PeerWatch {
    return {
      sent: (batch) => {
        this.checkers.sent(this, batch);
        if (batch.messages.some(({ type }) => type === 'Heartbeat')) this.heartbeats += 1;
      },
      received: (batch) => this.checkers.received(this, batch),
      down: (peer) => this.checkers.down(this, peer),
    };
  }

  /** The process ends itself: it can keep no promise any more. */
  private end(error: Error): void {
    const { machine } = this;
    if (!machine.alive) return;
    const { world, random } = machine;
    world.say(this.name, () => `ends: ${error.message}`);
    this.ends.push(error.message);
    if (error instanceof InvariantError) {
      world.break('no assertion fails', `${this.name}: ${error.stack ?? error.message}`);
    }
    machine.kill();
    if (!this.supervised) return;
    world.after(random.between(restartMs.min, restartMs.max), null, () => {
      if (this.supervised) this.start();
    });
  }
}
