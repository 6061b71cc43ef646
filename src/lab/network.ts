// A simulated network of machines: connections that deliver in order, over links that can be cut in either
// direction, slow, lossy, or reset. As with TCP, a short cut only delays what was sent; a longer one ends
// the connection at both ends (keepalive). A connect to a dead process is refused, over a cut link it is
// not answered.
import type { Machine } from './machine.ts';
import type { Scheduled, World } from './world.ts';

/** From a cut to the end of the connections over it: two seconds to the ping, two for its answer. */
const keepaliveMs = 4000;
/** Of what comes again, and of what is overtaken, at most. */
const laterMs = [2, 20, 100, 2000] as const;
const overtakenMs = [2, 10, 50] as const;

/** One direction from one machine to another. */
export interface Link {
  cut: boolean;
  /** Added to every delivery. */
  slowMs: number;
  /** Of messages that may get lost: chances to. */
  loss: number;
  duplicate: number;
  reorder: number;
}

/** But for cuts. */
export const goodLink = { slowMs: 0, loss: 0, duplicate: 0, reorder: 0 } as const;

export interface End {
  onMessage(message: Message): void;
  /** Once, unless this end closed it. */
  onEnd(): void;
}

/** `lossy`: the one who sent it does not rely on its coming once and in order. */
export interface Message {
  readonly bytes: Buffer;
  readonly lossy?: true;
}

export interface Connection {
  send(message: Message): void;
  /** The other end is told. */
  close(): void;
}

export type Accept = (connection: Connection, from: Machine, service: string) => End | null;

export type ConnectResult =
  | { readonly kind: 'connected'; readonly connection: Connection }
  | { readonly kind: 'refused' };

/** What links did to messages and connections. */
export interface NetworkCounts {
  lost: number;
  duplicated: number;
  reordered: number;
  /** Held back by a cut. */
  held: number;
  /** Connections that ended by a cut or a reset. */
  broken: number;
}

export class Network {
  readonly counts: NetworkCounts = { lost: 0, duplicated: 0, reordered: 0, held: 0, broken: 0 };
  readonly world: World;
  readonly pipes = new Set<Pipe>();
  /** By who sends, then by who receives. */
  private readonly links = new Map<Machine, Map<Machine, Link>>();
  private readonly listeners = new Map<string, { machine: Machine; accept: Accept }>();
  private readonly baseMs: number;

  constructor(world: World, baseMs: number) {
    this.world = world;
    this.baseMs = baseMs;
  }

  link(from: Machine, to: Machine): Link {
    let links = this.links.get(from);
    if (links === undefined) {
      links = new Map();
      this.links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = { cut: false, ...goodLink };
      links.set(to, link);
    }
    return link;
  }

  delayMs({ slowMs }: Link): number {
    return slowMs + this.baseMs * (0.5 + this.world.random.next());
  }

  cut(from: Machine, to: Machine): void {
    const link = this.link(from, to);
    if (link.cut) return;
    link.cut = true;
    for (const pipe of this.pipes) if (pipe.uses(link)) pipe.watchCut();
  }

  heal(from: Machine, to: Machine): void {
    const link = this.link(from, to);
    link.cut = false;
    for (const pipe of this.pipes) if (pipe.uses(link)) pipe.release();
  }

  /** Both ends of every connection between the two are told that it is gone. */
  reset(one: Machine, other: Machine): void {
    for (const pipe of [...this.pipes]) if (pipe.joins(one, other)) pipe.break();
  }

  healAll(): void {
    for (const links of this.links.values()) {
      for (const link of links.values()) {
        Object.assign(link, { cut: false, ...goodLink });
      }
    }
    for (const pipe of this.pipes) pipe.release();
  }

  listen(address: string, machine: Machine, accept: Accept): void {
    this.listeners.set(address, { machine, accept });
    machine.onDeath(() => this.listeners.delete(address));
  }

  /** `done` is not called where nobody answers; the returned function gives up. */
  connect(
    from: Machine,
    address: string,
    service: string,
    end: End,
    done: (result: ConnectResult) => void,
  ): () => void {
    const target = this.hosts.get(address);
    if (target === undefined) throw new Error(`no machine has the address ${address}`);
    const [there, back] = [this.link(from, target), this.link(target, from)];
    if (there.cut || back.cut) return () => {};
    const answer = this.world.after(this.delayMs(there) + this.delayMs(back), from, () => {
      if (there.cut || back.cut) return;
      const listener = this.listeners.get(address);
      if (listener === undefined || !target.alive) done({ kind: 'refused' });
      else done(this.open(from, listener, service, end));
    });
    return () => answer.cancel();
  }

  /** Where machines are, alive or not. */
  readonly hosts = new Map<string, Machine>();

  private open(
    from: Machine,
    { machine: to, accept }: { machine: Machine; accept: Accept },
    service: string,
    end: End,
  ): ConnectResult {
    const pipe = new Pipe(this, from, to);
    const accepted = accept(pipe.endOf(to), from, service);
    if (accepted === null) return { kind: 'refused' };
    pipe.open(end, accepted);
    return { kind: 'connected', connection: pipe.endOf(from) };
  }
}

interface Half {
  readonly machine: Machine;
  readonly incarnation: number;
  /** To the other half. */
  readonly link: Link;
  end: End | null;
  /** When the newest message to the other half arrives. */
  lastAtMs: number;
  /** Sent into a cut. */
  held: Message[];
}

/** A connection: two halves, and what is on its way between them. */
class Pipe {
  private readonly network: Network;
  private readonly halves: readonly [Half, Half];
  private isOpen = true;
  private watch: Scheduled | null = null;
  private readonly unwatch: (() => void)[] = [];

  constructor(network: Network, from: Machine, to: Machine) {
    this.network = network;
    const half = (machine: Machine, other: Machine): Half => {
      const link = network.link(machine, other);
      const { incarnation } = machine;
      return { machine, incarnation, link, end: null, lastAtMs: 0, held: [] };
    };
    this.halves = [half(from, to), half(to, from)];
  }

  open(end: End, accepted: End): void {
    const [one, other] = this.halves;
    one.end = end;
    other.end = accepted;
    this.network.pipes.add(this);
    for (const half of this.halves) {
      this.unwatch.push(half.machine.onDeath(() => this.died(half)));
    }
  }

  endOf(machine: Machine): Connection {
    const [one, other] = this.halves;
    const [own, peer] = one.machine === machine ? [one, other] : [other, one];
    return {
      send: (message) => this.send(own, peer, message),
      close: () => this.closed(own, peer),
    };
  }

  uses(link: Link): boolean {
    return this.halves.some((half) => half.link === link);
  }

  joins(one: Machine, other: Machine): boolean {
    const [a, b] = this.halves;
    return (a.machine === one && b.machine === other) || (a.machine === other && b.machine === one);
  }

  watchCut(): void {
    if (this.watch !== null) return;
    this.watch = this.network.world.after(keepaliveMs, null, () => {
      this.watch = null;
      if (this.halves.some(({ link }) => link.cut)) this.break();
    });
  }

  /** What a cut held back goes on its way. */
  release(): void {
    const [one, other] = this.halves;
    for (const [own, peer] of [[one, other] as const, [other, one] as const]) {
      if (own.link.cut) continue;
      for (const message of own.held.splice(0)) this.send(own, peer, message);
    }
    if (one.link.cut || other.link.cut) return;
    this.watch?.cancel();
    this.watch = null;
  }

  /** Either end may still get what was on its way to it: the other may have given up long before. */
  break(): void {
    if (!this.isOpen) return;
    const { counts, world } = this.network;
    counts.broken += 1;
    this.shut();
    const [one, other] = this.halves;
    for (const [half, peer] of [[one, other] as const, [other, one] as const]) {
      const getsTheRest = world.random.chance(0.5);
      this.tell(half, getsTheRest ? Math.max(0, peer.lastAtMs - world.nowMs) : 0);
    }
  }

  private send(own: Half, peer: Half, message: Message): void {
    if (!this.isOpen) return;
    const { counts, world } = this.network;
    const { link } = own;
    if (link.cut) {
      counts.held += 1;
      own.held.push(message);
      return;
    }
    const delayMs = this.network.delayMs(link);
    if (message.lossy && world.random.chance(link.loss)) {
      counts.lost += 1;
      return;
    }
    if (message.lossy && world.random.chance(link.duplicate)) {
      counts.duplicated += 1;
      this.deliver(peer, delayMs + world.random.pick(laterMs) * world.random.next(), message);
    }
    if (message.lossy && world.random.chance(link.reorder)) {
      counts.reordered += 1;
      this.deliver(peer, delayMs + world.random.pick(overtakenMs) * world.random.next(), message);
      return;
    }
    own.lastAtMs = Math.max(own.lastAtMs, world.nowMs + delayMs);
    this.deliver(peer, own.lastAtMs - world.nowMs, message);
  }

  private deliver(to: Half, delayMs: number, message: Message): void {
    this.network.world.after(delayMs, to.machine, () => {
      if (to.incarnation === to.machine.incarnation) to.end?.onMessage(message);
    });
  }

  /** One end closed it: what it sent before still arrives. */
  private closed(own: Half, peer: Half): void {
    if (!this.isOpen) return;
    this.shut();
    own.end = null;
    const afterMs = Math.max(0, own.lastAtMs - this.network.world.nowMs);
    this.tell(peer, own.link.cut ? keepaliveMs : afterMs + this.network.delayMs(own.link));
  }

  private died(dead: Half): void {
    const [one, other] = this.halves;
    if (dead.incarnation !== dead.machine.incarnation) return;
    this.closed(dead, dead === one ? other : one);
  }

  private shut(): void {
    this.isOpen = false;
    this.watch?.cancel();
    for (const end of this.unwatch.splice(0)) end();
    this.network.pipes.delete(this);
  }

  private tell(half: Half, delayMs: number): void {
    this.network.world.after(delayMs, half.machine, () => {
      const { end } = half;
      half.end = null;
      if (half.incarnation === half.machine.incarnation) end?.onEnd();
    });
  }
}
