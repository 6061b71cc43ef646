// The arguments of a directive as the verbs want them. Whatever a verb does not know is an error of the
// script: an argument that is ignored would make a transcript say more than it shows.

import type { ReplicaId } from '../../../src/raft/types.ts';
import { type Directive, ScriptError } from './script.ts';

export class Arguments {
  readonly line: number;
  readonly words: readonly string[];
  readonly #named: ReadonlyMap<string, readonly string[]>;

  constructor(directive: Directive, known: readonly string[]) {
    const { args, line } = directive;
    this.line = line;
    this.words = args.filter(({ values }) => values.length === 0).map(({ key }) => key);
    const named = new Map<string, readonly string[]>();
    for (const { key, values } of args) {
      if (values.length === 0) continue;
      if (!known.includes(key)) throw this.error(`unknown: ${key}=`);
      if (named.has(key)) throw this.error(`given twice: ${key}=`);
      named.set(key, values);
    }
    this.#named = named;
  }

  error(problem: string): ScriptError {
    return new ScriptError(this.line, problem);
  }

  /** The words alone, which have to be this many. */
  exactly(count: number): readonly string[] {
    const actual = this.words.length;
    if (actual !== count) throw this.error(`${count} words expected, not ${actual}`);
    return this.words;
  }

  number(word: string | null | undefined): number {
    if (!/^\d+$/.test(word ?? '')) throw this.error(`not a number: ${word}`);
    return Number(word);
  }

  ids(): ReplicaId[] {
    return this.words.map((word) => this.number(word));
  }

  list(key: string): ReplicaId[] {
    return (this.#named.get(key) ?? []).map((value) => this.number(value));
  }

  text(key: string): string | null {
    const values = this.#named.get(key);
    if (values === undefined) return null;
    if (values.length !== 1) throw this.error(`one value expected: ${key}=`);
    return values[0] ?? null;
  }

  count(key: string): number | null {
    const text = this.text(key);
    return text === null ? null : this.number(text);
  }

  /** False where it is not given. */
  flag(key: string): boolean {
    const text = this.text(key) ?? 'false';
    if (text !== 'true' && text !== 'false') throw this.error(`true or false expected: ${key}=`);
    return text === 'true';
  }
}
