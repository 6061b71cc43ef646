// One subscription: reads its feed while there are credits and room in the stream, sleeps until told that
// there is more. Holds one page at most, so a client that stops reading costs nothing. Knows no gRPC.
import { InvariantError } from '../assert.ts';
import type { Timer } from '../clock.ts';
import { PacelineError } from '../errors.ts';
import { SubscribeRequest, SubscribeResponse, type SubscribeResponseInput } from '../gen/proto.ts';
import type { Feed, FeedStart } from '../node/feeds.ts';
import type { Node } from '../node/node.ts';
import type { StoredMessage } from '../node/stored-message.ts';
import { checkConversation, checkPartition } from './check.ts';
import { messageOf } from './messages.ts';
import { decodeToken, encodeToken } from './read-token.ts';

export const subscriptionLimits = {
  defaultCredits: 1024,
  creditsMax: 1_000_000,
  /** Of a request; names and a token have far less. */
  requestBytes: 64 * 1024,
} as const;
/** Of one response; a stream takes up to 16 of them before it says that it is full. */
const messagesAtOnce = 256;
const bytesAtOnce = 128 * 1024;
const progressMs = 10_000;

export interface SubscriptionSink {
  /** False: the stream is full; `resume` is called when it has room. */
  write(response: Buffer): boolean;
  /** Of anything thrown: what is no PacelineError is a fault of the node's. */
  fail(error: unknown): void;
}

export class Subscription {
  private readonly node: Node;
  private readonly sink: SubscriptionSink;
  private feed: Feed | null = null;
  private viewer = '';
  private credits = 0;
  private hasRoom = true;
  private pumping = false;
  private again = false;
  private caughtUp = false;
  private closed = false;
  private unwatch: (() => void) | null = null;
  private timer: Timer | null = null;

  constructor(node: Node, sink: SubscriptionSink) {
    this.node = node;
    this.sink = sink;
  }

  /** A request as it came. Errors: BAD_REQUEST, BAD_CONVERSATION, NO_LEADER, ... */
  take(bytes: Buffer): void {
    const request = decode(bytes);
    if (request.start === null) {
      if (this.feed === null) throw bad('start', 'the first request says what to follow');
      this.addCredits(request.credits);
    } else if (this.feed !== null) {
      throw bad('start', 'a subscription is started once');
    } else {
      const { start } = request;
      const feed = this.open(start);
      this.feed = feed;
      this.viewer = start.viewer;
      this.addCredits(start.credits || subscriptionLimits.defaultCredits);
      // Begun last: nobody would hear of what it rejects with if anything above was refused.
      this.run(this.fresh(feed.partition, start.readToken).then(() => this.begin(feed)));
      return;
    }
    this.pump();
  }

  /** The client ended its side: it gives no credits any more, and the stream's room alone bounds it. */
  endOfRequests(): void {
    if (this.feed === null) {
      this.sink.fail(bad('start', 'the first request says what to follow'));
      return;
    }
    this.credits = Number.POSITIVE_INFINITY;
    this.pump();
  }

  /** The stream has room again. */
  resume(): void {
    this.hasRoom = true;
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.unwatch?.();
    this.timer?.cancel();
  }

  private open(start: NonNullable<SubscribeRequest['start']>): Feed {
    const { node } = this;
    const { conversation, partition, afterIndex } = start;
    if (conversation === '') {
      const refusal = checkPartition(node, partition);
      if (refusal !== null) throw new PacelineError(refusal);
      return node.partitionFeed(partition, Number(afterIndex));
    }
    const place = checkConversation(node, conversation);
    if ('reason' in place) throw new PacelineError(place);
    return node.feed({ conversation: place.text, shard: place.shard }, startOf(start));
  }

  private async fresh(partition: number, token: Uint8Array): Promise<void> {
    if (token.length === 0) return;
    const index = decodeToken(this.node, partition, token);
    await this.node.waitFor(this.node.replicaOf(partition), { kind: 'at-least', index });
  }

  private begin(feed: Feed): void {
    if (this.closed) return;
    this.unwatch = feed.watch(() => this.pump());
    this.timer = this.node.clock.after(progressMs, () => this.sayProgress());
    this.pump();
  }

  private addCredits(credits: number): void {
    this.credits += credits;
    const { creditsMax } = subscriptionLimits;
    if (this.credits > creditsMax) throw bad('credits', `more than ${creditsMax}`, creditsMax);
  }

  /** One run at a time; what happens meanwhile makes it run again. */
  private pump(): void {
    this.again = true;
    if (this.pumping || this.unwatch === null || this.closed) return;
    this.pumping = true;
    this.run(this.drain());
  }

  private async drain(): Promise<void> {
    const { feed } = this;
    while (feed !== null && this.again && !this.closed) {
      this.again = false;
      while (this.hasRoom && this.credits > 0 && !this.closed) {
        const limit = Math.min(this.credits, messagesAtOnce);
        const { reset, messages } = await feed.next(limit, bytesAtOnce);
        if (reset !== null) this.send({ reset });
        if (messages.length === 0) break;
        this.credits -= messages.length;
        this.sendMessages(feed.partition, messages);
      }
      if (this.credits > 0 && this.hasRoom && !feed.isBehind) this.sayCaughtUp(feed);
    }
    this.pumping = false;
  }

  private sendMessages(partition: number, messages: readonly StoredMessage[]): void {
    const readToken = encodeToken(this.node, partition, messages.at(-1)?.index ?? 0);
    const shown = messages.map((message) => messageOf(message, this.viewer));
    this.send({ messages: shown, readToken, partition });
  }

  private sayCaughtUp(feed: Feed): void {
    if (this.caughtUp || this.closed) return;
    this.caughtUp = true;
    this.send({ caughtUp: true, progress: feed.progress });
  }

  private sayProgress(): void {
    if (this.closed || this.feed === null) return;
    if (this.hasRoom) this.send({ progress: this.feed.progress });
    this.timer = this.node.clock.after(progressMs, () => this.sayProgress());
  }

  private send(response: Omit<SubscribeResponseInput, 'servedBy'>): void {
    if (this.closed) return;
    const servedBy = this.node.config.id;
    this.hasRoom = this.sink.write(SubscribeResponse.encode({ servedBy, ...response }));
  }

  private run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.close();
      if (error instanceof InvariantError) throw error;
      this.sink.fail(error);
    });
  }
}

function startOf(start: NonNullable<SubscribeRequest['start']>): FeedStart {
  const [seq, rev] = [Number(start.afterSeq), Number(start.afterRev)];
  if (seq > 0 && rev > 0) throw bad('after_rev', 'at most one of after_seq and after_rev');
  return rev > 0 ? { kind: 'rev', rev } : { kind: 'seq', seq };
}

function decode(bytes: Buffer): SubscribeRequest {
  const { requestBytes: limit } = subscriptionLimits;
  if (bytes.length > limit)
    throw bad('request', `${bytes.length} bytes, the limit is ${limit}`, limit);
  try {
    return SubscribeRequest.decode(bytes);
  } catch {
    throw bad('request', 'not a SubscribeRequest');
  }
}

function bad(field: string, problem: string, limit?: number): PacelineError {
  const message = `${field}: ${problem}`;
  const more = limit === undefined ? {} : { limit };
  return new PacelineError({ reason: 'BAD_REQUEST', field, message, ...more });
}
