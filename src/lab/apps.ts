// Apps with outboxes: each a sender on one device, which may be killed at any moment and comes back. What an
// outbox has taken is stored in the end, once, behind what it took before.
import { Outbox } from '../client/outbox.ts';
import type { OutboxEnd } from '../client/outbox-options.ts';
import { PacelineError } from '../errors.ts';
import { AppDisk } from './app-store.ts';
import type { FinalReads } from './finals.ts';
import type { LabClient, LabCluster } from './lab-cluster.ts';
import { bodyOf, valueIn } from './message-value.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';

const device = 'phone';
const timeoutMs = 5000;
const registerPauseMs = 200;

interface Taken {
  /** Of its events in the history. */
  readonly base: {
    readonly op: 'append';
    readonly process: number;
    readonly conversation: string;
    readonly key: string;
    readonly value: string;
    readonly sender: string;
  };
  /** The outbox has said that it keeps it. */
  isKept: boolean;
  ended: OutboxEnd['kind'] | null;
}

interface App {
  readonly of: LabClient;
  readonly disk: AppDisk;
  readonly random: Random;
  readonly paceMs: number;
  /** It sends over two sessions: its messages overtake each other. */
  readonly isSplit: boolean;
}

export class Apps {
  private readonly cluster: LabCluster;
  private readonly recorder: Recorder;
  private readonly conversations: readonly string[];
  private readonly taken = new Map<string, Taken>();
  private stopping = false;
  /** Messages of apps that wait to be kept, or to end. */
  private open = 0;

  constructor(cluster: LabCluster, recorder: Recorder, conversations: readonly string[]) {
    this.cluster = cluster;
    this.recorder = recorder;
    this.conversations = conversations;
    for (let i = 0; i < cluster.shape.apps; i += 1) {
      const of = cluster.addApp(`app ${i + 1}`, { timeoutMs });
      const random = of.machine.random.fork();
      const paceMs = random.pick([1000, 3000]);
      const isSplit = random.chance(0.5);
      this.live({ of, random, paceMs, isSplit, disk: new AppDisk() });
    }
  }

  stop(): void {
    this.stopping = true;
  }

  get isOver(): boolean {
    return this.open === 0;
  }

  /** What outboxes took and nobody stored. */
  lost(finals: FinalReads): string[] {
    const stored = new Set([...finals.values()].flat().map(({ body }) => valueIn(body)));
    return [...this.taken.values()]
      .filter(({ base, isKept }) => isKept && !stored.has(base.value))
      .map(({ base, ended }) => `${base.value} of ${base.conversation}: ${ended ?? 'open'}`);
  }

  /** One process of the app, until it is killed or the run ends. */
  private async live(app: App): Promise<void> {
    const { of, disk, random, paceMs, isSplit } = app;
    const { machine, client } = of;
    const clients = isSplit
      ? [client, this.cluster.createClient(machine, timeoutMs, ' 2')]
      : [client];
    const store = disk.open(machine);
    const head = await store.readHead();
    const epoch = head?.epoch ?? (await this.register(of));
    const outbox = await Outbox.open({
      ...{ store, epoch, device, sender: machine.name, clock: machine },
      random: random.next,
      uuid: () => `${machine.name} ${machine.incarnation}`,
      append: (append, resolve, reject, signal) => {
        random.pick(clients).start(append, resolve, reject, signal);
      },
      onEnd: (end) => this.ended(end),
    });
    while (!this.stopping) {
      await machine.pass(paceMs * random.next() * 2);
      if (this.stopping) return;
      const count = random.chance(0.3) ? random.between(2, 8) : 1;
      for (let i = 0; i < count; i += 1) this.send(outbox, app);
      if (!random.chance(0.08)) continue;
      machine.world.say(machine.name, () => 'is killed');
      this.forgetUnkept(machine.name);
      this.cluster.restartClient(of, timeoutMs);
      machine.soon(() => this.live(app));
      return;
    }
  }

  private async register({ machine, client }: LabClient): Promise<number> {
    for (;;) {
      try {
        return await client.registerDevice(machine.name, device, 'register');
      } catch (error) {
        if (!(error instanceof PacelineError)) throw error;
        await machine.pass(registerPauseMs);
      }
    }
  }

  private send(outbox: Outbox, { of: { machine }, random }: App): void {
    const conversation = random.pick(this.conversations);
    const value = this.recorder.newValue();
    const process = this.recorder.newProcess();
    const sender = machine.name;
    const base = { op: 'append', process, conversation, key: value, value, sender } as const;
    this.recorder.record({ type: 'invoke', ...base });
    const taken: Taken = { base, isKept: false, ended: null };
    this.taken.set(value, taken);
    this.open += 1;
    const body = bodyOf(value, random);
    outbox.send({ conversation, body }).then(() => {
      taken.isKept = true;
      machine.world.say(machine.name, () => `keeps ${value} for ${conversation}`);
    });
  }

  /** What it did not keep yet goes with its process. */
  private forgetUnkept(sender: string): void {
    for (const taken of this.taken.values()) {
      if (taken.isKept || taken.ended !== null || taken.base.sender !== sender) continue;
      this.open -= 1;
      taken.ended = 'failed';
    }
  }

  private ended(end: OutboxEnd): void {
    const value = valueIn(end.kept.message.body);
    const taken = this.taken.get(value);
    // A process that was killed may not have kept that it ended.
    if (taken === undefined || taken.ended !== null) return;
    taken.ended = end.kind;
    this.open -= 1;
    const { base } = taken;
    if (end.kind === 'failed') {
      this.recorder.record({ type: 'info', error: end.error.reason, ...base });
    } else {
      const { seq, duplicate } = end.appended;
      this.recorder.record({ type: 'ok', seq, duplicate, ...base });
    }
  }
}
