// What lasts is told to operators once, when it begins or changes, however often a node comes upon it.
import type { NodeId } from '../transport/types.ts';
import type { NodeDeps } from './node.ts';

export class Notices {
  private readonly log: NodeDeps['log'];
  /** Of peers whose newest hello was refused. */
  private readonly refusals = new Map<NodeId, string>();
  private waitsFor = '';

  constructor(log: NodeDeps['log']) {
    this.log = log;
  }

  /** A peer says hello about four times a second, on each lane, until it is no longer refused; null = it was taken. */
  hello(peer: NodeId, refusal: string | null): void {
    if (refusal === null) {
      this.refusals.delete(peer);
      return;
    }
    if (this.refusals.get(peer) === refusal) return;
    this.refusals.set(peer, refusal);
    this.log('peer refused', { peer, refusal });
  }

  /** '' = for nothing. */
  waiting(waitsFor: string): void {
    if (this.waitsFor === waitsFor) return;
    this.waitsFor = waitsFor;
    if (waitsFor !== '') this.log('not founded yet', { waitsFor });
  }
}
