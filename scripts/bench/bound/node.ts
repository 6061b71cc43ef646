// One node of the bare bound: the least that three nodes can do for a message that is said to be kept. A
// leader puts the frames that came meanwhile into one entry, as they are; sends it to both others; writes it
// to LevelDB with one sync; and answers each frame with the numbers of its messages once its own write and
// one of the others' are durable. No consensus, no recovery, no idempotency, no limits.
import type {
  ClientDuplexStream,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { Level } from 'level';
import { packFrames, readFrame, unpackFrames } from './frames.ts';

type FrameStream = ServerDuplexStream<Buffer, Buffer>;
type PeerStream = ClientDuplexStream<Buffer, Buffer>;

interface ClientFrame {
  readonly stream: FrameStream;
  readonly bytes: Buffer;
}

/** An entry of this node that is not known to be kept by two. */
interface OpenEntry {
  readonly index: number;
  readonly frames: readonly ClientFrame[];
}

/** An entry of another node that is not written here yet. */
interface ReceivedEntry {
  readonly stream: FrameStream;
  readonly leader: number;
  readonly index: number;
  readonly entry: Buffer;
}

interface Peer {
  readonly stream: PeerStream;
  /** Its newest durable entry of ours. */
  durable: number;
}

export class BoundNode {
  private readonly self: number;
  private readonly db: Level<Buffer, Buffer>;
  private readonly seqs = new Map<string, number>();
  private readonly followers = new Set<ServerWritableStream<Buffer, Buffer>>();
  private readonly peers: Peer[] = [];
  private frames: ClientFrame[] = [];
  private received: ReceivedEntry[] = [];
  private readonly open: OpenEntry[] = [];
  private newest = 0;
  private durable = 0;
  private busy = false;

  constructor(self: number, db: Level<Buffer, Buffer>) {
    this.self = self;
    this.db = db;
  }

  /** A stream to one of the others, for entries of this node; its acks come back on it. */
  addPeer(stream: PeerStream): void {
    const peer: Peer = { stream, durable: 0 };
    stream.on('data', (ack: Buffer) => {
      peer.durable = ack.readUInt32LE();
      this.answer();
    });
    stream.on('error', fail);
    this.peers.push(peer);
  }

  readonly onAppend = (stream: FrameStream): void => {
    stream.on('error', () => {});
    stream.on('end', () => stream.end());
    stream.on('data', (bytes: Buffer) => {
      this.frames.push({ stream, bytes });
      this.wake();
    });
  };

  readonly onReplicate = (stream: FrameStream): void => {
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => {
      const [leader, index] = [bytes.readUInt32LE(), bytes.readUInt32LE(4)];
      this.received.push({ stream, leader, index, entry: bytes.subarray(8) });
      this.wake();
    });
  };

  /** All entries that this node keeps for itself, from now on. */
  readonly onFollow = (stream: ServerWritableStream<Buffer, Buffer>): void => {
    this.followers.add(stream);
    stream.on('cancelled', () => this.followers.delete(stream));
    stream.write(Buffer.alloc(0));
  };

  /** How many messages lie on its disk, of all leaders. */
  readonly onCount = (
    _call: ServerUnaryCall<Buffer, Buffer>,
    callback: sendUnaryData<Buffer>,
  ): void => {
    this.count().then((count) => callback(null, Buffer.from(`${count}`)), fail);
  };

  private async count(): Promise<number> {
    let count = 0;
    for await (const entry of this.db.values()) {
      for (const frame of unpackFrames(entry)) count += readFrame(frame).conversations.length;
    }
    return count;
  }

  /** A turn begins once what is at hand was taken in, and the last one has ended. */
  private wake(): void {
    if (this.busy) return;
    this.busy = true;
    setImmediate(() => this.turn().catch(fail));
  }

  private async turn(): Promise<void> {
    const { frames, received } = this;
    this.frames = [];
    this.received = [];
    const batch = this.db.batch();
    const own = frames.length > 0;
    if (own) {
      const entry = packFrames(frames.map(({ bytes }) => bytes));
      this.newest += 1;
      this.open.push({ index: this.newest, frames });
      const head = key(this.self, this.newest);
      const sent = Buffer.concat([head, entry]);
      for (const { stream } of this.peers) stream.write(sent);
      batch.put(head, entry);
    }
    for (const { leader, index, entry } of received) batch.put(key(leader, index), entry);
    await batch.write({ sync: true });
    if (own) this.durable = this.newest;
    const acks = new Map<FrameStream, number>();
    for (const { stream, index } of received) acks.set(stream, index);
    for (const [stream, index] of acks) stream.write(u32(index));
    this.answer();
    this.busy = false;
    if (this.frames.length > 0 || this.received.length > 0) this.wake();
  }

  /** What is durable here and on one of the others. */
  private answer(): void {
    const kept = Math.min(this.durable, Math.max(...this.peers.map(({ durable }) => durable)));
    while (this.open[0] !== undefined && this.open[0].index <= kept) {
      const entry = this.open.shift();
      for (const { stream, bytes } of entry?.frames ?? []) {
        stream.write(this.numbers(bytes));
        for (const follower of this.followers) follower.write(bytes);
      }
    }
  }

  /** Of the frame, then of each message in its conversation. */
  private numbers(bytes: Buffer): Buffer {
    const { number, conversations } = readFrame(bytes);
    const answer = Buffer.allocUnsafe(4 + conversations.length * 4);
    let at = answer.writeUInt32LE(number);
    for (const conversation of conversations) {
      const seq = (this.seqs.get(conversation) ?? 0) + 1;
      this.seqs.set(conversation, seq);
      at = answer.writeUInt32LE(seq, at);
    }
    return answer;
  }
}

/** Little endian: entries of one leader need no order on the disk here. */
function key(leader: number, index: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32LE(leader);
  bytes.writeUInt32LE(index, 4);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Whatever goes wrong ends the node: there is no way back here. */
export function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}
