// Reading protobuf by hand where unpacking a whole message would copy what is only passed on.
import protobuf from 'protobufjs/light.js';

export type Reader = protobuf.Reader;

/** `bytes()` of this reader gives views, not copies. */
export function createReader(bytes: Buffer): Reader {
  return protobuf.Reader.create(bytes);
}

export type Writer = protobuf.Writer;

export function createWriter(): Writer {
  return protobuf.Writer.create();
}
