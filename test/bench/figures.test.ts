// What the benchmark says must be so: its figures from known samples, and what it refuses to report.
import { describe, expect, test } from 'vitest';
import { Latencies } from '../../scripts/bench/client/latencies.ts';
import { Messages, numberOf } from '../../scripts/bench/client/messages.ts';
import { heldAtLeast } from '../../scripts/bench/run-subject.ts';
import { usualLoad } from '../../scripts/bench/subjects/subject.ts';
import { median } from '../../scripts/harness/median.ts';

describe('figures', () => {
  test('quantiles are those of all latencies, however many', () => {
    const latencies = new Latencies();
    for (let ms = 100_000; ms >= 1; ms--) latencies.add(ms);
    expect(latencies.quantiles()).toEqual({ p50Ms: 50_001, p99Ms: 99_001, p999Ms: 99_901 });
  });

  test('a median is a value that was measured', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([7])]).toEqual([2, 2, 7]);
  });

  test('every client sends the same messages', () => {
    const [one, other] = [new Messages(usualLoad), new Messages(usualLoad)];
    for (let i = 0; i < 200; i++) expect(one.next()).toEqual(other.next());
    const numbered = one.nextNumbered();
    expect([numberOf(numbered.body), numbered.body.length]).toEqual([200, 256]);
  });
});

describe('replicas that hold less than was acknowledged', () => {
  const holding = (...held: number[]) => ({ held: async () => held });

  test('are refused where they are a majority', async () => {
    const refused = heldAtLeast(holding(100, 99, 99), 100, 1);
    await expect(refused).rejects.toThrow('100 were acknowledged, the replicas hold 100, 99, 99');
  });

  test('are told where they are not', async () => {
    await expect(heldAtLeast(holding(100, 99, 101), 100, 1)).resolves.toEqual([100, 99, 101]);
  });
});
