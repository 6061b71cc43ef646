// The bound's client: gathers what is appended in one tick into one frame a leader, grouped by partition, and
// answers what the leader numbers. No retries, no buffer limits, no promises.
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { AppendSessionRequest } from '../../../src/gen/proto.ts';
import { built } from '../built.ts';
import { partitionsOf } from '../subjects/places.ts';
import {
  conversationName,
  type Driver,
  type Message,
  type Place,
  sender,
} from '../subjects/subject.ts';
import { asIs, paths } from './frames.ts';

type Done = (error: Error | null) => void;

/** A partition: what goes into the next frame to its leader. */
interface Lane {
  readonly partition: number;
  commands: Uint8Array[];
  dones: Done[];
}

/** A node: the partitions it leads, and what it has not answered, by frame. */
interface Leader {
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly lanes: readonly Lane[];
  readonly unanswered: Map<number, Done[]>;
}

/** How the product encodes. */
interface Codec {
  readonly encodeAppend: typeof import('../../../src/client/append.ts').encodeAppend;
  readonly keyOf: typeof import('../../../src/client/append.ts').keyOf;
  readonly encodeFrame: typeof import('../../../src/client/frames.ts').encodeFrame;
  readonly newClientId: typeof import('../../../src/client/grpc/client-id.ts').newClientId;
}

const channelOptions = { 'grpc.max_receive_message_length': -1, 'grpc.enable_retries': 0 } as const;
const restart: readonly string[] = [];

export async function connectBound(place: Place): Promise<Driver> {
  const { encodeAppend, keyOf } = await built('client/append.js');
  const { encodeFrame } = await built('client/frames.js');
  const { newClientId } = await built('client/grpc/client-id.js');
  return new BoundClient(place, { encodeAppend, keyOf, encodeFrame, newClientId });
}

class BoundClient implements Driver {
  private readonly codec: Codec;
  private readonly clients: readonly Client[];
  private readonly leaders: readonly Leader[];
  /** By conversation. */
  private readonly lanes: readonly (Lane | undefined)[];
  private readonly id: string;
  private frame = 0;
  private isScheduled = false;

  constructor({ addresses, partitions }: Place, codec: Codec) {
    this.codec = codec;
    this.id = codec.newClientId();
    this.clients = addresses.map((address) => {
      return new Client(address, credentials.createInsecure(), channelOptions);
    });
    const lanes = Array.from({ length: partitions }, (_, partition): Lane => {
      return { partition, commands: [], dones: [] };
    });
    this.lanes = partitionsOf(partitions).map((partition) => lanes[partition]);
    this.leaders = this.clients.map((client, i) => {
      const led = lanes.filter(({ partition }) => partition % addresses.length === i);
      return leaderAt(client, led);
    });
  }

  append({ number, conversation, body }: Message, done: Done): void {
    const name = conversationName(conversation);
    const append = { conversation: name, sender, body };
    const lane = this.lanes[conversation];
    const key = this.codec.keyOf(this.id, number);
    lane?.commands.push(this.codec.encodeAppend(append, name, key));
    lane?.dones.push(done);
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.flush());
  }

  async subscribe(onBody: (body: Uint8Array) => void): Promise<void> {
    await Promise.all(this.clients.map((client) => follow(client, onBody)));
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close();
  }

  private flush(): void {
    this.isScheduled = false;
    for (const { stream, lanes, unanswered } of this.leaders) {
      const waiting = lanes.filter(({ commands }) => commands.length > 0);
      if (waiting.length === 0) continue;
      const groups = waiting.map(({ partition, commands }) => ({ partition, commands, restart }));
      this.frame += 1;
      unanswered.set(
        this.frame,
        waiting.flatMap(({ dones }) => dones),
      );
      stream.write(this.codec.encodeFrame(this.frame, groups));
      for (const lane of waiting) {
        lane.commands = [];
        lane.dones = [];
      }
    }
  }
}

function leaderAt(client: Client, lanes: readonly Lane[]): Leader {
  const stream = client.makeBidiStreamRequest(paths.append, asIs, asIs);
  const unanswered = new Map<number, Done[]>();
  stream.on('data', (answer: Buffer) => {
    const frame = answer.readUInt32LE();
    const dones = unanswered.get(frame) ?? [];
    unanswered.delete(frame);
    for (const done of dones) done(null);
  });
  stream.on('error', (error: Error) => {
    for (const dones of unanswered.values()) for (const done of dones) done(error);
  });
  return { stream, lanes, unanswered };
}

/** Resolves once the node sends what it keeps from then on. */
function follow(client: Client, onBody: (body: Uint8Array) => void): Promise<void> {
  const stream = client.makeServerStreamRequest(paths.follow, asIs, asIs, Buffer.alloc(0));
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', (frame: Buffer) => {
      resolve();
      for (const { commands } of AppendSessionRequest.decode(frame).groups) {
        for (const { body } of commands) onBody(body);
      }
    });
  });
}
