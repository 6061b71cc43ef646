// The file form: what is read, what is refused, and that rewriting changes answers only.

import { describe, expect, test } from 'vitest';
import { play } from './play.ts';
import { parseScript, renderScript, ScriptError } from './script.ts';

const lines = (...each: string[]): string => `${each.join('\n')}\n`;

describe('the file form', () => {
  test('a directive has words, named values and lists; input; an answer up to a blank line', () => {
    const text = lines(
      '# about this',
      '',
      'do-it 1 word drop=(2, 3) type=MsgApp',
      'v4 l5',
      '----',
      'first',
      '  second',
      '',
      'done',
      '----',
    );
    const [first, second, ...others] = parseScript(text).directives;
    expect(first).toMatchObject({
      line: 3,
      verb: 'do-it',
      args: [
        { key: '1', values: [] },
        { key: 'word', values: [] },
        { key: 'drop', values: ['2', '3'] },
        { key: 'type', values: ['MsgApp'] },
      ],
      input: 'v4 l5',
      expected: 'first\n  second',
    });
    expect(second).toMatchObject({ line: 9, verb: 'done', args: [], input: '', expected: '' });
    expect(others).toEqual([]);
  });

  test('a directive goes on where its line ends with a backslash', () => {
    const text = lines('do-it 1 \\', '  to=4', '----', 'ok');
    expect(parseScript(text).directives).toMatchObject([{ args: [{ key: '1' }, { key: 'to' }] }]);
  });

  test('a long answer holds blank lines, and a separator alone', () => {
    const text = lines(
      'do-it',
      '----',
      '----',
      'a',
      '',
      '----',
      'b',
      '----',
      '----',
      '',
      'x',
      '----',
    );
    const script = parseScript(text);
    expect(script.directives).toMatchObject([{ expected: 'a\n\n----\nb' }, { verb: 'x' }]);
  });

  test('rewriting with what was expected gives the same text, comments and all', () => {
    const text = lines(
      '# first',
      'a \\',
      ' b=1',
      'input',
      '----',
      'ok',
      '',
      '',
      'c',
      '----',
      '----',
      'd',
      '',
      'e',
      '----',
      '----',
      '',
      '# last',
    );
    const script = parseScript(text);
    const expected = script.directives.map((each) => each.expected);
    expect(renderScript(script, expected)).toBe(text);
  });

  test('an answer is written in the long form where it has to be', () => {
    const script = parseScript(lines('a', '----', 'old', '', 'b', '----', 'old', '# tail'));
    const text = renderScript(script, ['x\n\ny', 'z']);
    expect(text).toBe(
      lines('a', '----', '----', 'x', '', 'y', '----', '----', '', 'b', '----', 'z'),
    );
    expect(parseScript(text).directives).toMatchObject([{ expected: 'x\n\ny' }, { expected: 'z' }]);
  });

  test.each([
    ['no separator', lines('campaign 1', 'ok'), 'line 1: no ---- after campaign'],
    ['a long answer without end', lines('', 'a', '----', '----', 'x', '----'), 'line 2: the long'],
    [
      'no blank line after a long answer',
      lines('a', '----', '----', 'x', '----', '----', 'b', '----'),
      'line 7: a blank line',
    ],
    ['a list that is not closed', lines('a voters=(1,2', '----'), 'line 1: cannot read'],
    ['an empty list', lines('a voters=()', '----'), 'line 1: cannot read'],
    ['an empty value in a list', lines('a voters=(1,,2)', '----'), 'line 1: an empty value'],
    ['a name without a value', lines('a voters=', '----'), 'line 1: cannot read'],
    ['a value without a name', lines('a =3', '----'), 'line 1: cannot read'],
    ['two values in one word', lines('a b=c=d', '----'), 'line 1: cannot read'],
    ['a value in place of the command', lines('a=b', '----'), 'line 1: no command word'],
  ])('refused: %s', (_, text, problem) => {
    expect(() => parseScript(text)).toThrow(ScriptError);
    expect(() => parseScript(text)).toThrow(problem);
  });
});

describe('a script', () => {
  const three = ['add-nodes 3 voters=(1,2,3) index=10', '----', 'ok', ''];
  const played = (...each: string[]): string[] =>
    play(parseScript(lines(...three, ...each))).slice(1);

  test.each([
    ['an unknown command', 'campain 1', 'unknown command campain'],
    ['an unknown name', 'campaign 1 now=true', 'unknown: now='],
    ['a name twice', 'deliver-msgs drop=1 drop=2', 'given twice: drop='],
    ['a word too many', 'campaign 1 2', '1 words expected, not 2'],
    ['a node that is not a number', 'campaign one', 'not a number: one'],
    ['an unknown type', 'deliver-msgs 1 type=MsgNone', 'no message is called MsgNone'],
    ['delivered and dropped', 'deliver-msgs 1 drop=1', 'delivered and dropped at once'],
    [
      'no boolean',
      'add-nodes 1 voters=(1,4) index=10 prevote=yes',
      'true or false expected: prevote=',
    ],
    ['no timeout', 'set-randomized-election-timeout 1', 'timeout= is missing'],
  ])('is wrong with %s', (_, directive, problem) => {
    expect(() => played(directive, '----')).toThrow(ScriptError);
    expect(() => played(directive, '----')).toThrow(problem);
  });

  test('is wrong where a forgotten separator makes a directive an input', () => {
    expect(() => played('campaign 1', 'stabilize', '----')).toThrow('campaign takes no input');
  });

  test.each([
    ['an unknown transition', '1 transition=later', 'v4', 'unknown: transition=later'],
    ['two changes of the first kind', '1 v1=true', 'v4 v5', 'v1=true goes with one change'],
    ['an unknown change', '1', 'x4', 'no change: x4'],
    ['a change of nobody', '1', 'v', 'not a number'],
  ])('is wrong with %s', (_, args, input, problem) => {
    expect(() => played(`propose-conf-change ${args}`, input, '----')).toThrow(problem);
  });

  test('is told what is not there, and by whom it is refused', () => {
    const answers = played(
      ...['add-nodes 1 voters=(1,4) index=10 content=x', '----', 'ok', ''],
      ...['compact 1 11', '----', 'ok', ''],
      ...['propose-conf-change 1', 'u2', '----', 'ok', ''],
      ...['propose-conf-change 1', 'r2', '----', 'ok', ''],
      ...['propose 1 early', '----', 'ok', ''],
      ...['status 4', '----', 'ok'],
    );
    expect(answers).toEqual([
      'not supported: content',
      'refused: not applied',
      'not supported: a change that updates a node',
      'refused: not-leader',
      'refused: not-leader',
      'no node 4',
    ]);
  });

  test('says nothing but refusals at log level none', () => {
    const answers = played(
      ...['log-level none', '----', 'ok', ''],
      ...['raft-state', '----', 'ok', ''],
      ...['propose 1 early', '----', 'ok', ''],
      ...['log-level loud', '----', 'ok'],
    );
    expect(answers).toMatchObject([
      'ok',
      'ok',
      'refused: not-leader',
      expect.stringContaining('log levels are'),
    ]);
  });
});
