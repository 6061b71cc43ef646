// Where conversations are, by the default mapping.
import { createPlaces, partitionOf } from '../../src/shard.ts';

const placeOf = createPlaces('mix');

export function partitionIn(conversation: string, partitions: number): number {
  const place = placeOf(conversation);
  if (!('shard' in place)) throw new Error(`${conversation} is not a name`);
  return partitionOf(place.shard, partitions);
}

/** Some conversation of that partition. */
export function conversationIn(partition: number, partitions: number): string {
  for (let i = 0; ; i++) if (partitionIn(`g:in${i}`, partitions) === partition) return `g:in${i}`;
}
