// The thin hand on protobufjs's reader and writer: reading by hand where unpacking a whole message would
// copy what is only passed on, and writing numbers without an object for each.
import type Long from 'long';
import protobuf from 'protobufjs/light.js';

export type Reader = protobuf.Reader;

/** `bytes()` of this reader gives views, not copies. */
export function createReader(bytes: Buffer): Reader {
  return protobuf.Reader.create(bytes);
}

const wireGroup = 3;

/** Over a field that is not known. Throws at a group, which protobuf no longer has: groups in groups cost work. */
export function skipField(reader: Reader, tag: number): void {
  const wire = tag & 7;
  if (wire === wireGroup) throw new RangeError('groups are not read');
  reader.skipType(wire, 0, tag >>> 3);
}

export type Writer = protobuf.BufferWriter;

export function createWriter(): Writer {
  return new PlainWriter();
}

/** A field that is left out where it is 0. `tag`: its number and wire type. */
export function writeNumber(writer: Writer, tag: number, value: number): void {
  if (value !== 0) writer.uint32(tag).uint64(value);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

const moreBytes = 0x80808080;

/** The same bytes as protobufjs's own, which makes an object of two halves for each 64-bit number. */
class PlainWriter extends protobuf.BufferWriter {
  override uint64(value: Long | number | string): protobuf.Writer {
    if (typeof value !== 'number' || !(value >= 0 && value < 2 ** 53)) return super.uint64(value);
    if (value < 2 ** 32) return this.uint32(value);
    // The lowest 28 bits are four bytes of seven; at most 25 bits follow, made whole here: a fraction
    // would be passed on as an object.
    const low = (value % 2 ** 28) | 0;
    const first = (low & 0x7f) | ((low & 0x3f80) << 1);
    const second = ((low & 0x1f_c000) << 2) | ((low & 0xfe0_0000) << 3);
    return this.fixed32(first | second | moreBytes).uint32((value / 2 ** 28) | 0);
  }

  override fixed64(value: Long | number | string): protobuf.Writer {
    if (typeof value !== 'object') return super.fixed64(value);
    return this.fixed32(value.low).fixed32(value.high);
  }
}
