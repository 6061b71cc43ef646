// The client: one object for a chat service to append, read and follow. Knows no gRPC, clock or chance of
// its own: `connect` (grpc/connect.ts) gives it the real ones.
import { escapeId } from '../conversation.ts';
import type { GetStatusResponse } from '../gen/proto.ts';
import { rpcs } from '../gen/services.ts';
import type { Append, Appended } from './append.ts';
import { Appends } from './appends.ts';
import { checkAmount, checkNumber, checkServer, checkText, uint32Max } from './check-value.ts';
import type { EventAppend, Policy } from './event-append.ts';
import type { Page } from './message.ts';
import { Messages } from './messages.ts';
import { PartitionMap } from './partition-map.ts';
import { type Head, type Read, Reads } from './reads.ts';
import { type Subscribe, Subscription } from './subscription.ts';
import { Tokens } from './tokens.ts';
import { type ClientOptions, closedError } from './types.ts';

/** Who does it where, and a key of the caller's where it may be called again. */
type EventOf<What> = Omit<EventAppend, 'event'> & What;

export class PacelineClient {
  private readonly options: ClientOptions;
  private readonly map: PartitionMap;
  private readonly tokens = new Tokens();
  private readonly appends: Appends;
  private readonly reads: Reads;
  private readonly subscriptions = new Set<Subscription>();
  /** Nothing new is begun. */
  private closing = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.map = new PartitionMap(options.servers, options.transport, options.clock);
    this.appends = new Appends(options, this.map, this.tokens);
    this.reads = new Reads(options, this.map, this.tokens);
  }

  /**
   * Appends one message and resolves once it is durable on a majority. Appends of one conversation
   * are stored in the order of the calls; a lost answer is asked for again with the same key, so
   * that the message is stored once.
   *
   * ```ts
   * const { seq } = await paceline.append({ conversation: 'g:lobby', sender: 'ann', body: 'hi' });
   * ```
   *
   * Errors (PacelineError.reason): BAD_... and TOO_LARGE for bad input; EXPECTED_SEQ_MISMATCH;
   * IDEMPOTENCY_MISMATCH; BUSY where `whenFull` is 'refuse'; UNREACHABLE or NO_LEADER where nothing
   * was stored before the deadline; OUTCOME_UNKNOWN where that cannot be said. An abort ends with
   * the signal's reason where the message was not sent yet, else with OUTCOME_UNKNOWN.
   */
  append(append: Append, options?: { readonly signal?: AbortSignal }): Promise<Appended> {
    const signal = options?.signal;
    return new Promise((resolve, reject) => this.appends.start(append, resolve, reject, signal));
  }

  /** Replaces the conversation's policy. Errors: those of `append`. */
  setPolicy(change: EventOf<{ readonly policy: Policy }>): Promise<Appended> {
    return this.startEvent({ ...change, event: { kind: 'policy', policy: change?.policy } });
  }

  /** Shows a pending message. Errors: NOT_PENDING where it was ended before; those of `append`. */
  release(change: EventOf<{ readonly seq: number }>): Promise<Appended> {
    return this.startEvent({ ...change, event: { kind: 'release', seq: change?.seq } });
  }

  /** Ends a pending message that is never shown. Errors: as `release`. */
  reject(change: EventOf<{ readonly seq: number }>): Promise<Appended> {
    return this.startEvent({ ...change, event: { kind: 'reject', seq: change?.seq } });
  }

  /**
   * Gives a device of a user an epoch higher than all before: with its first append in a conversation
   * those of the same device with lower epochs are fenced there.
   */
  async registerDevice(user: string, device: string, key?: string): Promise<number> {
    checkText('BAD_SENDER', 'sender', user);
    const conversation = `s:${escapeId(user)}`;
    const event = { kind: 'device', device } as const;
    const keyed = key === undefined ? {} : { key };
    return (await this.startEvent({ conversation, sender: user, event, ...keyed })).epoch;
  }

  /**
   * The same without a promise for each message: one of the two is called, once. What it throws is an
   * uncaught exception of the process.
   */
  start(
    append: Append,
    resolve: (appended: Appended) => void,
    reject: (error: Error) => void,
    signal?: AbortSignal,
  ): void {
    this.appends.start(append, resolve, reject, signal);
  }

  /**
   * One page of a conversation, in order of seq.
   *
   * ```ts
   * const newest = await paceline.read({ conversation: 'g:lobby', direction: 'backward', limit: 20 });
   * const [oldest] = newest.messages;
   * if (oldest !== undefined && oldest.seq > newest.minSeq) {
   *   await paceline.read({ conversation: 'g:lobby', beforeSeq: oldest.seq, limit: 20 });
   * }
   * ```
   *
   * Errors: bad input; TRIMMED, IN_FUTURE with `min` and `max`; UNREACHABLE, NO_LEADER or
   * NOT_CAUGHT_UP where no node could answer in time.
   */
  read(read: Read): Promise<Page> {
    return this.unlessClosing(() => this.reads.read(read));
  }

  /**
   * The newest seq of up to 1,000 conversations, in the order asked, as some replica has it. Errors: bad input;
   * UNREACHABLE where no node could answer in time.
   */
  heads(conversations: readonly string[]): Promise<Head[]> {
    return this.unlessClosing(() => this.reads.heads(conversations));
  }

  /**
   * Follows a conversation, or a partition in log order: what is there, then what is new, each message
   * and each other event (a gap, a release, ...) once, in order, over failovers. Ends with `break`,
   * the signal or the client's close. Bad input is told by the first `next`.
   *
   * ```ts
   * for await (const event of paceline.subscribe({ conversation: 'g:lobby', afterSeq: 0 })) {
   *   if (event.kind === 'message') console.log(event.message.seq, event.message.sender);
   *   if (event.kind === 'caught-up') break;
   * }
   * ```
   */
  subscribe(subscribe: Subscribe): Subscription {
    const subscription = new Subscription(subscribe, {
      options: this.options,
      first: () => (this.closing ? Promise.reject(closedError()) : this.firstServer(subscribe)),
      server: () => this.reads.server(),
      passOver: (server) => this.reads.passOver(server),
      areAll: (servers) => this.map.addresses.every((address) => servers.has(address)),
      token: () => this.tokens.get(this.partitionOf(subscribe)),
      learn: (partition, index, token) => this.tokens.learn(partition, index, token),
      onClose: (closed) => this.subscriptions.delete(closed),
    });
    if (!subscription.isOver) this.subscriptions.add(subscription);
    return subscription;
  }

  /**
   * The messages of `subscribe` alone, a pending one in its `state`; where the place asked for is gone
   * it goes on with the oldest.
   *
   * ```ts
   * for await (const { seq } of paceline.messages({ conversation: 'g:lobby' })) {
   *   if (seq === 1) break;
   * }
   * ```
   */
  messages(subscribe: Subscribe): Messages {
    return new Messages(this.subscribe(subscribe));
  }

  /** What one node says of itself. Errors: bad input; UNREACHABLE. */
  status(server: string, timeoutMs: number): Promise<GetStatusResponse> {
    const { transport } = this.options;
    return this.unlessClosing(() => {
      checkServer('server', server);
      checkAmount('timeoutMs', timeoutMs);
      return transport.call(server, rpcs.getStatus, {}, timeoutMs);
    });
  }

  /**
   * Gives the leadership of a partition to a node; asked of the server that leads it.
   * Errors: bad input; UNREACHABLE, NOT_LEADER, NO_SUCH_PARTITION, BAD_REQUEST, BUSY, NOT_CAUGHT_UP.
   */
  async transferLeadership(
    server: string,
    to: { readonly partition: number; readonly node: number },
    timeoutMs: number,
  ): Promise<void> {
    const { transport } = this.options;
    const { partition, node } = to ?? {};
    await this.unlessClosing(() => {
      checkServer('server', server);
      checkNumber('partition', partition ?? null, 'BAD_REQUEST', uint32Max);
      checkNumber('node', node ?? null, 'BAD_REQUEST', uint32Max);
      checkAmount('timeoutMs', timeoutMs);
      return transport.call(server, rpcs.transferLeadership, { partition, node }, timeoutMs);
    });
  }

  /** Resolves once every append has ended. */
  drain(): Promise<void> {
    return this.appends.drain();
  }

  /**
   * Drains, ends every subscription and closes every connection. From the call on everything else is refused
   * with STOPPING.
   */
  async close(): Promise<void> {
    this.closing = true;
    await this.appends.close();
    this.map.close();
    this.reads.close();
    for (const subscription of [...this.subscriptions]) await subscription.return();
    this.options.transport.close();
  }

  /** What `ask` throws is a rejection, too. */
  private async unlessClosing<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    if (this.closing) throw closedError();
    return ask();
  }

  private startEvent(append: EventAppend): Promise<Appended> {
    return new Promise((resolve, reject) => this.appends.start(append, resolve, reject));
  }

  /** undefined: the subscription begins at the next node in turn. */
  private firstServer(subscribe: Subscribe): string | undefined | Promise<string | undefined> {
    const { prefer = 'partition' in subscribe ? 'leader' : 'any', server } = subscribe;
    if (prefer === 'any' || server !== undefined) return undefined;
    const leader = () => this.map.leader(this.partitionOf(subscribe));
    // Where no map is to be had, the subscription finds out for itself.
    return this.map.isLoaded ? leader() : this.map.refresh().then(leader, leader);
  }

  /** -1: not known yet, there is no token for it. */
  private partitionOf(subscribe: Subscribe): number {
    if ('partition' in subscribe) return subscribe.partition;
    return this.map.isLoaded ? this.map.locate(subscribe.conversation).partition : -1;
  }
}
