// What a node tells its operators of the others: once, and again only when it has changed. A node that is
// refused tries again many times a second, for as long as nobody has put it right.
import type { Log } from '../logger.ts';
import type { NodeId } from '../transport/types.ts';

/** As long as nodes that are started one after the other need to meet. */
const quietMs = 5000;

export class Notices {
  private readonly log: Log;
  private readonly startedMs: number;
  /** Why each was refused last; none of those that were let in since. */
  private readonly refusals = new Map<NodeId, string>();
  private waitingFor = '';

  constructor(log: Log, startedMs: number) {
    this.log = log;
    this.startedMs = startedMs;
  }

  refused(peer: NodeId, refusal: string): void {
    if (this.refusals.get(peer) === refusal) return;
    this.refusals.set(peer, refusal);
    this.log('peer refused', { peer, refusal }, 'warn');
  }

  letIn(peer: NodeId): void {
    this.refusals.delete(peer);
  }

  /** What keeps this node from serving; '' = nothing. */
  waits(waitingFor: string, nowMs: number): void {
    if (nowMs - this.startedMs < quietMs || waitingFor === this.waitingFor) return;
    this.waitingFor = waitingFor;
    if (waitingFor !== '') this.log('waiting', { for: waitingFor }, 'warn');
  }
}
