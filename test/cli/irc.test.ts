// The parts of import that need no process: lines, messages, keys, senders, pace, progress.
import { describe, expect, it } from 'vitest';
import { createPace, OpenAppends } from '../../src/cli/flow.ts';
import { lineKey, parseIrcLine, senderText } from '../../src/cli/irc.ts';
import { LineSplitter, lineBytesMax } from '../../src/cli/lines.ts';
import { progressText } from '../../src/cli/progress.ts';

describe('a line of a log', () => {
  const bodyOf = (line: string) => {
    const message = parseIrcLine(line);
    return message === null ? null : line.slice(message.bodyStart);
  };

  it('is a message of its sender, the body unchanged', () => {
    const line = '[03:04] <bob> hi  there \r ';
    expect(parseIrcLine(line)).toEqual({ sender: 'bob', bodyStart: 14, isAction: false });
    expect(bodyOf(line)).toBe('hi  there \r ');
  });

  it('is an action after a star', () => {
    const line = '[03:04:05]  * bob waves';
    expect(parseIrcLine(line)).toEqual({ sender: 'bob', bodyStart: 18, isAction: true });
    expect(bodyOf(line)).toBe('waves');
  });

  it('may have an empty body, and senders with spaces', () => {
    expect(bodyOf('[1:2] <a> ')).toBe('');
    expect(parseIrcLine('[1:2] <a b> x')?.sender).toBe('a b');
  });

  it.each(['=== a joined', '', '[1:2] <> x', '[1:2] <a>x', '[1:2] * a x', '<a> x', '[x] <a> y'])(
    'is no message: "%s"',
    (line) => expect(parseIrcLine(line)).toBeNull(),
  );
});

describe('a sender', () => {
  it('that is UTF-8 stays as it is, % as well', () => {
    expect(senderText('100%')).toBe('100%');
    expect(senderText('caf\xc3\xa9%')).toBe('café%');
  });

  it('that is not has each offending byte and % escaped', () => {
    expect(senderText('\xc3\xa9%\xff')).toBe('é%25%FF');
    expect(senderText('\xf0\x9f\x98a\xed\xa0\x80')).toBe('%F0%9F%98a%ED%A0%80');
  });

  it('that is too long is cut between characters, and stays apart from others', () => {
    const a = senderText(`${'\xc3\xa9'.repeat(70)}a`);
    const b = senderText(`${'\xc3\xa9'.repeat(70)}b`);
    expect(a).not.toBe(b);
    expect(a.startsWith(`${'é'.repeat(47)}%~`)).toBe(true);
    for (const each of [a, b, senderText('\xff'.repeat(128))]) {
      expect(Buffer.byteLength(each)).toBeLessThanOrEqual(128);
    }
    expect(senderText('\xff'.repeat(128))).toMatch(/^(%FF){31}%~[0-9a-f]{32}$/);
  });
});

describe('a key', () => {
  it('is the name of the file and the number of the line', () => {
    expect(lineKey('a.log', 12)).toBe('a.log:12');
    expect(lineKey('n'.repeat(62), 9)).toBe(`${'n'.repeat(62)}:9`);
  });

  it('has a hash of the name where it were longer than 64 bytes', () => {
    expect(lineKey('n'.repeat(62), 10)).toMatch(/^[0-9a-f]{32}:10$/);
    expect(lineKey('é'.repeat(40), 1)).not.toBe(lineKey('è'.repeat(40), 1));
  });
});

describe('lines of a file', () => {
  const split = (...chunks: readonly string[]) => {
    const splitter = new LineSplitter();
    const lines = chunks.flatMap((chunk) => splitter.take(Buffer.from(chunk, 'latin1')));
    return [...lines, ...splitter.end()];
  };
  const texts = (...chunks: readonly string[]) =>
    split(...chunks).map(({ bytes }) => bytes?.toString('latin1') ?? null);

  it('end at \\n only, wherever chunks end', () => {
    expect(texts('a\r\n\x85b\n', '\n', 'c', '\nd', 'e')).toEqual(['a\r', '\x85b', '', 'c', 'de']);
    expect(texts('a\n')).toEqual(['a']);
    expect(texts('')).toEqual([]);
  });

  it('are kept up to 1 MiB; longer ones are known by their length alone', () => {
    const half = 'x'.repeat(lineBytesMax / 2);
    const long = [half, half, half, 'x\nafter\n'];
    expect(texts(half, `${half}\n`).map((text) => text?.length)).toEqual([lineBytesMax]);
    expect(texts(...long)).toEqual([null, 'after']);
    expect(split(...long)[0]?.fileBytes).toBe(1.5 * lineBytesMax + 2);
    expect(texts(`${half}${half}x\nb`)).toEqual([null, 'b']);
  });
});

describe('the flow', () => {
  it('keeps an even pace and does not catch up a stall', () => {
    let nowMs = 0;
    const pause = createPace(100, () => nowMs);
    expect([pause(), pause(), pause()]).toEqual([0, 10, 20]);
    nowMs = 25;
    expect(pause()).toBe(5);
    nowMs = 10_000;
    const waits = Array.from({ length: 12 }, () => pause());
    expect(waits).toEqual([...new Array(11).fill(0), 10]);
  });

  it('is full at a number or at bytes, and tells when there is room', async () => {
    const open = new OpenAppends(2, 100);
    open.enter(10);
    expect(open.isFull).toBe(false);
    open.enter(10);
    expect(open.isFull).toBe(true);
    const room = open.room();
    open.leave(10);
    await room;
    open.enter(95);
    expect(open.isFull).toBe(true);
  });
});

describe('progress', () => {
  it('has messages, part, rate and time left', () => {
    const text = progressText({ messages: 88_400, bytes: 450 }, 1000, 4.42);
    expect(text).toBe('45%, 88,400 messages, 20,000/s, 6 s left');
  });

  it('has no time left before anything is done, and knows empty files', () => {
    expect(progressText({ messages: 0, bytes: 0 }, 10, 0)).toBe('0%, 0 messages, 0/s');
    expect(progressText({ messages: 0, bytes: 0 }, 0, 1)).toBe('100%, 0 messages, 0/s, 0 s left');
  });
});
