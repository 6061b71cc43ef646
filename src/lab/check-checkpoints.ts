// Replicas whose rows stand at the same checkpoint hold the same rows (I10): all of a partition's rows on
// the disk are compared whenever a checkpoint has been written.
import { crc32 } from '../checksum.ts';
import { checkpointKey, firstGeneration, rowsRange } from '../storage/keys.ts';
import type { SeenNode } from './seen-node.ts';
import type { World } from './world.ts';

interface Digest {
  readonly value: string;
  readonly node: string;
}

export class CheckpointChecker {
  private readonly world: World;
  /** By id of the node, then by partition: the index of the checkpoint looked at last. */
  private readonly seen: number[][] = [];
  private readonly digests = new Map<string, Digest>();
  /** Checkpoints that two replicas at least had. */
  compared = 0;

  constructor(world: World) {
    this.world = world;
  }

  look(node: SeenNode): void {
    const replicas = node.node?.replicas;
    if (replicas === undefined) return;
    const { id } = node;
    this.seen[id] ??= [];
    const seen = this.seen[id];
    for (const { partition, checkpointIndex } of replicas) {
      if (seen[partition] === checkpointIndex) continue;
      seen[partition] = checkpointIndex;
      if (checkpointIndex > 0 && !node.disk.damaged) this.compare(node, partition, checkpointIndex);
    }
  }

  private compare(node: SeenNode, partition: number, index: number): void {
    const value = digestOf(node, partition);
    const place = `${partition} ${index}`;
    const other = this.digests.get(place);
    if (other === undefined) {
      this.digests.set(place, { value, node: node.name });
      return;
    }
    this.compared += 1;
    if (other.value === value) return;
    const detail = `partition ${partition}, checkpoint ${index}: ${other.node} has ${other.value}, ${node.name} ${value}`;
    this.world.break('equal rows at equal checkpoints', detail);
  }
}

/** How many rows, and a checksum over them and the checkpoint. */
function digestOf({ disk }: SeenNode, partition: number): string {
  const place = { partition, generation: firstGeneration };
  const { gte, lt } = rowsRange(place);
  const rows = disk.rows.range(gte.toString('latin1'), lt.toString('latin1'));
  let checksum = crc32(disk.rows.get(checkpointKey(place).toString('latin1')) ?? Buffer.alloc(0));
  for (const [key, value] of rows) {
    checksum = crc32(value, crc32(Buffer.from(key, 'latin1'), checksum));
  }
  return `${rows.length} rows (${checksum.toString(16)})`;
}
