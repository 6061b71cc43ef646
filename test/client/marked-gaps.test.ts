// What an ordered view remembers of the gaps it has marked: as much as is bounded, and where it has
// forgotten something a late item is still delivered.
import { describe, expect, it } from 'vitest';
import { open } from './open-view.ts';

describe('the memory of marked gaps', () => {
  it('names the newest 16 that are open; an older one is late for no gap, still only once', async () => {
    const { clock, put, said } = open();
    for (let place = 2; place <= 34; place += 2) put(place);
    await clock.pass(500);
    said();
    expect([put(5), put(1), put(1)]).toEqual(['taken', 'taken', 'duplicate']);
    expect(said()).toEqual(['late m5 for gap 4-6', 'late m1 for no gap']);
  });

  it('forgets no open gap for one that is closed', async () => {
    const { clock, put, said } = open();
    for (let place = 2; place <= 32; place += 2) put(place);
    await clock.pass(500);
    for (const place of [5, 34]) put(place);
    await clock.pass(500);
    put(1);
    expect(said().at(-1)).toBe('late m1 for gap 0-2');
    put(36);
    put(38);
    await clock.pass(500);
    put(3);
    expect(said().at(-1)).toBe('late m3 for no gap');
  });

  it('with over 256 parts a repeat of the oldest may be late again, nothing is dropped', async () => {
    const { clock, put, said } = open();
    put(1000);
    await clock.pass(500);
    for (let place = 2; place <= 510; place += 2) put(place);
    expect(put(2)).toBe('duplicate');
    put(512);
    said();
    expect([put(2), put(1), put(4), put(3)]).toEqual(['taken', 'taken', 'duplicate', 'taken']);
    expect(said()).toEqual([2, 1, 3].map((place) => `late m${place} for gap 0-1000`));
  });

  it('with over 256 gaps an item of the oldest is late for no gap', async () => {
    const { clock, put, said } = open({ bufferMax: 1000 });
    for (let place = 2; place <= 600; place += 2) put(place);
    await clock.pass(500);
    said();
    expect([1, 2, 599, 598].map((place) => put(place)).at(-1)).toBe('duplicate');
    const first = ['late m1 for no gap', 'late m2 for no gap'];
    expect(said()).toEqual([...first, 'late m599 for gap 598-600']);
  });

  it('names no gap where the parts of two had to be joined', async () => {
    const { clock, put, said } = open();
    for (const place of [10, 1000]) put(place);
    await clock.pass(500);
    for (let place = 12; place < 522; place += 2) put(place);
    said();
    for (const place of [1, 999]) put(place);
    expect(said()).toEqual(['late m1 for no gap', 'late m999 for gap 10-1000']);
  });
});
