// Runs a script: every directive's answer, and where the answers are not those that were expected.

import type { ReplicaId } from '../../../src/raft/types.ts';
import { Environment, Refusal } from './environment.ts';
import { type Directive, parseScript, renderScript, type Script, ScriptError } from './script.ts';
import { type Context, timeoutSetFor, verbs } from './verbs.ts';

/** The answers that scripts written for etcd's core and ours have in common. */
const comparable = ['raft-state', 'raft-log', 'status', 'compact'];

/** One answer a directive. A broken assertion of the core, or a wrong script, throws. */
export function play({ directives }: Script): string[] {
  let at = 0;
  const timeoutTicks = (id: ReplicaId): number | null => nextTimeout(id, directives.slice(at));
  const context = { env: new Environment(), timeoutTicks };
  const answers: string[] = [];
  for (const directive of directives) {
    answers.push(answer(context, directive));
    at += 1;
  }
  return answers;
}

/** The script with the answers that it really gets. */
export function rewritten(text: string): string {
  const script = parseScript(text);
  return renderScript(script, play(script));
}

/** Of a script written for etcd's harness: the first feature missing, or what is answered differently. */
export function foreignDifferences(text: string): string[] {
  const script = parseScript(text);
  const answers = play(script);
  const missing = answers.find((each) => each.startsWith('not supported'));
  if (missing !== undefined) return [missing];
  return script.directives.flatMap(({ verb, line, expected }, at) => {
    const actual = answers[at];
    if (!comparable.includes(verb) || actual === expected) return [];
    return [`line ${line}: ${verb}\nexpected:\n${expected}\nanswered:\n${actual}`];
  });
}

function answer(context: Context, directive: Directive): string {
  const { verb, line, input } = directive;
  const run = verbs.get(verb);
  if (run === undefined) throw new ScriptError(line, `unknown command ${verb}`);
  // A forgotten separator makes the next directive an input.
  const takesInput = verb === 'propose-conf-change';
  if (input !== '' && !takesInput) throw new ScriptError(line, `${verb} takes no input`);
  const refused = refusalOf(() => run(context, directive));
  const said = context.env.takeSaid();
  const lines = context.env.logLevel === 'none' ? [] : said;
  if (refused !== null) lines.push(refused);
  return lines.length > 0 ? lines.join('\n') : 'ok';
}

function refusalOf(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

function nextTimeout(id: ReplicaId, rest: readonly Directive[]): number | null {
  for (const directive of rest) {
    const ticks = timeoutSetFor(id, directive);
    if (ticks !== null) return ticks;
  }
  return null;
}
