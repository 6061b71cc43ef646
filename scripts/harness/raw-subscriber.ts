// A subscriber below the SDK, with a million credits from the start, that stops reading: its stream, or
// even its socket (through a proxy). Comes back by a new stream where the node cut it off.
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { SubscribeRequest, SubscribeResponse } from '../../src/gen/proto.ts';
import { subscribePath } from '../../src/gen/services.ts';
import { NodeProxy } from './proxy.ts';
import { until } from './until.ts';

export class RawSubscriber {
  readonly seqs: number[] = [];
  /** How often its stream was ended by the node. */
  cuts = 0;
  private reading = false;
  private isClosed = false;
  private readonly proxy: NodeProxy;
  private readonly client: Client;
  private readonly conversation: string;
  private readonly afterSeq: number;
  private stream: ClientDuplexStream<Buffer, Buffer>;

  private constructor(proxy: NodeProxy, conversation: string, afterSeq: number) {
    this.proxy = proxy;
    this.conversation = conversation;
    this.afterSeq = afterSeq;
    this.client = new Client(proxy.address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
    });
    this.stream = this.subscribe();
  }

  /** Resolves once it has received something, from when on nothing is read. */
  static async open(
    what: 'stream' | 'socket',
    address: string,
    conversation: string,
    afterSeq: number,
  ): Promise<RawSubscriber> {
    const proxy = await NodeProxy.create(address);
    const raw = new RawSubscriber(proxy, conversation, afterSeq);
    await until('the raw stream flows', 10_000, () => raw.seqs.length > 0);
    if (what === 'socket') proxy.stalled = true;
    else raw.stream.pause();
    return raw;
  }

  /** Goes on after what it has, by a new stream where the old one is found cut off. */
  resume(): void {
    this.reading = true;
    this.proxy.stalled = false;
    this.stream.resume();
  }

  close(): void {
    this.isClosed = true;
    this.stream.cancel();
    this.client.close();
    this.proxy.close();
  }

  private subscribe(): ClientDuplexStream<Buffer, Buffer> {
    const identity = (bytes: Buffer) => bytes;
    const stream = this.client.makeBidiStreamRequest(subscribePath, identity, identity);
    stream.on('data', (bytes: Buffer) => {
      const { messages } = SubscribeResponse.decode(bytes);
      for (const { seq } of messages) this.seqs.push(Number(seq));
    });
    stream.on('error', () => {
      if (!this.reading || this.isClosed) return;
      this.cuts += 1;
      this.stream = this.subscribe();
    });
    const { conversation } = this;
    const afterSeq = this.seqs.at(-1) ?? this.afterSeq;
    stream.write(
      SubscribeRequest.encode({ start: { conversation, afterSeq, credits: 1_000_000 } }),
    );
    return stream;
  }
}
