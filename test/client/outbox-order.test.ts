// What an outbox took is stored once and in order, whatever becomes of the process, its disk, the links and
// the servers, at any step.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/client/outbox.ts';
import type { Reason } from '../../src/errors.ts';
import { CrashStore } from './crash-store.ts';
import { FakeChains, FakeLink, type GapPolicy } from './fake-chains.ts';
import { FakeClock } from './fake-clock.ts';

const rooms = ['g:a', 'g:b'];
const troubles: readonly Reason[] = [
  'BUSY',
  'NO_LEADER',
  'STOPPING',
  'INTERNAL',
  'OUTCOME_UNKNOWN',
];

const kinds = [
  ['send', 8],
  ['travel', 8],
  ['take', 8],
  ['deliver', 8],
  ['disk', 8],
  ['pass', 5],
  ['expire', 2],
  ['cut', 2],
  ['endHolds', 2],
  ['trouble', 2],
  ['elect', 1],
  ['crash', 2],
  ['register', 1],
  ['fence', 1],
] as const;
type Kind = (typeof kinds)[number][0];

interface Step {
  readonly kind: Kind;
  readonly choice: number;
}

interface World {
  readonly policy: GapPolicy;
  /** Links that keep no order, and do not heed the signal: only where the server waits for ever. */
  readonly isWild: boolean;
  readonly windowMax: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...kinds.map(([kind, weight]) => ({ arbitrary: fc.constant(kind), weight }))),
  choice: fc.nat({ max: 11 }),
});
const world: fc.Arbitrary<World> = fc.record({
  policy: fc.constantFrom('mark', 'reject', 'skip'),
  isWild: fc.boolean(),
  windowMax: fc.constantFrom(2, 3, 100),
});

class Run {
  readonly server = new FakeChains();
  /** In the order of the calls. */
  readonly called = new Map<string, string[]>(rooms.map((room) => [room, []]));
  readonly durable = new Set<string>();
  readonly failed = new Map<string, string>();
  readonly stored = new Map<string, number>();
  private readonly world: World;
  private readonly clock = new FakeClock();
  private links: FakeLink[] = [];
  private link = new FakeLink(this.server);
  private store = new CrashStore();
  private outbox: Outbox | null = null;
  private epoch = 1;
  private process = 0;
  private values = 0;

  constructor(world: World) {
    this.world = world;
    this.server.policy = world.policy;
    this.server.refuse = ({ body }) => {
      const value = String(body);
      if (value.startsWith('!')) return { reason: 'TOO_LARGE', message: 'always' };
      return value.startsWith('?') ? { reason: 'QUOTA', message: 'always' } : null;
    };
  }

  get crashed(): boolean {
    return this.links.length > 1;
  }

  async open(): Promise<void> {
    this.link = new FakeLink(this.server);
    this.link.heedsSignal = !this.isWild;
    this.links.push(this.link);
    const process = ++this.process;
    this.outbox = await Outbox.open({
      store: this.store,
      append: this.link.append,
      sender: 'ann',
      device: 'phone',
      epoch: this.epoch,
      clock: this.clock,
      random: () => 0.5,
      uuid: () => 'a uuid',
      conversationWindowMax: this.world.windowMax,
      windowMax: this.world.windowMax + 1,
      onEnd: (end) => {
        if (process !== this.process) return;
        const value = String(end.kept.message.body);
        if (end.kind === 'stored') this.stored.set(value, end.appended.seq);
        else this.failed.set(value, end.error.reason);
      },
    });
    this.store.isSlow = true;
    await this.clock.settle();
  }

  async do({ kind, choice }: Step): Promise<void> {
    const link = this.links[choice % this.links.length] ?? this.link;
    if (kind === 'send') for (let i = 0; i <= choice % 3; i++) this.send(choice);
    else if (kind === 'travel') this.link.send();
    else if (kind === 'take') link.take(this.isWild ? choice : 0);
    else if (kind === 'deliver') this.link.deliver(choice);
    else if (kind === 'disk') this.store.finish();
    else if (kind === 'pass') await this.clock.pass(2 ** choice);
    else if (kind === 'expire') this.link.expire();
    else if (kind === 'cut') link.cut();
    else if (kind === 'endHolds') this.server.endHolds();
    else if (kind === 'elect') this.server.elect();
    else if (kind === 'trouble') this.trouble(choice);
    else if (kind === 'crash') await this.crash(choice, 0);
    else if (kind === 'register') await this.crash(choice, 1);
    else this.fence(choice);
    await this.clock.settle();
  }

  /** Nothing fails any more: everything ends. */
  async heal(): Promise<void> {
    let isDrained = false;
    this.server.trouble = [];
    for (let round = 0; round < 400 && !isDrained; round++) {
      this.outbox?.drain().then(
        () => {
          isDrained = true;
        },
        () => {},
      );
      if (await this.isFenced()) await this.crash(0, 2);
      this.store.finish();
      for (const link of this.links) link.run();
      if (round % 3 === 0) this.server.endHolds();
      await this.clock.pass(200);
    }
    expect(isDrained).toBe(true);
    this.store.isSlow = false;
    this.store.finish();
    await this.clock.pass(1000);
    await this.close();
  }

  private get isWild(): boolean {
    return this.world.isWild && this.world.policy === 'reject';
  }

  private send(choice: number): void {
    const number = this.values++;
    const mark = choice === 4 ? '!' : choice === 7 ? '?' : '';
    const value = `${mark}${number}`;
    const conversation = rooms[choice % rooms.length] ?? '';
    this.called.get(conversation)?.push(value);
    this.outbox?.send({ conversation, body: value }).then(
      () => this.durable.add(value),
      () => {},
    );
  }

  private trouble(choice: number): void {
    const reason = troubles[choice % troubles.length] ?? 'BUSY';
    this.server.trouble.push({ reason, message: 'trouble', retryAfterMs: choice });
  }

  private async crash(choice: number, epochs: number): Promise<void> {
    this.link.die();
    // Its timers and promises come to nothing.
    this.process += 1;
    const { store } = this;
    this.store = store.crash(choice);
    store.finish(new Error('crashed'));
    await this.clock.settle();
    this.epoch += epochs;
    await this.open();
  }

  /** Another process with the same device's next epoch speaks in a room. */
  private fence(choice: number): void {
    const chain = this.server.chain(rooms[choice % rooms.length] ?? '');
    if (choice > 3 || chain.epoch > this.epoch) return;
    Object.assign(chain, { epoch: this.epoch + 1, last: 0, gaps: [] });
  }

  private async isFenced(): Promise<boolean> {
    let isFenced = false;
    this.outbox?.drain().catch(() => {
      isFenced = true;
    });
    await this.clock.settle();
    return isFenced;
  }

  private async close(): Promise<void> {
    const closed = this.outbox?.close();
    await this.clock.settle();
    await closed;
    expect(this.store.isClosed).toBe(true);
    for (const room of rooms) expect(await this.store.readMessages(room, 0, all)).toEqual([]);
  }
}

const all = { count: 1000, bytes: 1_000_000 };

async function check(world: World, steps: readonly Step[]): Promise<void> {
  const run = new Run(world);
  await run.open();
  for (const each of steps) await run.do(each);
  await run.heal();
  for (const [room, values] of run.called) {
    const log = run.server.values(room);
    expect(log, 'once, in the order of the calls').toEqual(values.filter((v) => log.includes(v)));
    const isKept = (value: string) => run.durable.has(value) && !/^[!?]/.test(value);
    expect(log, 'nothing is lost').toEqual(expect.arrayContaining(values.filter(isKept)));
    for (const value of values) {
      if (run.stored.has(value)) expect(run.stored.get(value)).toBe(log.indexOf(value) + 1);
    }
  }
  for (const [value, reason] of run.failed) {
    expect(value).toMatch(/^[!?]/);
    expect(['TOO_LARGE', 'QUOTA', 'OUTCOME_UNKNOWN']).toContain(reason);
  }
  // A crash may come between a refused message's removal and the word of it.
  const refused = [...run.durable].filter((value) => /^[!?]/.test(value) && !run.crashed);
  expect([...run.failed.keys()]).toEqual(expect.arrayContaining(refused));
}

describe('an outbox', () => {
  it('has each message stored once, in order, over any crash and any fault', async () => {
    const steps = fc.array(step, { maxLength: 120, size: 'max' });
    await fc.assert(fc.asyncProperty(world, steps, check), { numRuns: 1000 });
  }, 120_000);
});
