// One partition's appends in the client: those that wait to be sent, in the caller's order, and how
// many groups are out. All that are out are at one node. After anything that was not stored nothing is
// sent until every group that is out came back; then what is not final is sent again in order, so a
// conversation's order survives failovers.
import type { PendingAppend } from './pending-append.ts';

export class Lane {
  readonly partition: number;
  private waiting: PendingAppend[] = [];
  private groupsOut = 0;
  private sentTo = '';
  private draining = false;
  private failures = 0;
  private resumeAtMs = 0;

  constructor(partition: number) {
    this.partition = partition;
  }

  /** When something may be sent: null = not before an answer, or there is nothing. */
  sendableAtMs(): number | null {
    const blocked = this.waiting.length === 0 || (this.draining && this.groupsOut > 0);
    return blocked ? null : this.resumeAtMs;
  }

  /** What is out would be overtaken by what is sent elsewhere. */
  maySendTo(address: string): boolean {
    return this.groupsOut === 0 || this.sentTo === address;
  }

  put(append: PendingAppend): void {
    this.waiting.push(append);
  }

  /** Takes what fits, in order, to be sent to that node; nothing, where all that waited has ended. */
  take(
    address: string,
    commandsMax: number,
    bytesMax: number,
  ): { appends: PendingAppend[]; bytes: number } {
    if (this.draining) {
      this.draining = false;
      this.waiting.sort((a, b) => a.number - b.number);
    }
    if (this.waiting.some(({ ended }) => ended)) {
      this.waiting = this.waiting.filter(({ ended }) => !ended);
    }
    let bytes = 0;
    let count = 0;
    for (const { command } of this.waiting) {
      const fits = count < commandsMax && bytes + command.length + 16 <= bytesMax;
      if (!fits && count > 0) break;
      bytes += command.length + 16;
      count += 1;
      if (!fits) break;
    }
    const appends = this.waiting.splice(0, count);
    for (const append of appends) append.isOut = true;
    if (count > 0) {
      this.groupsOut += 1;
      this.sentTo = address;
    }
    return { appends, bytes };
  }

  /** A group came back: all of it stored, or with those that have to be sent again. */
  back(allStored: boolean, again: readonly PendingAppend[]): void {
    this.groupsOut -= 1;
    for (const append of again) this.waiting.push(append);
    if (!allStored) this.draining = true;
    else if (!this.draining) this.failures = 0;
  }

  /** Held ones, whose group came back before, have to be sent again. */
  again(appends: readonly PendingAppend[]): void {
    this.waiting.push(...appends);
    this.draining = true;
  }

  /** Waits before the next try: `atLeastMs`, or a growing pause. */
  pause(nowMs: number, atLeastMs: number, random: number): void {
    const growing = Math.min(200, 2 ** this.failures) * (0.5 + random / 2);
    this.failures += 1;
    this.resumeAtMs = nowMs + Math.max(atLeastMs, growing);
  }

  /** Ends what waits and is over its deadline. */
  expire(nowMs: number): void {
    const late = this.waiting.filter((append) => append.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.waiting = this.waiting.filter((append) => append.deadlineMs > nowMs);
    for (const append of late) append.expire();
  }
}
