// Histories of chains, and how a sequencer is held to what the model says of them: write a
// `Subject` around it and give it to `runOn`.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { AppendCommand } from '../../src/gen/proto.ts';
import { ChainModel } from './chain-model.ts';
import {
  type Answer,
  outcomeText,
  type Refused,
  type Step,
  type Stored,
  stepText,
  storedText,
} from './chain-steps.ts';
import { type Raw, raws, shorter, tell } from './chain-teller.ts';

export type History = readonly Step[];

/** To be drawn unbiased, else they stay short. */
export const histories: fc.Arbitrary<History> = raws.map(tell);

/** What a system under test must offer. It begins empty, with a leader, at time 0, in step 0. */
export interface Subject {
  /**
   * Every answer of this step by the id of its attempt, in any order: verdicts of the step's own
   * commands (`held` among them), and last words of commands held before. What is proposed needs no
   * commit to be answered here, and entries are the subject's own affair: `through` counts steps,
   * so it remembers how long its log was after each. A refusal may name more than the model's.
   */
  apply(step: Step): readonly Answer[];
  /** What stands in a conversation with a rev above `afterRev`, proposed or committed, by rev. */
  stored(conversation: string, afterRev: number): readonly Stored[];
}

/** Throws with a short history that this subject and the model see differently. */
export function runOn(create: () => Subject, runs = 300, seed?: number): void {
  const differ = (raw: readonly Raw[]) => compare(tell(raw), create());
  const chosen = seed === undefined ? {} : { seed };
  const holds = fc.property(raws, (raw) => differ(raw) === null);
  const found = fc.check(holds, { numRuns: runs, unbiased: true, endOnFailure: true, ...chosen });
  if (!found.failed) return;
  let shortest = found.counterexample?.[0] ?? [];
  for (;;) {
    const less = shorter(shortest).find((each) => differ(each) !== null);
    if (less === undefined) break;
    shortest = less;
  }
  throw new Error(`${differ(shortest) ?? 'differs no more'}\nfound with seed ${found.seed}`);
}

/** null: no difference. Else the first step that differs, what led there, and both sides' words. */
export function compare(history: History, subject: Subject): string | null {
  const model = new ChainModel();
  const names = new Set(history.flatMap(conversationsOf));
  const revs = new Map<string, number>();
  for (const [i, step] of history.entries()) {
    if (step.kind === 'leader') revs.clear();
    const expected = model.apply(step);
    try {
      const found = subject.apply(step);
      const lines = difference(answerLines(expected, expected), answerLines(found, expected));
      for (const name of names) {
        const after = revs.get(name) ?? 0;
        const [all, others] = [model.stored(name, after), subject.stored(name, after)];
        lines.push(...difference(storedLines(name, all), storedLines(name, others)));
        revs.set(name, all.at(-1)?.rev ?? after);
      }
      if (lines.length > 0) return reportOf(history, i, lines);
    } catch (error) {
      return reportOf(history, i, [`  subject ${error instanceof Error ? error.stack : error}`]);
    }
  }
  return null;
}

function conversationsOf(step: Step): string[] {
  return step.kind === 'append' ? step.sent.map(({ conversation }) => conversation) : [];
}

function answerLines(answers: readonly Answer[], expected: readonly Answer[]): string[] {
  return answers.map(({ id, outcome }) => {
    if (outcome.kind !== 'refused') return `#${id} ${outcomeText(outcome)}`;
    const { reason, actual, want, max, field, limit } = outcome;
    const facts = Object.entries({ actual, want, max, field, limit });
    const named = expected.find((each) => {
      return each.id === id && each.outcome.kind === 'refused' && each.outcome.reason === reason;
    });
    const known = facts.filter(([name]) => named !== undefined && name in named.outcome);
    const refused: Refused = { kind: 'refused', reason, ...Object.fromEntries(known) };
    return `#${id} ${outcomeText(named === undefined ? outcome : refused)}`;
  });
}

/** A marker's own fields count, not the rest of its bytes: the leader may give it a key. */
function storedLines(name: string, stored: readonly Stored[]): string[] {
  return stored.map((each) => {
    const isMarker = AppendCommand.decode(each.command).gapMarker !== null;
    const digest = createHash('sha256').update(each.command).digest('hex').slice(0, 12);
    return `${name} ${storedText(each)}${isMarker ? '' : `, bytes ${digest}`}`;
  });
}

function difference(expected: readonly string[], found: readonly string[]): string[] {
  const rest = [...found];
  const missing = expected.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [
    ...missing.map((line) => `  model   ${line}`),
    ...rest.map((line) => `  subject ${line}`),
  ];
}

function reportOf(history: History, at: number, lines: readonly string[]): string {
  const told = history.slice(0, at + 1).map((step, i) => `  ${i + 1}. ${stepText(step)}`);
  const head = `step ${at + 1} of ${history.length} differs:`;
  return [head, ...lines, 'after:', ...told].join('\n');
}
