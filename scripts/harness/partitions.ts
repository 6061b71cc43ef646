// Where conversations are, by the default mapping.
import { createPlaces, partitionOf } from '../../src/shard.ts';

const placeOf = createPlaces('mix');

export function partitionIn(conversation: string, partitions: number): number {
  const place = placeOf(conversation);
  if (!('shard' in place)) throw new Error(`${conversation} is not a name`);
  return partitionOf(place.shard, partitions);
}
