// Clients that follow a conversation: each has to see every message once, in order, as it is stored, over
// whatever happens to nodes and streams.
import type { FinalReads } from './finals.ts';
import type { StoredPair } from './history.ts';
import type { LabClient } from './lab-cluster.ts';
import { pairOf } from './message-value.ts';
import type { World } from './world.ts';

interface Followed {
  readonly client: Pick<LabClient['client'], 'messages'>;
}

export class Follower {
  readonly name: string;
  readonly conversation: string;
  private readonly world: World;
  /** What it got, from seq 1 on. */
  private readonly values: string[] = [];

  constructor(world: World, name: string, conversation: string) {
    this.world = world;
    this.name = name;
    this.conversation = conversation;
  }

  async follow({ client }: Followed, window: number): Promise<void> {
    const { conversation, world } = this;
    try {
      for await (const message of client.messages({ conversation, afterSeq: 0, window })) {
        world.trace.noteBytes(message.body);
        this.take(pairOf(message));
      }
    } catch (error) {
      world.break('a follower goes on', String(error));
    }
  }

  take([seq, value]: StoredPair): void {
    const { conversation, name, values, world } = this;
    if (seq !== values.length + 1) {
      const detail = `${name}: seq ${seq} of ${conversation} after seq ${values.length}`;
      world.break('a follower sees every message once, in order', detail);
    }
    values.push(value);
  }

  /** Null: it has everything. */
  lacks(finals: FinalReads): string | null {
    const { conversation, name, values } = this;
    const head = finals.get(conversation)?.length ?? 0;
    return values.length >= head ? null : `${name} of ${conversation} stands at ${values.length}`;
  }

  judge(finals: FinalReads): void {
    const { conversation, name, values, world } = this;
    const stored = finals.get(conversation) ?? [];
    for (const [i, value] of values.entries()) {
      const message = stored[i];
      const wanted = message === undefined ? 'nothing' : pairOf(message)[1];
      if (value === wanted) continue;
      const detail = `${name}: seq ${i + 1} of ${conversation} is ${wanted}, it got ${value}`;
      world.break('a follower sees what is stored', detail);
      return;
    }
  }
}
