// protobufjs behind one small interface. Decoded messages have every field: absent scalars their
// default (bytes: an empty Uint8Array), absent messages null.
import protobuf from 'protobufjs/light.js';
import { descriptor } from './descriptor.ts';
import { asBuffer, createWriter } from './wire.ts';

export interface Codec<Decoded, Input> {
  encode(message: Input): Buffer;
  /** Throws where the bytes are not such a message. */
  decode(bytes: Uint8Array): Decoded;
}

const root = protobuf.Root.fromJSON(descriptor);

export function codec<Decoded, Input>(fullName: string): Codec<Decoded, Input> {
  const type = root.lookupType(fullName);
  setAbsentBytes(type);
  return {
    encode: (message) => asBuffer(type.encode(message as object, createWriter()).finish()),
    decode: (bytes) => type.decode(bytes) as Decoded,
  };
}

/** Of itself, protobufjs gives absent bytes as an empty array. */
function setAbsentBytes(type: protobuf.Type): void {
  for (const { type: fieldType, repeated, name } of type.fieldsArray) {
    if (fieldType === 'bytes' && !repeated) type.ctor.prototype[name] = new Uint8Array(0);
  }
}
