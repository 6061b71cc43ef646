// How much of the caller's appends the client holds: what does not fit waits in order, or is refused.
import { PacelineError } from '../errors.ts';

export class AppendBuffer {
  private readonly bytesMax: number;
  private readonly whenFull: 'wait' | 'refuse';
  private bytes = 0;
  private readonly waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  constructor(bytesMax: number, whenFull: 'wait' | 'refuse') {
    this.bytesMax = bytesMax;
    this.whenFull = whenFull;
  }

  /** Calls `enter` once there is room, in the order of the calls. Throws BUSY. */
  enter(bytes: number, enter: () => void): void {
    const isFull =
      this.waiting.length > 0 || (this.bytes > 0 && this.bytes + bytes > this.bytesMax);
    if (!isFull) {
      this.bytes += bytes;
      enter();
    } else if (this.whenFull === 'wait') {
      this.waiting.push({ bytes, enter });
    } else {
      const limit = this.bytesMax;
      const message = `${limit} bytes of appends wait for their answer, the limit`;
      throw new PacelineError({ reason: 'BUSY', field: 'bufferBytesMax', limit, message });
    }
  }

  leave(bytes: number): void {
    this.bytes -= bytes;
    while (this.waiting.length > 0) {
      const [next] = this.waiting;
      if (next === undefined || (this.bytes > 0 && this.bytes + next.bytes > this.bytesMax)) return;
      this.waiting.shift();
      this.bytes += next.bytes;
      next.enter();
    }
  }
}
