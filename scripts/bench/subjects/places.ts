// Where Paceline puts the benchmark's conversations.
import { createPlaces, partitionOf } from '../../../src/shard.ts';
import { conversations } from './subject.ts';

/** The partition of each conversation. */
export function partitionsOf(partitions: number): readonly number[] {
  const places = createPlaces('mix');
  return conversations.map((name) => {
    const place = places(name);
    if (!('shard' in place)) throw new Error(`${name} is no conversation`);
    return partitionOf(place.shard, partitions);
  });
}
