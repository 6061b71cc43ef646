// What the client knows of who leads what: asked of any server, mended by hints, asked again when an
// answer says that it was wrong.
import type { Clock } from '../clock.ts';
import { isBadName } from '../conversation.ts';
import { PacelineError } from '../errors.ts';
import { type GetPartitionMapResponse, ShardMapping } from '../gen/proto.ts';
import { rpcs } from '../gen/services.ts';
import { createPlaces, type ShardMapping as Mapping, partitionOf } from '../shard.ts';
import { badName, checkText } from './check-value.ts';
import { type ClientTransport, closedError } from './types.ts';

const mapTimeoutMs = 1000;
const retryMs = 50;
/** Deadlines may be later than timers reach. */
const waitMaxMs = 60_000;

interface Leader {
  address: string;
  term: number;
}

export class PartitionMap {
  private readonly servers: string[];
  private readonly transport: ClientTransport;
  private readonly clock: Clock;
  private readonly leaders = new Map<number, Leader>();
  private places: ReturnType<typeof createPlaces> | null = null;
  private partitions = 0;
  private loading: Promise<void> | null = null;
  private nextServer = 0;
  /** What the server asked last failed with. */
  private cause: string | null = null;
  private closed = false;

  constructor(servers: readonly string[], transport: ClientTransport, clock: Clock) {
    this.servers = [...servers];
    this.transport = transport;
    this.clock = clock;
  }

  get isLoaded(): boolean {
    return this.places !== null;
  }

  /** Every address known: those given and those the cluster named. */
  get addresses(): readonly string[] {
    return this.servers;
  }

  /** Throws BAD_CONVERSATION; only once loaded. */
  locate(conversation: string): { readonly text: string; readonly partition: number } {
    checkText('BAD_CONVERSATION', 'conversation', conversation);
    const place = this.places?.(conversation);
    if (place === undefined) throw new Error('the map is loaded before it is used');
    if ('shard' in place) {
      return { text: place.text, partition: partitionOf(place.shard, this.partitions) };
    }
    throw badName(isBadName(place) ? place : { problem: 'not a name' });
  }

  leader(partition: number): string | undefined {
    return this.leaders.get(partition)?.address;
  }

  /** A hint from a node that is not the leader. */
  hint(partition: number, address: string): void {
    const term = this.leaders.get(partition)?.term ?? 0;
    this.leaders.set(partition, { address, term });
  }

  forget(partition: number): void {
    this.leaders.delete(partition);
  }

  forgetAddress(address: string): void {
    for (const [partition, leader] of this.leaders) {
      if (leader.address === address) this.leaders.delete(partition);
    }
  }

  /**
   * Asks the servers one after the other until one answers, or all were asked. Begins with another one
   * each time: what the last one said was not good enough.
   */
  refresh(): Promise<void> {
    this.loading ??= this.load().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  /** Loads the map at first use, trying until the deadline. Errors: UNREACHABLE; STOPPING after `close`. */
  async ensure(deadlineMs: number): Promise<void> {
    while (this.places === null) {
      try {
        await this.refreshUntil(deadlineMs);
      } catch (error) {
        if (this.closed) throw closedError();
        const leftMs = deadlineMs - this.clock.monotonicMs();
        if (leftMs <= 0) throw error;
        await new Promise<void>((resolve) => this.clock.after(Math.min(retryMs, leftMs), resolve));
      }
    }
  }

  /** Asks no server any more. */
  close(): void {
    this.closed = true;
  }

  /** Waits no longer; what was asked goes on. */
  private refreshUntil(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leftMs = deadlineMs - this.clock.monotonicMs();
      const timer = this.clock.after(Math.min(leftMs, waitMaxMs), () =>
        reject(this.unreachable(this.cause ?? 'not in time')),
      );
      this.refresh()
        .finally(() => timer.cancel())
        .then(resolve, reject);
    });
  }

  private async load(): Promise<void> {
    const count = this.servers.length;
    for (let i = 0; i < count; i++) {
      if (this.closed) throw closedError();
      const address = this.servers[this.nextServer % count] ?? '';
      this.nextServer += 1;
      try {
        const timeoutMs = mapTimeoutMs;
        this.take(await this.transport.call(address, rpcs.getPartitionMap, {}, timeoutMs));
        return;
      } catch (error) {
        this.cause = error instanceof Error ? error.message : String(error);
      }
    }
    throw this.unreachable(this.cause ?? 'no server was given');
  }

  private unreachable(detail: string): PacelineError {
    const message = `none of ${this.servers.join(', ')} answered: ${detail}`;
    return new PacelineError({ reason: 'UNREACHABLE', field: 'servers', message });
  }

  private take(map: GetPartitionMapResponse): void {
    const addresses = new Map(map.nodes.map(({ id, address }) => [id, address]));
    for (const address of addresses.values()) {
      if (!this.servers.includes(address)) this.servers.push(address);
    }
    this.places ??= createPlaces(mappingOf(map.mapping));
    this.partitions = map.partitionCount;
    for (const { partition, leader, term } of map.leaders) {
      const address = addresses.get(leader);
      const known = this.leaders.get(partition);
      if (address === undefined || (known !== undefined && known.term > term.toNumber())) continue;
      this.leaders.set(partition, { address, term: term.toNumber() });
    }
  }
}

function mappingOf(mapping: number): Mapping {
  if (mapping === ShardMapping.SHARD_MAPPING_TT_SUM) return 'tt_sum';
  return mapping === ShardMapping.SHARD_MAPPING_TT_ONE ? 'tt_one' : 'mix';
}
