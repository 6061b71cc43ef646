// How much of the caller's appends the client holds: what does not fit waits in order, or is refused.
import { PacelineError } from '../errors.ts';
import type { PendingAppend } from './pending-append.ts';

export class AppendBuffer {
  private readonly bytesMax: number;
  private readonly whenFull: 'wait' | 'refuse';
  private readonly onEntered: (append: PendingAppend) => void;
  private bytes = 0;
  private waiting: PendingAppend[] = [];

  /** `onEntered` is called as there is room for an append, in the order of the calls. */
  constructor(
    bytesMax: number,
    whenFull: 'wait' | 'refuse',
    onEntered: (append: PendingAppend) => void,
  ) {
    this.bytesMax = bytesMax;
    this.whenFull = whenFull;
    this.onEntered = onEntered;
  }

  /** Throws BUSY. */
  enter(append: PendingAppend): void {
    if (this.waiting.length === 0 && this.hasRoom(append)) this.take(append);
    else if (this.whenFull === 'wait') this.waiting.push(append);
    else {
      const limit = this.bytesMax;
      const message = `${limit} bytes of appends wait for their answer, the limit`;
      throw new PacelineError({ reason: 'BUSY', field: 'bufferBytesMax', limit, message });
    }
  }

  /** It has ended, in here or while it waited. */
  leave(append: PendingAppend): void {
    if (!append.isBuffered) return;
    append.isBuffered = false;
    this.bytes -= append.command.length;
    let taken = 0;
    for (const next of this.waiting) {
      if (!next.ended && !this.hasRoom(next)) break;
      taken += 1;
      if (!next.ended) this.take(next);
    }
    if (taken > 0) this.waiting.splice(0, taken);
  }

  expire(nowMs: number): void {
    const late = this.waiting.filter((append) => append.ended || append.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.waiting = this.waiting.filter((append) => !append.ended && append.deadlineMs > nowMs);
    for (const append of late) append.expire();
  }

  private hasRoom({ command }: PendingAppend): boolean {
    return this.bytes === 0 || this.bytes + command.length <= this.bytesMax;
  }

  private take(append: PendingAppend): void {
    append.isBuffered = true;
    this.bytes += append.command.length;
    this.onEntered(append);
  }
}
