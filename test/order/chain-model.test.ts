// The model of chains against the words of ordering.md, "Append", one row a rule; whether histories
// reach every rule; and whether a subject that breaks one is found out.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainCases, link, numbered, pass, say } from './chain-cases.ts';
import { compare, histories, runOn, type Subject } from './chain-histories.ts';
import { checkInvariants, type Told } from './chain-invariants.ts';
import { ChainModel, modelLimits } from './chain-model.ts';
import { type Answer, outcomeText, type Slot, type Step, storedText } from './chain-steps.ts';
import { holdCases } from './hold-cases.ts';

function play(steps: readonly Step[], model = new ChainModel()): string[] {
  return numbered(steps)
    .flatMap((step) => model.apply(step))
    .map(({ id, outcome }) => `#${id} ${outcomeText(outcome)}`);
}

describe('the model says what the contract says', () => {
  test.each([...chainCases, ...holdCases])('%s', (_, steps, answers) => {
    expect(play(steps)).toEqual(answers);
  });

  test('a marker names sender, device, epoch, after and before', () => {
    const model = new ChainModel();
    play([link(0, 10), link(20, 30), pass(500)], model);
    expect(model.stored('g:a', 1).map(storedText)).toEqual([
      'event rev 2: marker of a/d epoch 1 after 10 before 30',
      "seq 2 rev 3: a/d epoch 1 20 -> 30 key '' body '' (0)",
    ]);
  });
});

describe('the invariants', () => {
  const slot = (rev: number, clientSeq: number, prev: number, more: Partial<Slot> = {}): Slot => {
    const chain = { device: 'd', epoch: 1, prev, clientSeq };
    const sent = { id: rev, conversation: 'g:a', sender: 'a', ...chain };
    const place = { step: 1, conversation: 'g:a', seq: rev, rev };
    return { sent, ...place, late: false, lateFor: 0, epoch: 0, ...more };
  };
  const told = (seq: number, rev: number): Told => {
    const outcome = { kind: 'stored' as const, seq, rev, late: false, lateFor: 0, epoch: 0 };
    return { id: rev, conversation: 'g:a', outcome };
  };
  const two = [slot(1, 1, 0), slot(2, 2, 1)];

  test('hold for two links in order', () => {
    expect(() => checkInvariants(two, [told(1, 1), told(2, 2)], 1)).not.toThrow();
  });

  const broken: readonly (readonly [RegExp, readonly Slot[], readonly Told[]])[] = [
    [/rev is dense/, [slot(1, 1, 0), slot(3, 2, 1)], []],
    [/seq is dense/, [slot(1, 1, 0), slot(2, 2, 1, { seq: 3 })], []],
    [/client order/, [slot(1, 2, 0), slot(2, 1, 0)], []],
    [/every jump is named/, [slot(1, 1, 0), slot(2, 3, 2)], []],
    [/a late one is behind/, [slot(1, 1, 0, { late: true })], []],
    [/names the marker/, [slot(1, 3, 0), slot(2, 1, 0, { late: true, lateFor: 1 })], []],
    [/without a stored seq/, two, [told(1, 1), told(0, 2)]],
    [/leaves no trace/, two, [told(1, 1)]],
  ];

  test.each(broken)('find what is broken: %s', (rule, slots, answers) => {
    expect(() => checkInvariants(slots, answers, 1)).toThrow(rule);
  });
});

/** How often a rule has to decide in 2,000 histories, at least. */
const hitsMin = {
  stored: 40000,
  duplicate: 3000,
  'same key': 3000,
  'same client_seq': 2000,
  IDEMPOTENCY_MISMATCH: 1000,
  EPOCH_FENCED: 700,
  CHAIN_PASSED: 400,
  SENDER_GAP: 1000,
  QUOTA: 300,
  EXPECTED_SEQ_MISMATCH: 2000,
  IN_FUTURE: 1000,
  NOT_PENDING: 1000,
  NOT_LEADER: 3000,
  held: 20000,
  'held, then store': 5000,
  'held, then refused': 800,
  'held, then duplicate': 100,
  'joined a held command': 500,
  'holds full by messages': 300,
  'holds full by bytes': 100,
  'a wait ended': 4000,
  'a wait of 0 ms': 2000,
  'gap action MARK': 2000,
  'gap action REJECT': 400,
  'gap action SKIP': 400,
  'gap action MARK at once': 1000,
  'gap action REJECT at once': 500,
  'gap action SKIP at once': 1000,
  'late, marked': 600,
  'late, skipped': 200,
  'gap closed': 400,
  'gap shrunk': 300,
  'gap split': 100,
  'oldest gap forgotten': 100,
  'chain restarted': 400,
  'a link while chains are ignored': 2000,
};

const sample = (count: number) =>
  fc.sample(histories, { numRuns: count, seed: 20260101, unbiased: true });

describe('histories', () => {
  test('reach every verdict and every gap action, often', () => {
    const hits = new Map<string, number>();
    for (const history of sample(2000)) {
      const model = new ChainModel();
      for (const step of history) model.apply(step);
      for (const [rule, count] of model.hits) hits.set(rule, (hits.get(rule) ?? 0) + count);
    }
    const rare = Object.entries(hitsMin).filter(([rule, min]) => (hits.get(rule) ?? 0) < min);
    expect(rare.map(([rule, min]) => `${rule}: ${hits.get(rule) ?? 0} of ${min}`)).toEqual([]);
    expect([...hits.keys()].sort()).toEqual(Object.keys(hitsMin).sort());
  }, 120_000);

  test('answer every attempt in its step; one that is held, once more', () => {
    for (const history of sample(500)) {
      const model = new ChainModel();
      const open = new Set<number>();
      for (const step of history) {
        const answers = model.apply(step);
        const sent = step.kind === 'append' ? step.sent.map(({ id }) => id) : [];
        for (const { id, outcome } of answers) {
          const isFirst = sent.includes(id) && !answers.some((each) => isHeld(each, id));
          expect(outcome.kind === 'held' || isFirst || open.has(id), `attempt ${id}`).toBe(true);
          if (outcome.kind === 'held') open.add(id);
          else open.delete(id);
        }
        const answered = answers.map(({ id }) => id);
        expect(sent.filter((id) => !answered.includes(id))).toEqual([]);
      }
    }
  });
});

function isHeld({ id, outcome }: Answer, of: number): boolean {
  return id === of && outcome.kind === 'held';
}

describe('a subject', () => {
  test('that is the model itself differs nowhere', () => {
    runOn(() => new ChainModel(), 100);
  });

  /** The model with its answers bent. */
  const bent = (bend: (answer: Answer) => readonly Answer[]): Subject => {
    const model = new ChainModel();
    return {
      apply: (step) => model.apply(step).flatMap(bend),
      stored: (conversation, afterRev) => model.stored(conversation, afterRev),
    };
  };

  const faults: readonly (readonly [string, () => Subject])[] = [
    ['keeps 15 gaps', () => new ChainModel({ gaps: 15 })],
    ['keeps 17 gaps', () => new ChainModel({ gaps: 17 })],
    ['allows 17 devices', () => new ChainModel({ devices: 17 })],
    ['holds 65 messages', () => new ChainModel({ heldMessages: 65 })],
    ['holds too many bytes', () => new ChainModel({ heldBytes: modelLimits.heldBytes * 2 })],
    [
      'never ends a held command',
      () => {
        const held = new Set<number>();
        return bent((answer) => {
          if (answer.outcome.kind === 'held') held.add(answer.id);
          else if (held.has(answer.id)) return [];
          return [answer];
        });
      },
    ],
    [
      'forgets which marker a late one is for',
      () =>
        bent(({ id, outcome }) => {
          return [
            { id, outcome: outcome.kind === 'stored' ? { ...outcome, lateFor: 0 } : outcome },
          ];
        }),
    ],
    [
      'answers a duplicate with the head',
      () =>
        bent(({ id, outcome }) => {
          const isRepeat = outcome.kind === 'duplicate';
          return [{ id, outcome: isRepeat ? { ...outcome, rev: outcome.rev + 1 } : outcome }];
        }),
    ],
  ];

  test.each(faults)('that %s is found out', (_, create) => {
    expect(() => runOn(create, 1000, 7)).toThrow(/step \d+ of \d+ differs:/);
  });

  test('that differs is reported with the step, both sides and what led there', () => {
    const steps = numbered([link(0, 1), link(1, 2), link(5, 6), pass(500)]);
    const subject = bent(({ id, outcome }) => {
      return [{ id, outcome: outcome.kind === 'held' ? { ...outcome, want: 9 } : outcome }];
    });
    expect(compare(steps, subject)?.split('\n').slice(0, 6)).toEqual([
      'step 3 of 4 differs:',
      '  model   #3 HELD resend from 2 want 5',
      '  subject #3 HELD resend from 2 want 9',
      'after:',
      '  1. append',
      '      {"id":1,"conversation":"g:a","sender":"a","device":"d","epoch":1,"prev":0,"clientSeq":1}',
    ]);
  });

  test('may name more facts in a refusal than the model, not fewer', () => {
    const steps = numbered([say({ expectedSeq: 4 })]);
    const refuse = (facts: object) =>
      bent(({ id }) => {
        const reason = 'EXPECTED_SEQ_MISMATCH';
        return [{ id, outcome: { kind: 'refused', reason, ...facts } }];
      });
    expect(compare(steps, refuse({ actual: 0, field: 'expected_seq' }))).toBeNull();
    expect(compare(steps, refuse({ field: 'expected_seq' }))).toMatch(/model {3}#1 .* actual 0/);
  });
});
