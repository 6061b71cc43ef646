// The conversations of one stream whose order is broken, until a group names them in its `restart`.
import type { PendingAppend } from './pending-append.ts';

/** Of conversations that a group has no append in; those behind are named by later groups. */
const othersBytesMax = 16 * 1024;

export interface Restart {
  readonly names: readonly string[];
  /** What they take of a frame. */
  readonly bytes: number;
}

const nothing: Restart = { names: [], bytes: 0 };

export class BrokenOrder {
  /** By partition; none is empty. */
  private readonly broken = new Map<number, Set<string>>();

  add(partition: number, conversation: string): void {
    const broken = this.broken.get(partition);
    if (broken === undefined) this.broken.set(partition, new Set([conversation]));
    else broken.add(conversation);
  }

  has(partition: number): boolean {
    return this.broken.has(partition);
  }

  /**
   * What a group names: the broken conversations of its appends, and of others what fits, so that the node
   * need not remember those either. They are broken no more.
   */
  take(partition: number, appends: readonly PendingAppend[], bytesLeft: number): Restart {
    const broken = this.broken.get(partition);
    if (broken === undefined) return nothing;
    const names: string[] = [];
    let bytes = 0;
    for (const { conversation } of appends) {
      if (!broken.delete(conversation)) continue;
      names.push(conversation);
      bytes += bytesOf(conversation);
    }
    const bytesMax = Math.min(bytesLeft, bytes + othersBytesMax);
    for (const conversation of broken) {
      if (bytes + bytesOf(conversation) > bytesMax) break;
      broken.delete(conversation);
      names.push(conversation);
      bytes += bytesOf(conversation);
    }
    if (broken.size === 0) this.broken.delete(partition);
    return { names, bytes };
  }
}

/** With tag and length. */
function bytesOf(name: string): number {
  return Buffer.byteLength(name) + 3;
}
