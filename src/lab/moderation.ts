// Moderated conversations: messages that wait for their release. Senders append them pending, moderators
// race to release or reject them, some are left until their time ends; a follower counts what it sees.
// Every pending message ends exactly once, as whoever ended it was told.
import type { Message } from '../client/message.ts';
import type { SubscriptionEvent } from '../client/subscription-events.ts';
import { PacelineError } from '../errors.ts';
import type { LabClient, LabCluster } from './lab-cluster.ts';
import type { Random } from './random.ts';

type Ending = 'released' | 'rejected';

interface Pending {
  readonly seq: number;
  /** What those who ended it were told; both is wrong. */
  readonly told: Set<Ending>;
  /** In the order in which the follower saw them. */
  readonly seen: Ending[];
}

const once = 'a pending message ends once';
const ttlMs = 4000;
const sender = 'author';

export class Moderation {
  readonly conversation = 'g:moderated';
  private readonly cluster: LabCluster;
  private readonly random: Random;
  private readonly end: Ending;
  private readonly pending = new Map<number, Pending>();
  /** Appends and endings that are under way. */
  private open = 0;
  private stopping = false;
  private rev = 0;

  constructor(cluster: LabCluster) {
    this.cluster = cluster;
    this.random = cluster.world.random.fork();
    this.end = this.random.pick(['released', 'rejected'] as const);
    const client = this.random.pick(cluster.clients);
    this.follow(client).catch((error: unknown) => {
      cluster.world.break('a follower goes on', String(error));
    });
    this.write(client);
  }

  stop(): void {
    this.stopping = true;
  }

  /** Nothing is under way, and the follower has seen how each of them ended. */
  get isOver(): boolean {
    const areEnded = [...this.pending.values()].every(({ seen }) => seen.length > 0);
    return this.open === 0 && areEnded;
  }

  /** Ended so far. */
  get count(): number {
    return this.pending.size;
  }

  judge(messages: readonly Message[]): void {
    for (const { seq, told, seen } of this.pending.values()) {
      const state = messages[seq - 1]?.state;
      const [end] = seen;
      const isRight = state === (end === 'released' ? 'normal' : 'rejected');
      const isAsTold = [...told].every((each) => each === end);
      if (isRight && isAsTold && seen.length === 1) continue;
      const facts = `seen ${seen.join(', ')}; told ${[...told].join(', ')}; at the end ${state}`;
      this.cluster.world.break(once, `seq ${seq} of ${this.conversation}: ${facts}`);
    }
  }

  private async write(of: LabClient): Promise<void> {
    const { random, conversation } = this;
    const pendingEnd = this.end === 'released' ? 'release' : 'reject';
    const policy = { pendingTtlMs: ttlMs, pendingEnd } as const;
    await this.untilStored(() => of.client.setPolicy({ conversation, sender, key: 'p', policy }));
    for (let i = 0; !this.stopping; i += 1) {
      await of.machine.pass(200 + 4000 * random.next());
      if (this.stopping) return;
      this.open += 1;
      const append = { conversation, sender, key: `m${i}`, body: `m${i}`, pending: true };
      const { seq } = await this.untilStored(() => of.client.append(append));
      this.of(seq);
      for (const each of this.cluster.clients) {
        if (random.chance(0.5)) this.moderate(each, seq);
      }
      this.open -= 1;
    }
  }

  private async moderate(of: LabClient, seq: number): Promise<void> {
    const { random, conversation } = this;
    const ending = random.pick(['released', 'rejected'] as const);
    const change = { conversation, sender: of.machine.name, seq, key: `${seq} ${of.machine.name}` };
    this.open += 1;
    await of.machine.pass(1.2 * ttlMs * random.next());
    try {
      await this.untilStored(() =>
        ending === 'released' ? of.client.release(change) : of.client.reject(change),
      );
      this.of(seq).told.add(ending);
    } catch (error) {
      if (!(error instanceof PacelineError) || error.reason !== 'NOT_PENDING') throw error;
    }
    this.open -= 1;
  }

  /** With the same key again where nobody can tell. */
  private async untilStored<Stored>(store: () => Promise<Stored>): Promise<Stored> {
    for (;;) {
      try {
        return await store();
      } catch (error) {
        if (!(error instanceof PacelineError) || !again.has(error.reason)) throw error;
      }
    }
  }

  private async follow(of: LabClient): Promise<void> {
    const { conversation } = this;
    for await (const event of of.client.subscribe({ conversation, window: 16 })) this.see(event);
  }

  private see(event: SubscriptionEvent): void {
    if (event.kind === 'caught-up' || event.kind === 'progress' || event.kind === 'reset') return;
    const { rev } = event.kind === 'message' ? event.message : event;
    if (rev !== this.rev + 1) {
      const detail = `rev ${rev} of ${this.conversation} after rev ${this.rev}`;
      this.cluster.world.break('a follower sees every event once, in order', detail);
    }
    this.rev = rev;
    if (event.kind !== 'released' && event.kind !== 'rejected') return;
    const { seq } = event;
    const pending = this.of(seq);
    pending.seen.push(event.kind);
    if (pending.seen.length > 1) {
      this.cluster.world.break(once, `seq ${seq}: ${pending.seen.join(', then ')}`);
    }
  }

  private of(seq: number): Pending {
    let found = this.pending.get(seq);
    if (found === undefined) {
      found = { seq, told: new Set(), seen: [] };
      this.pending.set(seq, found);
    }
    return found;
  }
}

const again: ReadonlySet<string> = new Set(['OUTCOME_UNKNOWN', 'UNREACHABLE', 'NO_LEADER', 'BUSY']);
