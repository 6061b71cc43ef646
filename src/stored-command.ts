// A checked command as it stands in an entry, read only as far as a fold needs it. Total: other bytes
// give some defined answer.
import { chainName, type Link } from './command.ts';

export interface StoredIdentity {
  readonly conversation: string;
  /** Of conversation, sender and key; '' where there is no key. */
  readonly key: string;
  /** null: no client_seq was given. */
  readonly link: Link | null;
}

const field = {
  conversation: 1,
  sender: 2,
  key: 3,
  device: 8,
  epoch: 9,
  clientSeq: 10,
  prev: 11,
} as const;

export function readIdentity(bytes: Uint8Array): StoredIdentity {
  const parts = new Parts(bytes);
  const conversation = parts.text(field.conversation);
  const sender = parts.text(field.sender);
  const senderEnd = parts.at;
  parts.text(field.key);
  const key = parts.at === senderEnd ? '' : latin1(bytes, 0, parts.at);
  parts.skipBelow(field.device);
  if (parts.at >= bytes.length) return { conversation, key, link: null };
  const device = parts.text(field.device);
  const epoch = parts.number(field.epoch) ?? 0;
  const clientSeq = parts.number(field.clientSeq) ?? 0;
  const prev = parts.number(field.prev);
  if (clientSeq === 0) return { conversation, key, link: null };
  const chain = chainName(conversation, sender);
  return { conversation, key, link: { chain, device, epoch, clientSeq, prev } };
}

/** Fields of the canonical form, in ascending order. */
class Parts {
  at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** '' where another field, or nothing, stands here. */
  text(number: number): string {
    if (this.bytes[this.at] !== ((number << 3) | 2)) return '';
    this.at += 1;
    const length = this.varint();
    const start = this.at;
    this.at = Math.min(start + length, this.bytes.length);
    return latin1(this.bytes, start, this.at);
  }

  /** null where another field, or nothing, stands here. */
  number(number: number): number | null {
    if (this.bytes[this.at] !== number << 3) return null;
    this.at += 1;
    return this.varint();
  }

  skipBelow(number: number): void {
    while (this.at < this.bytes.length) {
      const tag = this.bytes[this.at] ?? 0;
      if (tag >> 3 >= number) return;
      this.at += 1;
      const value = this.varint();
      if ((tag & 7) === 2) this.at = Math.min(this.at + value, this.bytes.length);
    }
  }

  private varint(): number {
    let value = 0;
    let scale = 1;
    for (let taken = 0; taken < 8 && this.at < this.bytes.length; taken++) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    return value;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}
