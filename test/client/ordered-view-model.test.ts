// The ordered view against the slow model, and what must hold of any input, over channels that fast-check
// makes: items come out of order, twice, never, under numbers that jump; checks end when they end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  OrderedView,
  type OrderedViewEvent,
  type OrderedViewItem,
} from '../../src/client/ordered-view.ts';
import { FakeClock } from './fake-clock.ts';
import { OrderedViewModel } from './ordered-view-model.ts';

type Item = Required<OrderedViewItem<string>>;
type Event = OrderedViewEvent<string>;
type Step =
  | { readonly atMs: number; readonly kind: 'put'; readonly item: Item }
  | { readonly atMs: number; readonly kind: 'resolve'; readonly place: number; outcome: Outcome };
type Outcome = 'released' | 'rejected';

interface Channel {
  readonly limits: { readonly waitMs: number; readonly bufferMax: number; readonly after: number };
  readonly places: readonly number[];
  /** Rising in time. */
  readonly steps: readonly Step[];
}

const endMs = 1000;
const endings = ['released', 'rejected', 'late', 'late-rejected'];

const sent = fc.record({
  jump: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 20 })),
  /** None: dropped. Two: repeated. */
  delaysMs: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.nat(40)) },
    fc.array(fc.nat(200), { maxLength: 3 }),
  ),
  isPending: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.boolean()),
  checks: fc.array(
    fc.record({ delayMs: fc.nat(250), outcome: fc.constantFrom<Outcome>('released', 'rejected') }),
    { minLength: 1, maxLength: 2 },
  ),
});

const channel: fc.Arbitrary<Channel> = fc
  .record({
    items: fc.array(sent, { minLength: 1, maxLength: 60, size: 'max' }),
    everyMs: fc.integer({ min: 0, max: 10 }),
    waitMs: fc.integer({ min: 1, max: 30 }),
    bufferMax: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(100)),
    shown: fc.oneof(fc.constant(0), fc.nat(5)),
  })
  .map(({ items, everyMs, waitMs, bufferMax, shown }) => {
    const places: number[] = [];
    const steps: Step[] = [];
    for (const [i, { jump, delaysMs, isPending, checks }] of items.entries()) {
      const previous = places.at(-1) ?? 0;
      const place = previous + jump;
      places.push(place);
      const state = isPending ? 'pending' : 'normal';
      const item: Item = { place, previous, value: `m${place}`, state };
      for (const delayMs of delaysMs)
        steps.push({ atMs: i * everyMs + delayMs, kind: 'put', item });
      for (const { delayMs, outcome } of isPending ? checks : []) {
        steps.push({ atMs: i * everyMs + delayMs, kind: 'resolve', place, outcome });
      }
    }
    steps.sort((a, b) => a.atMs - b.atMs);
    const after = places[shown - 1] ?? 0;
    return { limits: { waitMs, bufferMax, after }, places, steps };
  });

/** Numbers and links that no sender would give. */
const chaos: fc.Arbitrary<Channel> = fc
  .record({
    items: fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.boolean(), fc.nat(3)), {
      maxLength: 80,
      size: 'max',
    }),
    bufferMax: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ items, bufferMax }) => {
    const steps = items.flatMap(([place, random, isPending, pause], i): Step[] => {
      const atMs = i * 4 + pause;
      const state = isPending ? 'pending' : 'normal';
      const item: Item = { place, previous: random % place, value: `m${i}`, state };
      const other = (place * 7) % 41;
      const outcome = random % 2 === 0 ? 'released' : 'rejected';
      return [
        { atMs, kind: 'put', item },
        { atMs, kind: 'resolve', place: Math.max(1, other), outcome },
      ];
    });
    return { limits: { waitMs: 20, bufferMax, after: 0 }, places: [], steps };
  });

/** Takes the channel through a view; `each` is called after every step with its answer. */
async function run({ limits, steps }: Channel, each: (step: Step, answer: unknown) => void) {
  const clock = new FakeClock();
  const events: Event[] = [];
  const saidAtMs: number[] = [];
  let heldMax = 0;
  const view: OrderedView<string> = new OrderedView<string>({
    ...limits,
    clock,
    onEvent: (event) => {
      events.push(event);
      saidAtMs.push(clock.monotonicMs());
      heldMax = Math.max(heldMax, view.held);
    },
  });
  let nowMs = 0;
  for (const step of steps) {
    // Steps of one instant come together: what falls due at it by the first is due after the last.
    if (step.atMs > nowMs) await clock.pass(step.atMs - nowMs);
    nowMs = step.atMs;
    const isPut = step.kind === 'put';
    each(step, isPut ? view.put(step.item) : view.resolve(step.place, step.outcome));
    heldMax = Math.max(heldMax, view.held);
  }
  await clock.pass(endMs - nowMs);
  return { view, events, saidAtMs, heldMax };
}

/** Of the view and the slow model, at every step and in the end. */
async function expectAgreement(given: Channel): Promise<void> {
  const model = new OrderedViewModel<string>(given.places, given.limits);
  const { view, events, saidAtMs } = await run(given, (step, answer) => {
    model.passTo(step.atMs);
    const isPut = step.kind === 'put';
    expect(answer).toBe(isPut ? model.put(step.item) : model.resolve(step.place, step.outcome));
  });
  model.passTo(endMs);
  expect(events).toEqual(model.events);
  expect(saidAtMs).toEqual(model.saidAtMs);
  expect(view.held).toBe(model.held);
}

describe('an ordered view', () => {
  it('says what the slow model says, when it does, and answers as it does, over any channel', async () => {
    await fc.assert(fc.asyncProperty(channel, expectAgreement), { numRuns: 300 });
  });

  it('agrees with it on a wait that ends in the instant in which a pending item comes and ends', async () => {
    const put = (atMs: number, place: number, state: Item['state'] = 'normal'): Step => {
      const item: Item = { place, previous: place - 1, value: `m${place}`, state };
      return { atMs, kind: 'put', item };
    };
    const release = (atMs: number, place: number): Step => {
      return { atMs, kind: 'resolve', place, outcome: 'released' };
    };
    await expectAgreement({
      limits: { waitMs: 16, bufferMax: 100, after: 0 },
      places: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
      steps: [
        put(0, 1, 'pending'),
        put(10, 3),
        put(15, 4, 'pending'),
        ...[put(20, 5), put(25, 6), put(30, 7)],
        ...[release(45, 1), put(45, 10, 'pending')],
        // Due by now, behind 4, is 10; the wait of 12 and 13 begins, and stands still until 86.
        ...[release(61, 4), put(61, 12), put(61, 13)],
        release(86, 10),
        // Before 102, when the wait of 12 ends.
        put(101, 2),
      ],
    });
  });

  it('shows rising places, each linked to the one before or behind exactly one mark', async () => {
    await fc.assert(
      fc.asyncProperty(channel, async (given) => {
        const { events } = await run(given, () => {});
        let reached = given.limits.after;
        let marks: Event[] = [];
        for (const event of events) {
          if (event.kind === 'gap') marks.push(event);
          if (event.kind !== 'released' && event.kind !== 'rejected') continue;
          expect(event.place).toBeGreaterThan(reached);
          const previous = given.places[given.places.indexOf(event.place) - 1] ?? 0;
          const mark = { kind: 'gap', after: reached, before: event.place };
          expect(marks).toEqual(previous === reached ? [] : [mark]);
          reached = event.place;
          marks = [];
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['any channel', channel],
    ['numbers that contradict each other', chaos],
  ])('over %s: accounts for every put once, holds no more than its limit', async (_name, input) => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const answers: unknown[] = [];
        const { view, events, heldMax } = await run(given, (step, answer) => {
          if (step.kind === 'put') answers.push(answer);
        });
        const count = (answer: string) => answers.filter((each) => each === answer).length;
        const ended = events.filter(({ kind }) => endings.includes(kind));
        const places = ended.map((event) => 'place' in event && event.place);
        expect(new Set(places).size).toBe(places.length);
        expect(count('taken')).toBe(ended.length + view.held);
        expect(count('duplicate')).toBe(view.duplicates);
        expect(count('taken') + count('duplicate') + count('full')).toBe(answers.length);
        expect(heldMax).toBeLessThanOrEqual(given.limits.bufferMax);
        const released = events.flatMap((event) => (event.kind === 'released' ? event.place : []));
        expect(released).toEqual([...new Set(released)].sort((a, b) => a - b));
      }),
      { numRuns: 200 },
    );
  });

  it('is tried on channels that do everything: each event and answer is met often', async () => {
    const met = new Map<string, number>();
    const meet = (what: string) => met.set(what, (met.get(what) ?? 0) + 1);
    for (const given of fc.sample(channel, { numRuns: 100, seed: 1 })) {
      const { events } = await run(given, (_step, answer) => meet(String(answer)));
      for (const event of events) meet(event.kind);
    }
    const kinds = [...endings, 'gap', 'pending'];
    const answers = ['taken', 'duplicate', 'full', 'true', 'false'];
    const rare = [...kinds, ...answers].filter((each) => (met.get(each) ?? 0) < 20);
    expect(rare).toEqual([]);
  });
});
