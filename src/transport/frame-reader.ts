// The frames of a connection, cut from the chunks in which they arrive.

/** Of a frame, in front of it: how many bytes follow, big-endian. */
export const lengthBytes = 4;

const nothing = Buffer.alloc(0);

export class FrameReader {
  /** A longer frame is none of this protocol. */
  bytesMax: number;
  /** What came of a length. */
  private begun: Buffer = nothing;
  /** One that came in part, as large as it will be; null: there is none. */
  private frame: Buffer | null = null;
  private filled = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * Gives each frame out as soon as it is whole, without its length: a view into `chunk` where it came in one
   * piece. `take` returns false where no more are wanted. False: a frame is longer than bytesMax, or empty.
   */
  push(chunk: Buffer, take: (frame: Buffer) => boolean): boolean {
    let at = 0;
    const { frame } = this;
    if (frame !== null) {
      at = chunk.copy(frame, this.filled);
      this.filled += at;
      if (this.filled < frame.length) return true;
      this.frame = null;
      if (!take(frame)) return true;
    }
    const bytes = this.begun.length === 0 ? chunk : Buffer.concat([this.begun, chunk]);
    this.begun = nothing;
    while (bytes.length - at >= lengthBytes) {
      const length = bytes.readUInt32BE(at);
      if (length === 0 || length > this.bytesMax) return false;
      const start = at + lengthBytes;
      if (bytes.length - start < length) {
        this.frame = Buffer.allocUnsafeSlow(length);
        this.filled = bytes.copy(this.frame, 0, start);
        return true;
      }
      at = start + length;
      if (!take(bytes.subarray(start, at))) return true;
    }
    if (at < bytes.length) this.begun = Buffer.from(bytes.subarray(at));
    return true;
  }
}
