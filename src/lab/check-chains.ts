// The order of each sender's device in a conversation (I4), judged by all that the conversation holds: a
// link follows the one stored before it, or a gap that is told of; a late one stands in an open gap; and no
// gap is told of where nothing was missing.
import type { StoredEvent } from '../client/subscription-events.ts';

interface Chain {
  last: number;
  readonly gaps: Set<number>[];
}

/** The events of one conversation, in order; those of them that are wrong, as text. */
export function chainFaults(events: readonly StoredEvent[]): string[] {
  const chains = new Map<string, Chain>();
  const faults: string[] = [];
  const chainOf = (sender: string, device: string, epoch: number) => {
    const name = `${sender} ${device} ${epoch}`;
    const chain = chains.get(name) ?? { last: 0, gaps: [] };
    chains.set(name, chain);
    return chain;
  };
  for (const event of events) {
    if (event.kind === 'gap') {
      const { sender, device, epoch, after, before, rev } = event;
      const chain = chainOf(sender, device, epoch);
      if (after !== chain.last) {
        faults.push(`rev ${rev}: a gap after ${after}, ${sender} was at ${chain.last}`);
      }
      chain.gaps.push(new Set(numbersBetween(after, before)));
      chain.last = before - 1;
    } else if (event.kind === 'message' && event.message.prevClientSeq !== null) {
      const fault = linkFault(event.message, chainOf);
      if (fault !== null) faults.push(fault);
    }
  }
  return faults;
}

type Link = Extract<StoredEvent, { kind: 'message' }>['message'];

function linkFault(
  { sender, device, epoch, clientSeq, prevClientSeq, late, seq }: Link,
  chainOf: (sender: string, device: string, epoch: number) => Chain,
): string | null {
  const chain = chainOf(sender, device, epoch);
  if (late) {
    const isMissing = chain.gaps.some((gap) => gap.delete(clientSeq));
    return isMissing ? null : `seq ${seq}: ${sender}'s ${clientSeq} is late and was not missing`;
  }
  const follows = prevClientSeq === chain.last;
  const at = chain.last;
  chain.last = clientSeq;
  if (follows) return null;
  return `seq ${seq}: ${sender}'s ${clientSeq} after ${prevClientSeq} stands behind ${at}`;
}

function numbersBetween(after: number, before: number): number[] {
  return Array.from({ length: Math.max(0, before - after - 1) }, (_, i) => after + 1 + i);
}
