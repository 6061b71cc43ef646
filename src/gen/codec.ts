// protobufjs behind one small interface. Decoded messages have every field: absent scalars their
// default, absent messages null.
import protobuf from 'protobufjs/light.js';
import { descriptor } from './descriptor.ts';

export interface Codec<Decoded, Input> {
  encode(message: Input): Buffer;
  /** Throws where the bytes are not such a message. */
  decode(bytes: Uint8Array): Decoded;
}

const root = protobuf.Root.fromJSON(descriptor);

export function codec<Decoded, Input>(fullName: string): Codec<Decoded, Input> {
  const type = root.lookupType(fullName);
  return {
    encode: (message) => asBuffer(type.encode(message as object).finish()),
    decode: (bytes) => type.decode(bytes) as Decoded,
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
