// A user's scenario: what is to happen to a cluster of the lab, step by step, with the real client in its
// hands. Time passes only where the scenario waits; every rule of the lab is checked all along.
import type { PacelineClient } from '../client/client.ts';
import type { Clock } from '../clock.ts';
import { PacelineError } from '../errors.ts';
import { type FinalReads, judgeFinals } from './finals.ts';
import { LabCluster } from './lab-cluster.ts';
import type { LabNode } from './lab-node.ts';
import type { Machine } from './machine.ts';
import { plainShape, type Shape } from './shape.ts';
import { RuleBroken, World, type WorldEnd } from './world.ts';

/** What a script file exports as `scenario`. */
export type Scenario = (lab: Lab) => Promise<void>;

/** What it may export as `cluster`. */
export interface ScenarioCluster {
  /** 3 where not given; 1 to 7. */
  readonly nodes?: number;
  /** 1 where not given; a power of two, at most 64. */
  readonly partitions?: number;
  /** Leaders answer reads by a lease. */
  readonly lease?: boolean;
}

export interface ScenarioResult extends WorldEnd {
  readonly seed: number;
}

export interface ScenarioOptions {
  readonly scenario: Scenario;
  readonly cluster?: ScenarioCluster;
  readonly seed: number;
  readonly lines?: boolean;
}

/** A scenario that has not ended after so much of its time waits for something that is not of the lab. */
const longestMs = 3_600_000;
const waitMs = 30_000;
const pollMs = 5;
const clientTimeoutMs = 10_000;

export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const { seed, scenario, cluster: wanted = {}, lines = false } = options;
  const world = new World(seed, lines);
  await world.hearingRejections(() => run(world, scenario, wanted));
  return { seed, ...world.end };
}

async function run(world: World, scenario: Scenario, wanted: ScenarioCluster): Promise<void> {
  const cluster = new LabCluster(world, shapeOf(wanted));
  const lab = new Lab(cluster);
  cluster.start();
  let isOver = false;
  scenario(lab).then(
    () => {
      isOver = true;
    },
    (error: unknown) => {
      isOver = true;
      breakBy(world, error);
    },
  );
  await world.run(longestMs, () => isOver);
  if (isOver || world.broken !== null) return;
  const detail = 'it waits for something that is not of the lab: a timer, a socket, a file?';
  world.break('a scenario ends', detail);
}

/** What a scenario can do. Nodes are named by their ids, from 1. */
export class Lab {
  private readonly cluster: LabCluster;
  private readonly world: World;
  private readonly clients = new Map<string, { client: PacelineClient; machine: Machine }>();

  constructor(cluster: LabCluster) {
    this.cluster = cluster;
    this.world = cluster.world;
  }

  /** Ids of all nodes. */
  get nodes(): readonly number[] {
    return this.cluster.nodes.map(({ id }) => id);
  }

  /** Simulated ms since the start. */
  get nowMs(): number {
    return this.world.nowMs;
  }

  /** Chance from the seed, in [0, 1). */
  random(): number {
    return this.world.random.next();
  }

  /** A line for the timeline. */
  say(text: string): void {
    this.world.say('script', () => text);
  }

  /** Lets so much time pass. */
  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.after(ms, null, resolve));
  }

  /** Lets time pass until it holds. Breaks the rule `what` where it does not within `withinMs`. */
  async until(what: string, holds: () => boolean, withinMs = waitMs): Promise<void> {
    const endMs = this.world.nowMs + withinMs;
    while (!holds()) {
      if (this.world.nowMs >= endMs) throw new RuleBroken(what, `not within ${withinMs} ms`);
      await this.pass(pollMs);
    }
  }

  /** Breaks the rule `what` where it does not hold. */
  expect(holds: boolean, what: string, detail = 'it does not hold'): void {
    if (!holds) throw new RuleBroken(what, detail);
  }

  // Clients.

  /** The real client, on a machine of its own; the same for the same name. */
  client(name: string): PacelineClient {
    return this.of(name).client;
  }

  /** The clock of that client's machine, for what a service times by itself. */
  clock(name: string): Clock {
    return this.of(name).machine;
  }

  // Nodes.

  /** The id of the node that leads a partition now, once one does and can serve. */
  async leader(partition = 0): Promise<number> {
    let leader: number | undefined;
    await this.until('a partition gets a leader', () => {
      leader = this.cluster.nodes.find(({ node }) => node?.replicas[partition]?.ready)?.id;
      return leader !== undefined;
    });
    return leader ?? 0;
  }

  /** kill -9: what was written stays, what was being written may. */
  crash(node: number): void {
    this.node(node).supervised = false;
    this.node(node).kill(false);
  }

  /** As a crash; what was not synced may be gone. */
  losePower(node: number): void {
    this.node(node).supervised = false;
    this.node(node).kill(true);
  }

  /** Starts its process again on its disk. */
  restart(node: number): void {
    this.node(node).supervised = true;
    this.node(node).start();
  }

  /** SIGSTOP, and SIGCONT after `ms`. */
  stop(node: number, ms: number): void {
    this.node(node).machine.stop(ms);
  }

  /** Gives the leadership of a partition to `to`. */
  async transfer(partition: number, to: number): Promise<void> {
    const from = this.node(await this.leader(partition)).node;
    await from?.transferLeadership(partition, to);
  }

  // The network.

  /** Nothing passes between the two, in either direction; what is sent meanwhile waits up to 4 s. */
  cut(one: number, other: number): void {
    this.cutOneWay(one, other);
    this.cutOneWay(other, one);
  }

  /** Nothing passes from one to the other. */
  cutOneWay(from: number, to: number): void {
    this.cluster.network.cut(this.node(from).machine, this.node(to).machine);
  }

  /** Cuts a node from all other nodes; clients still reach it. */
  isolate(node: number): void {
    for (const other of this.nodes) if (other !== node) this.cut(node, other);
  }

  /** A client does not reach that node, nor it the client. */
  cutClient(name: string, node: number): void {
    const [client, server] = [this.of(name).machine, this.node(node).machine];
    this.cluster.network.cut(client, server);
    this.cluster.network.cut(server, client);
  }

  /** Every message from one to the other takes so much longer. */
  slow(from: number, to: number, ms: number): void {
    this.link(from, to).slowMs = ms;
  }

  /** Frames from one to the other get lost with this chance. */
  lose(from: number, to: number, chance: number): void {
    this.link(from, to).loss = chance;
  }

  /** Every cut, slowness and loss ends. */
  heal(): void {
    this.cluster.network.healAll();
  }

  // Disks and clocks.

  /** Nothing is read or written for so long. */
  stallDisk(node: number, ms: number): void {
    this.node(node).disk.stall(ms);
  }

  /** Its next fsync fails: the node ends, and is started again. */
  failSync(node: number): void {
    this.node(node).disk.failsSync = true;
  }

  /** Writes fail until `freeDisk`. */
  fillDisk(node: number): void {
    this.node(node).disk.full = true;
  }

  freeDisk(node: number): void {
    this.node(node).disk.full = false;
  }

  /** One bit of one stored row, of any partition. */
  flipBit(node: number): void {
    this.node(node).disk.flipBit((key) => key.charCodeAt(0) > 0);
  }

  /** Its data directory is empty at its next start. */
  wipe(node: number): void {
    this.node(node).supervised = false;
    this.node(node).kill(true);
    this.node(node).disk.wipe();
  }

  /** Its wall clock is set forward or back. */
  skewClock(node: number, ms: number): void {
    this.node(node).machine.stepWall(ms);
  }

  /** Its monotonic clock runs at this rate; 1 = right. */
  driftClock(node: number, rate: number): void {
    this.node(node).machine.setRate(rate);
  }

  // The end.

  /** Heals everything, starts every node, and waits until all replicas hold the same. */
  async converge(withinMs = 60_000): Promise<void> {
    this.cluster.heal();
    await this.until(
      'all replicas come to hold the same',
      () => this.cluster.hasConverged,
      withinMs,
    );
  }

  /** What every node has of a conversation, once all hold the same: bodies in order of seq. */
  async finals(conversation: string): Promise<readonly string[]> {
    await this.converge();
    const reads: FinalReads = await judgeFinals(this.cluster, [conversation]);
    return (reads.get(conversation) ?? []).map(({ body }) => Buffer.from(body).toString());
  }

  private of(name: string): { client: PacelineClient; machine: Machine } {
    let found = this.clients.get(name);
    if (found === undefined) {
      found = this.cluster.addClient(name, { timeoutMs: clientTimeoutMs });
      this.clients.set(name, found);
    }
    return found;
  }

  private node(id: number): LabNode {
    const found = this.cluster.nodes.find((node) => node.id === id);
    if (found === undefined) {
      const message = `node: there is no node ${id}, they are 1 to ${this.cluster.nodes.length}`;
      throw new PacelineError({ reason: 'BAD_REQUEST', field: 'node', message });
    }
    return found;
  }

  private link(from: number, to: number) {
    return this.cluster.network.link(this.node(from).machine, this.node(to).machine);
  }
}

function breakBy(world: World, error: unknown): void {
  if (error instanceof RuleBroken) world.break(error.rule, error.message);
  else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.break('the scenario does not throw', text);
  }
}

function shapeOf({ nodes = 3, partitions = 1, lease = false }: ScenarioCluster): Shape {
  const bad = (field: string, limits: string) => {
    const message = `cluster.${field}: ${limits}`;
    return new PacelineError({ reason: 'BAD_REQUEST', field: `cluster.${field}`, message });
  };
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 7) throw bad('nodes', '1 to 7');
  if (![1, 2, 4, 8, 16, 32, 64].includes(partitions)) {
    throw bad('partitions', 'a power of two from 1 to 64');
  }
  return plainShape({ nodes, partitions, lease });
}
