// What nodes have told each other of their logs, as it left them: what a leader may know.
import type { PeerBatch } from '../transport/types.ts';

/** What one node has told another in one term, at most. */
export interface Said {
  readonly term: number;
  /** It acknowledged everything up to here. */
  match: number;
  /** It answered the heartbeats of this round. */
  round: number;
}

const nodesMax = 16;

export class Sayings {
  /** By partition, who said it, and to whom; newest term last. */
  private readonly all: Said[][] = [];

  /** A batch that is about to leave. */
  sent({ partitions, messages }: PeerBatch): void {
    for (const [i, message] of messages.entries()) {
      const { type, from, to, term } = message;
      if (type !== 'AppendOk' && type !== 'HeartbeatOk') continue;
      const said = this.open(partitions[i] ?? 0, from, to, term);
      if (type === 'AppendOk') said.match = Math.max(said.match, message.match);
      else said.round = Math.max(said.round, message.round);
    }
  }

  in(term: number, partition: number, from: number, to: number): Said | undefined {
    return this.all[placeOf(partition, from, to)]?.findLast((said) => said.term === term);
  }

  private open(partition: number, from: number, to: number, term: number): Said {
    const known = this.in(term, partition, from, to);
    if (known !== undefined) return known;
    const said = { term, match: 0, round: 0 };
    const place = placeOf(partition, from, to);
    const terms = this.all[place] ?? [];
    this.all[place] = terms;
    terms.push(said);
    return said;
  }
}

function placeOf(partition: number, from: number, to: number): number {
  return (partition * nodesMax + from) * nodesMax + to;
}
