// The ordered view over a channel that reorders, repeats and drops: what it shows, when, and that it
// says by name what it does not show.
import { describe, expect, it } from 'vitest';
import { OrderedView } from '../../src/client/grpc/connect.ts';
import { FakeClock } from './fake-clock.ts';
import { type Event, type Item, type Limits, open, wordsOf } from './open-view.ts';

/** Its timers that were neither cancelled nor called; they are only called by hand. */
function withTimers() {
  const timers = new Set<() => void>();
  const after = (_delayMs: number, call: () => void) => {
    timers.add(call);
    return { cancel: () => timers.delete(call) };
  };
  return { clock: Object.assign(new FakeClock(), { after }), timers };
}

describe('row 2: early arrivals', () => {
  it('3 then 1, 2 inside the wait: no flicker, only 1, 2, 3 in one go and in order', async () => {
    const { clock, put, said } = open();
    put(3);
    await clock.pass(499);
    expect(said()).toEqual([]);
    put(1);
    expect(said()).toEqual(['m1']);
    put(2);
    expect(said()).toEqual(['m2', 'm3']);
    await clock.pass(10_000);
    expect(said()).toEqual([]);
  });

  it('3, 2, then 1 inside the wait: nothing before 1, then all three at once', async () => {
    const { clock, put, said } = open();
    put(3);
    put(2);
    await clock.pass(499);
    expect(said()).toEqual([]);
    put(1);
    expect(said()).toEqual(['m1', 'm2', 'm3']);
  });

  it.each([1, 20, 500])('after a wait of %i ms: a mark, exactly then', async (waitMs) => {
    const { clock, put, said } = open({ waitMs });
    await clock.pass(1234);
    put(3);
    await clock.pass(waitMs - 1);
    expect(said()).toEqual([]);
    await clock.pass(1);
    expect(said()).toEqual(['gap 0-3', 'm3']);
  });

  it('a wait is 500 ms where none is given', async () => {
    const { clock, put, said } = open();
    put(2);
    await clock.pass(499);
    expect(said()).toEqual([]);
    await clock.pass(1);
    expect(said()).toEqual(['gap 0-2', 'm2']);
  });
});

describe('row 3: a message that is lost', () => {
  it('drop msg2: mark; the late msg2 says what it is late for', async () => {
    const { clock, put, said } = open();
    put(1);
    put(3);
    await clock.pass(500);
    expect(said()).toEqual(['m1', 'gap 1-3', 'm3']);
    put(4);
    put(2);
    expect(said()).toEqual(['m4', 'late m2 for gap 1-3']);
  });

  it('several late ones of one gap each name it, come in any order, and each only once', async () => {
    const { clock, view, put, said } = open({ after: 10 });
    put(15);
    await clock.pass(500);
    said();
    for (const place of [13, 11, 14, 13, 12, 11, 14]) put(place);
    const lates = [13, 11, 14, 12].map((place) => `late m${place} for gap 10-15`);
    expect(said()).toEqual(lates);
    expect(view.duplicates).toBe(3);
  });

  it('a late one names its own gap where there are several', async () => {
    const { clock, put, said } = open();
    for (const place of [2, 4, 6]) put(place);
    await clock.pass(500);
    said();
    for (const place of [3, 5, 1]) put(place);
    const lates = ['late m3 for gap 2-4', 'late m5 for gap 4-6', 'late m1 for gap 0-2'];
    expect(said()).toEqual(lates);
  });
});

describe('row 25: the place is given before moderation', () => {
  it('five pending whose checks end 4, 5, 2, 3, 1 are shown 1, 2, 3, 4, 5', () => {
    const { view, pending, said } = open();
    for (const place of [1, 2, 3, 4, 5]) pending(place);
    expect(said()).toEqual(['pending 1']);
    for (const place of [4, 5, 2, 3]) view.resolve(place, 'released');
    expect(said()).toEqual([]);
    view.resolve(1, 'released');
    expect(said()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
  });

  it('a rejected one stays as REJECTED in its place, before its turn and in it', () => {
    const { view, put, pending, said } = open();
    pending(1);
    pending(2);
    put(3);
    view.resolve(2, 'rejected', 'not shown');
    view.resolve(1, 'rejected');
    expect(said()).toEqual(['pending 1', 'rejected 1', 'rejected 2', 'm3']);
  });

  it('what checks let go first is held back at the next pending', () => {
    const { view, put, pending, said } = open();
    for (const place of [1, 3]) pending(place);
    for (const place of [2, 4]) put(place);
    view.resolve(1, 'released');
    expect(said()).toEqual(['pending 1', 'm1', 'm2', 'pending 3']);
    view.resolve(3, 'released');
    expect(said()).toEqual(['m3', 'm4']);
  });

  it('a release may bring the value, whenever it comes', async () => {
    const { clock, view, pending, said } = open();
    for (const place of [3, 4]) pending(place);
    view.resolve(4, 'released', 'four');
    await clock.pass(500);
    pending(2);
    view.resolve(2, 'released', 'two');
    view.resolve(3, 'released', 'three');
    expect(said()).toEqual(['gap 0-3', 'pending 3', 'late two for gap 0-3', 'three', 'four']);
  });

  it('a release brings an empty value too', async () => {
    const clock = new FakeClock();
    const events: unknown[] = [];
    const onEvent = (event: unknown) => events.push(event);
    const view = new OrderedView<string | null>({ clock, onEvent });
    view.put({ place: 1, value: 'stub', state: 'pending' });
    view.resolve(1, 'released', null);
    expect(events.at(-1)).toEqual({ kind: 'released', place: 1, value: null });
    for (const place of [4, 5]) view.put({ place, value: 'shown' });
    await clock.pass(500);
    view.put({ place: 2, value: 'stub', state: 'pending' });
    view.resolve(2, 'released', null);
    const gap = { after: 1, before: 4 };
    expect(events.at(-1)).toEqual({ kind: 'late', place: 2, value: null, gap });
  });

  it('a late one is not shown before its check has ended, and holds nothing up', async () => {
    const { clock, view, put, pending, said } = open();
    put(4);
    await clock.pass(500);
    for (const place of [1, 2]) pending(place);
    put(5);
    expect(said()).toEqual(['gap 0-4', 'm4', 'm5']);
    expect([pending(1), view.held]).toEqual(['duplicate', 2]);
    view.resolve(2, 'released');
    view.resolve(1, 'rejected');
    expect(said()).toEqual(['late m2 for gap 0-4', 'late-rejected 1 for gap 0-4']);
    expect([view.resolve(1, 'released'), view.held]).toEqual([false, 0]);
  });

  it('only what is held and pending can be resolved, once', () => {
    const { view, put, pending, said } = open();
    expect(view.resolve(1, 'released')).toBe(false);
    pending(1);
    put(2);
    pending(4);
    expect([2, 3].map((place) => view.resolve(place, 'rejected'))).toEqual([false, false]);
    expect([4, 4].map((place) => view.resolve(place, 'released'))).toEqual([true, false]);
    expect([1, 1].map((place) => view.resolve(place, 'released'))).toEqual([true, false]);
    expect(said()).toEqual(['pending 1', 'm1', 'm2']);
  });
});

describe('numbers that jump', () => {
  it('30, 10, 20 whose previous are 20, 0, 10 are shown 10, 20, 30', () => {
    const { put, said } = open();
    put(30, { previous: 20 });
    put(10, { previous: 0 });
    put(20, { previous: 10 });
    expect(said()).toEqual(['m10', 'm20', 'm30']);
  });

  it('a late one closes only its own part of the gap', async () => {
    const { clock, put, said } = open();
    put(50, { previous: 40 });
    await clock.pass(500);
    put(30, { previous: 20 });
    expect(said()).toEqual(['gap 0-50', 'm50', 'late m30 for gap 0-50']);
    expect([21, 25, 30, 41, 45].map((place) => put(place))).toEqual(Array(5).fill('duplicate'));
    put(40, { previous: 30 });
    put(20, { previous: 10 });
    put(10, { previous: 0 });
    expect(said()).toEqual([40, 20, 10].map((place) => `late m${place} for gap 0-50`));
  });

  it('go on after the last place that was already shown', async () => {
    const { clock, put, said } = open({ after: 20 });
    expect([10, 20].map((place) => put(place))).toEqual(['duplicate', 'duplicate']);
    put(40, { previous: 30 });
    await clock.pass(500);
    put(60, { previous: 10 });
    expect(said()).toEqual(['gap 20-40', 'm40', 'm60']);
  });
});

describe('a wait', () => {
  it('runs for each gap from when the first item behind it was put', async () => {
    const { clock, put, said } = open();
    put(2);
    await clock.pass(300);
    put(5);
    await clock.pass(100);
    put(4);
    await clock.pass(100);
    expect(said()).toEqual(['gap 0-2', 'm2']);
    await clock.pass(299);
    expect(said()).toEqual([]);
    await clock.pass(1);
    expect(said()).toEqual(['gap 2-4', 'm4', 'm5']);
  });

  it('ends for no item later than the wait after its put, however many gaps are before it', async () => {
    const { clock, put, said } = open();
    put(9);
    await clock.pass(400);
    for (const place of [3, 6]) put(place);
    await clock.pass(100);
    expect(said()).toEqual(['gap 0-3', 'm3', 'gap 3-6', 'm6', 'gap 6-9', 'm9']);
  });

  it('starts again for the next gap once one was closed in time', async () => {
    const { clock, put, said } = open();
    put(2);
    await clock.pass(400);
    put(1);
    put(4);
    await clock.pass(499);
    expect(said()).toEqual(['m1', 'm2']);
    await clock.pass(1);
    expect(said()).toEqual(['gap 2-4', 'm4']);
  });

  it('does not run behind a pending item: what stood before it goes on after it', async () => {
    const { clock, view, put, pending, said } = open();
    pending(2);
    await clock.pass(100);
    put(4);
    await clock.pass(400);
    expect(said()).toEqual(['gap 0-2', 'pending 2']);
    await clock.pass(60_000);
    put(6);
    await clock.pass(60_000);
    view.resolve(2, 'released');
    await clock.pass(99);
    expect(said()).toEqual(['m2']);
    await clock.pass(1);
    expect(said()).toEqual(['gap 2-4', 'm4']);
    await clock.pass(399);
    expect(said()).toEqual([]);
    await clock.pass(1);
    expect(said()).toEqual(['gap 4-6', 'm6']);
  });

  it('that has ended behind a pending item is over at once when that ends, and costs others nothing', async () => {
    const { clock, view, put, pending, said } = open();
    for (const place of [2, 4]) pending(place);
    await clock.pass(60_000);
    view.resolve(2, 'released');
    put(6);
    expect(said()).toEqual(['gap 0-2', 'pending 2', 'm2']);
    await clock.pass(0);
    expect(said()).toEqual(['gap 2-4', 'pending 4']);
    await clock.pass(60_000);
    view.resolve(4, 'released');
    await clock.pass(499);
    expect(said()).toEqual(['m4']);
    await clock.pass(1);
    expect(said()).toEqual(['gap 4-6', 'm6']);
  });

  it('has ended when its timer says so, whatever the clock reads: all that is due is marked', () => {
    const { clock, timers } = withTimers();
    const events: string[] = [];
    const view = new OrderedView({ clock, onEvent: ({ kind }) => events.push(kind) });
    for (const place of [4, 2]) view.put({ place, value: '' });
    const [timer] = timers;
    timer?.();
    expect(events).toEqual(['gap', 'released', 'gap', 'released']);
  });

  it('takes one timer at most, and none where nothing waits', () => {
    const { clock, timers } = withTimers();
    const view = new OrderedView({ clock, onEvent: () => {} });
    const timersAfter = (place: number, state: 'normal' | 'pending' = 'normal') => {
      view.put({ place, value: '', state });
      return timers.size;
    };
    expect([timersAfter(1), timersAfter(5), timersAfter(4), timersAfter(3)]).toEqual([0, 1, 1, 1]);
    expect([timersAfter(7), timersAfter(2, 'pending')]).toEqual([1, 0]);
    view.resolve(2, 'released');
    expect(timers.size).toBe(1);
    view.close();
    expect(timers.size).toBe(0);
  });
});

describe('the buffer', () => {
  it('full, marks the oldest gap at once', () => {
    const { view, put, said } = open({ bufferMax: 3 });
    for (const place of [2, 4, 6]) put(place);
    expect(said()).toEqual([]);
    expect(put(8)).toBe('taken');
    expect(said()).toEqual(['gap 0-2', 'm2']);
    expect(view.held).toBe(3);
  });

  it('full, shows a new item that is before all others, behind a mark where it needs one', () => {
    const { put, said } = open({ bufferMax: 2 });
    for (const place of [7, 9]) put(place);
    put(1);
    put(4);
    expect(said()).toEqual(['m1', 'gap 1-4', 'm4']);
  });

  it('holds 256 items where no limit is given', () => {
    const { view, put, said } = open();
    for (let place = 2; place <= 257; place++) put(place);
    expect([said(), view.held]).toEqual([[], 256]);
    put(258);
    expect([said().length, view.held]).toEqual([258, 0]);
  });

  it('full behind a pending item, refuses without a trace; what was refused is taken later', async () => {
    const { clock, view, put, pending, said } = open({ bufferMax: 3 });
    pending(1);
    for (const place of [2, 4]) put(place);
    expect([put(3), put(5), put(2), view.held]).toEqual(['full', 'full', 'duplicate', 3]);
    view.resolve(1, 'released');
    expect(said()).toEqual(['pending 1', 'm1', 'm2']);
    expect([put(3), put(5)]).toEqual(['taken', 'taken']);
    await clock.pass(1000);
    expect(said()).toEqual(['m3', 'm4', 'm5']);
  });

  it('full, marks no gap where a pending item behind it would free nothing', async () => {
    const { clock, put, pending, said } = open({ bufferMax: 2 });
    pending(3);
    put(4);
    expect([put(5), pending(1), pending(2)]).toEqual(['full', 'full', 'full']);
    expect(said()).toEqual([]);
    expect(put(1)).toBe('taken');
    await clock.pass(500);
    expect(said()).toEqual(['m1', 'gap 1-3', 'pending 3']);
    expect([pending(2), put(2)]).toEqual(['full', 'taken']);
    expect(said()).toEqual(['late m2 for gap 1-3']);
  });

  it('a repeat of what is shown, held, blocked or late is dropped and counted', async () => {
    const { clock, view, put, pending, said } = open();
    put(1);
    put(4);
    await clock.pass(500);
    put(2);
    pending(5);
    put(7);
    said();
    const results = [1, 4, 2, 5, 7].map((place) => put(place, { value: 'again' }));
    expect(results).toEqual(Array(5).fill('duplicate'));
    expect([said(), view.duplicates]).toEqual([[], 5]);
    expect(put(3)).toBe('taken');
  });
});

describe('the caller', () => {
  it('may call the view from an event: what follows comes in order', () => {
    const shown: string[] = [];
    const view = new OrderedView<string>({
      clock: new FakeClock(),
      onEvent: (event) => {
        shown.push(wordsOf(event));
        if (event.kind === 'released' && event.place === 1) view.put({ place: 3, value: 'm3' });
        if (event.kind === 'pending') view.resolve(event.place, 'released');
      },
    });
    view.put({ place: 2, value: 'm2', state: 'pending' });
    view.put({ place: 1, value: 'm1' });
    expect(shown).toEqual(['m1', 'pending 2', 'm2', 'm3']);
  });

  it('whose handler throws is told, and still gets every event once', async () => {
    const clock = new FakeClock();
    const shown: string[] = [];
    const onEvent = (event: Event) => {
      shown.push(wordsOf(event));
      if (event.kind === 'released' && event.place === 1) throw new Error('no');
    };
    const view = new OrderedView<string>({ clock, onEvent });
    for (const place of [3, 2]) view.put({ place, value: `m${place}` });
    expect(() => view.put({ place: 1, value: 'm1' })).toThrow('no');
    await clock.settle();
    expect(shown).toEqual(['m1', 'm2', 'm3']);
  });

  it.each<[string, Item]>([
    ['place must be an integer from 1 to 9007199254740991, not 0', { place: 0, value: '' }],
    ['place must be an integer from 1', { place: 1.5, value: '' }],
    ['place must be an integer from 1', { place: 2 ** 53, value: '' }],
    ['previous must be an integer from 0 to 6, not 7', { place: 7, previous: 7, value: '' }],
    ['previous must be an integer from 0 to 6, not -1', { place: 7, previous: -1, value: '' }],
  ])('is told of an item that cannot be: %s', (message, item) => {
    const { view } = open();
    expect(() => view.put(item)).toThrow(RangeError);
    expect(() => view.put(item)).toThrow(message);
    expect([view.held, view.duplicates]).toEqual([0, 0]);
  });

  it.each<[string, Limits]>([
    ['waitMs must be an integer from 0 to 2147483647, not -1', { waitMs: -1 }],
    ['waitMs must be an integer from 0 to 2147483647', { waitMs: 2 ** 31 }],
    ['bufferMax must be an integer from 1 to 65536, not 0', { bufferMax: 0 }],
    ['bufferMax must be an integer from 1 to 65536', { bufferMax: 65_537 }],
    ['after must be an integer from 0', { after: -1 }],
  ])('is told of a limit that cannot be: %s', (message, limits) => {
    expect(() => open(limits)).toThrow(RangeError);
    expect(() => open(limits)).toThrow(message);
  });

  it('is told of a misspelt state or outcome: nothing pending is shown by mistake', () => {
    const { view, pending, said } = open();
    pending(1);
    const misspelt: Item = JSON.parse('{ "place": 2, "value": "", "state": "PENDING" }');
    expect(() => view.put(misspelt)).toThrow('state must be normal or pending, not PENDING');
    const outcome: 'rejected' = JSON.parse('"REJECTED"');
    expect(() => view.resolve(1, outcome)).toThrow('outcome must be released or rejected');
    expect(() => view.resolve(0, 'released')).toThrow('place must be an integer from 1');
    expect([said(), view.held]).toEqual([['pending 1'], 1]);
  });

  it('who closes it hears nothing more: not of waits, of what is put, nor of what was to be said', async () => {
    const { clock, view, put, pending, said } = open();
    put(2);
    await clock.pass(500);
    for (const place of [1, 3, 5]) pending(place);
    expect([said().length, view.held]).toEqual([3, 3]);
    view.close();
    await clock.pass(1000);
    const resolved = [1, 3, 5].map((place) => view.resolve(place, 'released'));
    expect(resolved).toEqual([false, false, false]);
    expect([put(1), put(4), view.held, said()]).toEqual(['closed', 'closed', 0, []]);
    const shown: string[] = [];
    const onEvent = (event: Event) => {
      shown.push(wordsOf(event));
      inside.close();
    };
    const inside = new OrderedView<string>({ clock, onEvent });
    for (const place of [2, 1]) inside.put({ place, value: `m${place}` });
    expect(shown).toEqual(['m1']);
  });
});
