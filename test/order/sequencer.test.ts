// The leader's sequencer against a slow model that looks through everything ever stored: verdicts,
// numbers and ids, with cold rows, checkpoints and changes of leader at any moment.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppendCommandInput } from '../../src/gen/proto.ts';
import type { KeyPlace } from '../../src/order/page.ts';
import type { FrozenRows } from '../../src/order/rows.ts';
import type { Draft, Verdict } from '../../src/order/sequencer.ts';
import { Partition, placed, shardOf } from './partition.ts';
import { composeId } from './whole-id.ts';

/** A stored message, as the model remembers it. */
interface Stored {
  readonly input: AppendCommandInput;
  readonly place: KeyPlace;
  readonly id: bigint;
}

/** What the verdict must be, found the slow way. */
function expectVerdict(
  verdict: Verdict,
  input: AppendCommandInput,
  stored: readonly Stored[],
): void {
  const same = stored.find(({ input: other }) => {
    const identity = (each: AppendCommandInput) =>
      [each.conversation, each.sender, each.key].join();
    return input.key !== undefined && identity(other) === identity(input);
  });
  const head = stored.filter((each) => each.input.conversation === input.conversation).length;
  if (same !== undefined) {
    const repeats = String(same.input.body) === String(input.body);
    if (repeats) expect(verdict).toEqual({ kind: 'duplicate', place: same.place });
    else {
      expect(verdict).toMatchObject({
        kind: 'refused',
        decided: true,
        refusal: { reason: 'IDEMPOTENCY_MISMATCH', field: 'key', actual: same.place.seq },
      });
    }
  } else if (input.expectedSeq !== undefined && input.expectedSeq !== head) {
    expect(verdict).toMatchObject({
      kind: 'refused',
      decided: true,
      refusal: { reason: 'EXPECTED_SEQ_MISMATCH', actual: head },
    });
  } else {
    const shard = shardOf[input.conversation ?? ''];
    expect(verdict).toMatchObject({
      ...{ kind: 'stored', duplicate: false, seq: head + 1, rev: head + 1, shard },
    });
  }
}

const input: fc.Arbitrary<AppendCommandInput> = fc.record(
  {
    conversation: fc.constantFrom('g:a', 'g:b', 'g:c'),
    sender: fc.constantFrom('s', 't'),
    key: fc.constantFrom('k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8'),
    body: fc.constantFrom(Buffer.from('x'), Buffer.from('y')),
    expectedSeq: fc.nat(6),
  },
  { requiredKeys: ['conversation', 'sender'] },
);

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      inputs: fc.array(input, { minLength: 1, maxLength: 8 }),
      discarded: fc.nat(5).map((dice) => dice === 0),
      clock: fc.integer({ min: -5, max: 20 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('commit' as const), part: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'freeze' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'finish' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leader' as const), part: fc.nat(100) }) },
);

describe('random histories', () => {
  test('every verdict, number and id is what a search through all that is stored says', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
        const partition = new Partition();
        let stored: Stored[] = [];
        let frozen: { readonly rows: FrozenRows; readonly folded: number } | null = null;
        const between = (part: number) => {
          const open = partition.log.length - partition.committed;
          return partition.committed + Math.round((open * part) / 100);
        };
        const accept = (each: AppendCommandInput, verdict: Verdict, draft: Draft) => {
          if (verdict.kind !== 'stored') return;
          const { seq, shard, idMs, idCounter } = verdict;
          const place = { seq, index: draft.index, slot: draft.commands.length - 1 };
          const id = composeId(idMs, shard, idCounter);
          const older = stored.filter((other) => shardOf[other.input.conversation ?? ''] === shard);
          expect(id > (older.at(-1)?.id ?? 0n), 'ids rise').toBe(true);
          stored.push({ input: each, place, id });
        };
        for (const each of steps) {
          switch (each.kind) {
            case 'append': {
              partition.timeMs = Math.max(partition.timeMs, partition.timeMs + each.clock);
              const [first] = each.inputs;
              const conversation = first?.conversation ?? '';
              const inputs = each.discarded
                ? each.inputs.map((one) => ({ ...one, conversation }))
                : each.inputs;
              partition.prepare(inputs.map(placed));
              const draft = partition.draft();
              partition.sequencer.begin();
              const standing = [...stored];
              for (const one of inputs) {
                const verdict = partition.sequencer.sequence(placed(one), draft);
                expectVerdict(verdict, one, stored);
                accept(one, verdict, draft);
              }
              if (each.discarded) {
                partition.sequencer.rollback();
                stored = standing;
              } else {
                partition.sequencer.keep();
                partition.propose(draft);
              }
              break;
            }
            case 'commit':
              partition.commit(between(each.part));
              break;
            case 'checkpoint':
              if (frozen === null) partition.checkpoint();
              break;
            case 'freeze':
              frozen ??= { rows: partition.freeze(), folded: partition.committed };
              break;
            case 'finish':
              if (frozen !== null) partition.finish(frozen.rows, frozen.folded);
              frozen = null;
              break;
            case 'leader': {
              const surviving = between(each.part);
              frozen = null;
              partition.changeLeader(surviving);
              stored = stored.filter(({ place }) => place.index <= surviving);
            }
          }
        }
        const order = (name: string) => stored.filter((one) => one.input.conversation === name);
        for (const name of Object.keys(shardOf)) {
          expect(order(name).map(({ place }) => place.seq)).toEqual(
            order(name).map((_, i) => i + 1),
          );
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('a term', () => {
  const one = (partition: Partition, given: AppendCommandInput, draft = partition.draft()) => {
    const command = placed({ conversation: 'g:a', sender: 's', ...given });
    partition.prepare([command]);
    const verdict = partition.sequencer.sequence(command, draft);
    partition.propose(draft);
    return verdict;
  };

  test('that ended leaves nothing of what it proposed and lost: the key is new again', () => {
    const partition = new Partition();
    expect(one(partition, { key: 'k' })).toMatchObject({ kind: 'stored', seq: 1 });
    expect(one(partition, { key: 'k' }).kind).toBe('duplicate');
    partition.changeLeader(0);
    expect(one(partition, { key: 'k' })).toMatchObject({ kind: 'stored', seq: 1 });
  });

  test('a refused command moves nothing, and without a key nothing is a duplicate', () => {
    const partition = new Partition();
    one(partition, { expectedSeq: 0 });
    expect(one(partition, { expectedSeq: 0 }).kind).toBe('refused');
    expect(one(partition, { expectedSeq: 1 })).toMatchObject({ seq: 2 });
    expect(one(partition, { expectedSeq: 2 })).toMatchObject({ seq: 3 });
  });

  test('a shard without ids left is BUSY with a time to wait, and the conversation does not move', () => {
    const partition = new Partition();
    const draft = partition.draft();
    const command = placed({ conversation: 'g:a', sender: 's' });
    partition.prepare([command]);
    for (let i = 0; i < 1024 * 201; i++) partition.sequencer.sequence(command, draft);
    expect(partition.sequencer.sequence(command, draft)).toMatchObject({
      kind: 'refused',
      decided: false,
      refusal: { reason: 'BUSY', retryAfterMs: 50 },
    });
    expect(draft.columns.seqs.at(-1)).toBe(1024 * 201);
    partition.timeMs += 1;
    const later = partition.sequencer.sequence(command, partition.draft());
    expect(later).toMatchObject({ kind: 'stored', seq: 1024 * 201 + 1 });
  });
});
