// The data-driven file form: a directive, lines of input, `----`, the answer expected, a blank line. An
// answer with blank lines in it stands between `----` `----` and `----` `----`.

const SEPARATOR = '----';

export class ScriptError extends Error {
  override readonly name = 'ScriptError';

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

export interface Argument {
  readonly key: string;
  /** Empty for a word alone. */
  readonly values: readonly string[];
}

export interface Directive {
  readonly line: number;
  readonly verb: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
  /** The file's text since the answer before, up to the separator: comments, directive, input. */
  readonly source: string;
}

export interface Script {
  readonly directives: readonly Directive[];
  /** What follows the last answer. */
  readonly tail: string;
}

export function parseScript(text: string): Script {
  const lines = new Lines(text);
  const directives: Directive[] = [];
  let start = 0;
  while (lines.skipComments()) {
    directives.push(parseDirective(lines, start));
    start = lines.at;
  }
  return { directives, tail: lines.since(start) };
}

/** The script with these answers in place of those expected. */
export function renderScript(script: Script, answers: readonly string[]): string {
  const parts = script.directives.map(({ source }, at) => source + renderAnswer(answers[at] ?? ''));
  return parts.join('') + script.tail;
}

function renderAnswer(answer: string): string {
  const closed = answer === '' ? '' : `${answer}\n`;
  const isLong = /^\n|\n\n/.test(closed);
  if (!isLong) return `${SEPARATOR}\n${closed}`;
  const twice = `${SEPARATOR}\n${SEPARATOR}\n`;
  return twice + closed + twice;
}

function parseDirective(lines: Lines, start: number): Directive {
  const line = lines.at + 1;
  let command = lines.take();
  while (command.endsWith('\\')) command = command.slice(0, -1) + lines.take();
  const [verb, ...args] = parseWords(command, line);
  if (verb === undefined || verb.values.length > 0) throw new ScriptError(line, 'no command word');
  const input: string[] = [];
  while (lines.peek() !== SEPARATOR) {
    if (lines.peek() === null) throw new ScriptError(line, `no ${SEPARATOR} after ${verb.key}`);
    input.push(lines.take());
  }
  const source = lines.since(start);
  lines.take();
  const expected = lines.peek() === SEPARATOR ? takeLong(lines, line) : takeShort(lines);
  return { line, verb: verb.key, args, input: input.join('\n'), expected, source };
}

function takeShort(lines: Lines): string {
  const expected: string[] = [];
  for (let next = lines.peek(); next !== null && next.trim() !== ''; next = lines.peek()) {
    expected.push(lines.take());
  }
  return expected.join('\n');
}

function takeLong(lines: Lines, line: number): string {
  lines.take();
  const expected: string[] = [];
  while (lines.peek() !== SEPARATOR || lines.peek(1) !== SEPARATOR) {
    if (lines.peek() === null) throw new ScriptError(line, 'the long answer does not end');
    expected.push(lines.take());
  }
  lines.take();
  lines.take();
  if ((lines.peek() ?? '').trim() !== '') {
    throw new ScriptError(lines.at + 1, 'a blank line has to follow a long answer');
  }
  return expected.join('\n');
}

/** `word`, `key=value` or `key=(value, value)`. */
function parseWords(command: string, line: number): Argument[] {
  const form = /\s*([^\s=()]+)(?:=(?:([^\s=(),]+)|\(([^()]+)\)))?(?=\s|$)\s*/y;
  const words: Argument[] = [];
  while (form.lastIndex < command.length) {
    const rest = command.slice(form.lastIndex);
    const [, key, value, list] = form.exec(command) ?? [];
    if (key === undefined) throw new ScriptError(line, `cannot read "${rest}"`);
    const values =
      list?.split(',').map((each) => each.trim()) ?? (value === undefined ? [] : [value]);
    if (values.includes('')) throw new ScriptError(line, `an empty value in "${rest}"`);
    words.push({ key, values });
  }
  return words;
}

class Lines {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(text: string) {
    const lines = text.split('\n');
    // A text file's last line ends too.
    if (lines.at(-1) === '') lines.pop();
    this.#lines = lines;
  }

  get at(): number {
    return this.#at;
  }

  peek(ahead = 0): string | null {
    return this.#lines[this.#at + ahead] ?? null;
  }

  take(): string {
    const line = this.peek() ?? '';
    this.#at += 1;
    return line;
  }

  /** False at the end of the file. */
  skipComments(): boolean {
    while (/^\s*(#|$)/.test(this.peek() ?? 'x')) this.#at += 1;
    return this.peek() !== null;
  }

  since(start: number): string {
    return this.#lines
      .slice(start, this.#at)
      .map((line) => `${line}\n`)
      .join('');
  }
}
