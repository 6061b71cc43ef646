// Leadership of one replica on its way to another node: whoever asked is told when it has arrived, or
// that it stays.
import type { EntryPayload } from '../entry.ts';
import { PacelineError, type Refusal } from '../errors.ts';
import type { Raft } from '../raft/types.ts';
import type { NodeId } from '../transport/types.ts';

interface Asked {
  readonly to: NodeId;
  readonly resolve: () => void;
  readonly reject: (error: PacelineError) => void;
}

export class Handover {
  private readonly raft: Raft<EntryPayload>;
  private readonly asked: Asked[] = [];

  constructor(raft: Raft<EntryPayload>) {
    this.raft = raft;
  }

  /** Where leadership goes, or has just gone; 0 = nowhere that is known. */
  get to(): NodeId {
    return this.asked.at(-1)?.to ?? 0;
  }

  /** Errors: BAD_REQUEST, BUSY; NOT_CAUGHT_UP where that node did not take over in time. */
  start(to: NodeId, nowMs: number): Promise<void> {
    const result = this.raft.transferLeadership(to, nowMs);
    if (result.ok && to === this.raft.self) return Promise.resolve();
    if (result.ok) {
      return new Promise((resolve, reject) => {
        this.asked.push({ to, resolve, reject });
      });
    }
    if (result.reason === 'not-a-voter') {
      const message = `node ${to} has no replica of this partition that may lead`;
      throw new PacelineError({ reason: 'BAD_REQUEST', field: 'node', message });
    }
    const message = `leadership is being given to node ${this.raft.transferee}`;
    throw new PacelineError({ reason: 'BUSY', field: 'partition', message, retryAfterMs: 500 });
  }

  /** Tells those who asked, once it is known. `elsewhere`: for who leads instead. */
  settle(elsewhere: () => Refusal): void {
    if (this.asked.length === 0) return;
    const { role, leader, self, transferee } = this.raft;
    if (role === 'leader' ? transferee !== 0 : leader === 0) return;
    for (const { to, resolve, reject } of this.asked.splice(0)) {
      if (leader === to) resolve();
      else reject(new PacelineError(leader === self ? stays(to) : elsewhere()));
    }
  }

  /** The node stops. */
  fail(refusal: Refusal): void {
    for (const { reject } of this.asked.splice(0)) reject(new PacelineError(refusal));
  }
}

function stays(to: NodeId): Refusal {
  const message = `node ${to} did not take over in time: it is down, or far behind; leadership stays`;
  return { reason: 'NOT_CAUGHT_UP', field: 'node', message };
}
