// The order of a conversation is the order of the calls, whatever becomes of the attempts: leaders that
// change, refusals, lost streams and answers in any order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacelineClient } from '../../src/client/client.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

const rooms = ['g:a', 'g:b'];

type Step =
  | {
      readonly do: 'append';
      readonly room: number;
      readonly times: number;
      readonly first: boolean;
    }
  | { readonly do: 'take' | 'deliver' | 'cut' | 'elect' | 'notice'; readonly choice: number }
  | { readonly do: 'commit' | 'busy' | 'pass'; readonly choice: number };

const choice = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      room: fc.nat({ max: rooms.length - 1 }),
      times: fc.integer({ min: 1, max: 3 }),
      first: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const), choice }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), choice }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), choice }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('busy' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('elect' as const), choice }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('notice' as const), choice }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), choice }) },
);

class Run {
  readonly clock = new FakeClock();
  readonly cluster = new FakeCluster();
  readonly called = new Map<string, string[]>(rooms.map((room) => [room, []]));
  /** By value: the seq acknowledged, or the reason. */
  readonly ends = new Map<string, number | string>();
  /** They expect that the conversation is empty. */
  readonly first = new Set<string>();
  private readonly client = new PacelineClient({
    servers: this.cluster.nodes.map(({ address }) => address),
    transport: this.cluster,
    clock: this.clock,
    random: () => 0.5,
    clientId: 'test',
    appendTimeoutMs: 20_000,
  });
  private values = 0;

  async do(step: Step): Promise<void> {
    const { cluster } = this;
    if (step.do === 'append') {
      for (let i = 0; i < step.times; i++) this.append(rooms[step.room] ?? '', step.first);
    } else if (step.do === 'commit') cluster.commit(step.choice);
    else if (step.do === 'busy') cluster.node(cluster.leader).busy = step.choice % 3;
    else if (step.do === 'pass') await this.clock.pass(2 ** step.choice);
    else if (step.do === 'elect') cluster.elect(step.choice);
    else if (step.do === 'notice') {
      cluster.notice(cluster.nodes[step.choice % 3] ?? cluster.node(cluster.leader));
    } else this.doStream(step.do, step.choice);
    await this.clock.settle();
  }

  /** Nothing fails any more: everything ends. */
  async heal(): Promise<void> {
    const { cluster } = this;
    const total = () => [...this.called.values()].flat().length;
    for (let round = 0; round < 200 && this.ends.size < total(); round++) {
      for (const node of cluster.nodes) {
        node.busy = 0;
        cluster.notice(node);
      }
      for (const stream of cluster.openStreams) while (cluster.take(stream));
      cluster.commit(1000);
      for (const stream of cluster.openStreams) while (cluster.deliver(stream, 0));
      await this.clock.pass(20);
    }
    expect(this.ends.size).toBe(total());
    await this.client.close();
  }

  private append(conversation: string, isFirst: boolean): void {
    const value = `${this.values++}`;
    this.called.get(conversation)?.push(value);
    if (isFirst) this.first.add(value);
    const append = { conversation, sender: 's', body: value };
    this.client.start(
      isFirst ? { ...append, expectedSeq: 0 } : append,
      ({ seq }) => this.ends.set(value, seq),
      (error) => this.ends.set(value, Object(error).reason),
    );
  }

  private doStream(what: 'take' | 'deliver' | 'cut', choice: number): void {
    const { openStreams } = this.cluster;
    const stream = openStreams[choice % Math.max(1, openStreams.length)];
    if (stream === undefined) return;
    if (what === 'take') this.cluster.take(stream);
    else if (what === 'deliver') this.cluster.deliver(stream, choice);
    else stream.cut();
  }
}

describe('appends of a conversation', () => {
  it('are stored once, in the order of the calls, over any faults', async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 80, size: 'max' }),
      async (steps) => {
        const run = new Run();
        for (const each of steps) await run.do(each);
        await run.heal();
        for (const [room, values] of run.called) {
          const stored = run.cluster.committed.filter(({ conversation }) => conversation === room);
          const refused = (value: string) => run.ends.get(value) === 'EXPECTED_SEQ_MISMATCH';
          const good = values.filter((value) => !run.first.has(value) || !refused(value));
          expect(stored.map(({ value }) => value)).toEqual(good);
          expect(good.map((value) => run.ends.get(value))).toEqual(good.map((_, i) => i + 1));
        }
      },
    );
    await fc.assert(property, { numRuns: 1500 });
  });
});
