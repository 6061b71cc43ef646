// The frames of a connection, cut from the chunks in which they arrive.

/** Of a frame, in front of it: how many bytes follow, big-endian. */
export const lengthBytes = 4;

export class FrameReader {
  /** A longer frame is none of this protocol. */
  bytesMax: number;
  /** What a frame that has not arrived whole begins with. */
  private parts: Buffer[] = [];
  private partBytes = 0;
  /** Bytes with which there is more to tell. */
  private needed = lengthBytes;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * Gives each frame out as soon as it is whole, without its length: a view into `chunk` where it came in one
   * piece. `take` returns false where no more are wanted. False: a frame is longer than bytesMax, or empty.
   */
  push(chunk: Buffer, take: (frame: Buffer) => boolean): boolean {
    let bytes = chunk;
    if (this.partBytes > 0) {
      this.parts.push(chunk);
      this.partBytes += chunk.length;
      if (this.partBytes < this.needed) return true;
      bytes = Buffer.concat(this.parts, this.partBytes);
    }
    let at = 0;
    let needed = lengthBytes;
    while (bytes.length - at >= lengthBytes) {
      const length = bytes.readUInt32BE(at);
      if (length === 0 || length > this.bytesMax) return false;
      const end = at + lengthBytes + length;
      if (end > bytes.length) {
        needed = lengthBytes + length;
        break;
      }
      const wantsMore = take(bytes.subarray(at + lengthBytes, end));
      at = end;
      if (!wantsMore) return true;
    }
    this.needed = needed;
    this.partBytes = bytes.length - at;
    this.parts = this.partBytes === 0 ? [] : [bytes.subarray(at)];
    return true;
  }
}
