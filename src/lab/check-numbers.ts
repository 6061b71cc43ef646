// What must hold between the numbers of messages: ids rise in each shard and never repeat (I7), and the
// appends of one client stand in the order of its calls.
import type { Message } from '../client/message.ts';
import { createPlaces } from '../shard.ts';
import type { FinalReads } from './finals.ts';

export function idFaults(finals: FinalReads): string[] {
  const placeOf = createPlaces('mix');
  const shards = new Map<number, Message[]>();
  for (const [conversation, messages] of finals) {
    const place = placeOf(conversation);
    if ('shard' in place) {
      shards.set(place.shard, [...(shards.get(place.shard) ?? []), ...messages]);
    }
  }
  const faults: string[] = [];
  for (const [shard, messages] of shards) {
    messages.sort((a, b) => a.index - b.index || a.slot - b.slot);
    for (const [i, message] of messages.entries()) {
      const before = messages[i - 1];
      if (before === undefined || message.id > before.id) continue;
      faults.push(`shard ${shard}: ${nameOf(message)} follows ${nameOf(before)}`);
    }
  }
  return faults;
}

function nameOf({ conversation, seq, id }: Message): string {
  return `id ${id} of ${conversation} seq ${seq}`;
}

/** An append that was acknowledged. */
export interface Call {
  /** One process of one client, and the conversation. */
  readonly place: string;
  /** Rises with the calls. */
  readonly order: number;
  readonly seq: number;
}

export function orderFaults(calls: readonly Call[]): string[] {
  const newest = new Map<string, Call>();
  const faults: string[] = [];
  for (const call of [...calls].sort((a, b) => a.order - b.order)) {
    const before = newest.get(call.place);
    if (before !== undefined && before.seq > call.seq) {
      faults.push(`${call.place}: seq ${call.seq} was called after seq ${before.seq}`);
    }
    newest.set(call.place, call);
  }
  return faults;
}
