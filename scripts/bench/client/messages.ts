// The messages that every subject gets: the same bodies and conversations, from one seed.
import type { Load, Message } from '../subjects/subject.ts';

const poolSize = 1024;
const seed = 20_261_122;

/** Random text: what a system that compresses would make of equal bodies would say nothing. */
export class Messages {
  private readonly load: Load;
  private readonly pool: readonly Buffer[];
  private state = seed;
  private count = 0;

  constructor(load: Load) {
    this.load = load;
    this.pool = Array.from({ length: poolSize }, () => this.randomBody());
  }

  next(): Message {
    const random = this.random();
    const body = this.pool[random % poolSize] ?? Buffer.alloc(0);
    const conversation = (random >>> 10) % this.load.conversations;
    return { number: this.count++, conversation, body };
  }

  /** The same with a body that begins with its number. */
  nextNumbered(): Message {
    const message = this.next();
    const body = Buffer.from(message.body);
    body.writeUInt32BE(message.number);
    return { ...message, body };
  }

  private randomBody(): Buffer {
    const bytes = Buffer.alloc((this.load.bodyBytes * 3) / 4);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32BE(this.random(), at);
    return Buffer.from(bytes.toString('base64url'));
  }

  /** xorshift32: 32 bits, never 0. */
  private random(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }
}

export function numberOf(body: Uint8Array): number {
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(0);
}
