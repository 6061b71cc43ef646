// Reads of a client: at any node, not older than what the client has seen or written, tried again at
// another node until a deadline.
import { PacelineError } from '../errors.ts';
import { ReadDirection, ReadLevel, type ReadRequestInput } from '../gen/proto.ts';
import { rpcs } from '../gen/services.ts';
import { checkHeads, checkRead } from './check-read.ts';
import { type Page, toPage } from './message.ts';
import type { PartitionMap } from './partition-map.ts';
import type { Tokens } from './tokens.ts';
import { type ClientOptions, closedError, mayBeRightElsewhere, type Rpc } from './types.ts';

/** At most one of afterSeq, beforeSeq and aroundSeq; 0 or absent = none. */
export interface Read {
  readonly conversation: string;
  /** Exclusive. */
  readonly afterSeq?: number;
  /** Exclusive. */
  readonly beforeSeq?: number;
  readonly aroundSeq?: number;
  /** Without a starting point: forward = from the oldest (default), backward = up to the newest. */
  readonly direction?: 'forward' | 'backward';
  /** 1 to 1,000; 100 where not given. */
  readonly limit?: number;
  /**
   * at-least (default): not older than what this client has read, received or written, and
   * linearizable where it has not seen that part of the log yet. eventual: what the node has, at once.
   */
  readonly level?: 'linearizable' | 'at-least' | 'eventual';
  /** Who reads: sees its own pending and rejected messages whole. */
  readonly viewer?: string;
  /** Ask this server only. */
  readonly server?: string;
  /** A read token of another client: the page is not older than that either. */
  readonly token?: Uint8Array;
}

export interface Head {
  /** 0 = the conversation has no message. */
  readonly seq: number;
  readonly rev: number;
  readonly minSeq: number;
}

const retryMs = 20;
const timeoutDefaultMs = 10_000;
const attemptMs = 3000;
/** So long a server that did not answer is not asked, where another one is left. */
const passOverMs = 5000;

export class Reads {
  private readonly options: ClientOptions;
  private readonly map: PartitionMap;
  private readonly tokens: Tokens;
  private nextServer: number;
  /** Servers that did not answer, and until when they are passed over. */
  private readonly passedOver = new Map<string, number>();
  private closed = false;

  constructor(options: ClientOptions, map: PartitionMap, tokens: Tokens) {
    this.options = options;
    this.map = map;
    this.tokens = tokens;
    this.nextServer = Math.floor(options.random() * 16);
  }

  async read(read: Read): Promise<Page> {
    checkRead(read);
    const { clock, readTimeoutMs = timeoutDefaultMs } = this.options;
    const deadlineMs = clock.monotonicMs() + readTimeoutMs;
    await this.map.ensure(deadlineMs);
    const { text, partition } = this.map.locate(read.conversation);
    const ask = (token?: Uint8Array) => {
      return this.call(rpcs.read, requestOf(read, text, token), deadlineMs, read.server);
    };
    const own = this.tokens.known(partition);
    let response = await ask(read.token ?? own?.token);
    // Which of two tokens is the newer only a node can tell: by how far it had applied.
    const isOlder = own !== undefined && response.appliedIndex.toNumber() < own.index;
    if (isOlder && read.level !== 'eventual') response = await ask(own.token);
    this.tokens.learn(partition, response.appliedIndex.toNumber(), response.readToken);
    return toPage(response);
  }

  async heads(conversations: readonly string[]): Promise<Head[]> {
    checkHeads(conversations);
    const { clock, readTimeoutMs = timeoutDefaultMs } = this.options;
    const deadlineMs = clock.monotonicMs() + readTimeoutMs;
    await this.map.ensure(deadlineMs);
    const { heads } = await this.call(rpcs.batchGetHeads, { conversations }, deadlineMs);
    return heads.map(({ headSeq, headRev, minSeq }) => {
      return { seq: headSeq.toNumber(), rev: headRev.toNumber(), minSeq: minSeq.toNumber() };
    });
  }

  /** What was asked is tried nowhere else. */
  close(): void {
    this.closed = true;
  }

  /** The next node to ask. */
  server(): string {
    const nowMs = this.options.clock.monotonicMs();
    for (let i = 0; i < this.map.addresses.length; i++) {
      const address = this.inTurn();
      if ((this.passedOver.get(address) ?? 0) <= nowMs) return address;
    }
    return this.inTurn();
  }

  /** It did not answer. */
  passOver(address: string): void {
    this.passedOver.set(address, this.options.clock.monotonicMs() + passOverMs);
  }

  private inTurn(): string {
    const { addresses } = this.map;
    this.nextServer += 1;
    return addresses[this.nextServer % addresses.length] ?? '';
  }

  private async call<Request, RequestInput, Response, ResponseInput>(
    rpc: Rpc<Request, RequestInput, Response, ResponseInput>,
    request: RequestInput,
    deadlineMs: number,
    only?: string,
  ): Promise<Response> {
    const { clock, transport } = this.options;
    let server = only ?? this.server();
    for (;;) {
      if (this.closed) throw closedError();
      const leftMs = Math.max(1, deadlineMs - clock.monotonicMs());
      try {
        const timeoutMs = only === undefined ? Math.min(leftMs, attemptMs) : leftMs;
        const response = await transport.call(server, rpc, request, timeoutMs);
        this.passedOver.delete(server);
        return response;
      } catch (error) {
        if (this.closed) throw closedError();
        if (isUnreachable(error)) this.passOver(server);
        const again = error instanceof PacelineError && mayTryAgain(error, only !== undefined);
        if (!again || clock.monotonicMs() >= deadlineMs) throw error;
        server = only ?? this.server();
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof PacelineError && error.reason === 'UNREACHABLE';
}

function mayTryAgain(error: PacelineError, isPinned: boolean): boolean {
  return !isPinned && mayBeRightElsewhere(error);
}

function requestOf(read: Read, conversation: string, token?: Uint8Array): ReadRequestInput {
  const { afterSeq = 0, beforeSeq = 0, aroundSeq = 0, limit = 100, viewer = '' } = read;
  const direction =
    read.direction === 'backward'
      ? ReadDirection.READ_DIRECTION_BACKWARD
      : ReadDirection.READ_DIRECTION_FORWARD;
  const from = { conversation, afterSeq, beforeSeq, aroundSeq, limit, direction, viewer };
  if (read.level === 'eventual') return { level: ReadLevel.READ_LEVEL_EVENTUAL, ...from };
  if (read.level === 'linearizable' || token === undefined) {
    return { level: ReadLevel.READ_LEVEL_LINEARIZABLE, ...from };
  }
  return { level: ReadLevel.READ_LEVEL_AT_LEAST, readToken: token, ...from };
}
