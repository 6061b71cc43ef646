// A log no IRC server would write: every byte in bodies, senders that are no UTF-8 or too long, a file name
// that has to be escaped.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { IrcLog, IrcMessage } from './logs.ts';

const name = 'odd ü~%:[1].log';
const conversation = 'g:odd%20%C3%BC%7E%25%3A[1].log';
const long = 'n'.repeat(129);
const longHash = createHash('sha256').update(long).digest('hex').slice(0, 32);

/** As bytes in the log (latin1), and as stored. */
const senders: readonly (readonly [raw: string, stored: string])[] = [
  ['plain', 'plain'],
  ['100%', '100%'],
  ['caf\xc3\xa9', 'café'],
  ['caf\xe9', 'caf%E9'],
  ['50%\xff', '50%25%FF'],
  ['\xc3\xa9\x80\xe2\x82', 'é%80%E2%82'],
  [' a b ', ' a b '],
  ['\xf0\x9f\x98\x80', '😀'],
  ['x'.repeat(128), 'x'.repeat(128)],
  [long, `${'n'.repeat(94)}%~${longHash}`],
];

/** Writes it into `directory`. */
export function oddLog(directory: string): IrcLog {
  const lines: string[] = [];
  const messages: IrcMessage[] = [];
  const add = (sender: number, body: string, isAction = false) => {
    const [raw, stored] = senders[sender % senders.length] ?? ['', ''];
    lines.push(isAction ? `[12:34]  * ${raw} ${body}` : `[12:34] <${raw}> ${body}`);
    const bytes = Buffer.from(body, 'latin1');
    messages.push({ sender: stored, body: bytes, isAction, line: lines.length });
  };
  for (let byte = 0; byte < 256; byte++) {
    if (byte !== 0x0a) add(byte, `byte ${byte}: ${String.fromCharCode(byte).repeat(3)} end`);
  }
  const highBytes = Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('');
  for (let i = 0; i < senders.length; i++) add(i, highBytes);
  lines.push('=== no message', '', '[12:34] <> no sender', '[12:34] <a>no space', 'x'.repeat(5000));
  add(0, '');
  add(0, 'trailing spaces   ');
  add(0, 'a carriage return\r');
  add(3, `waves \xe9`, true);
  add(0, 'long '.repeat(20_000));
  add(0, 'a last line without \\n');
  const file = path.join(directory, name);
  writeFileSync(file, Buffer.from(lines.join('\n'), 'latin1'));
  return { file, name, conversation, messages };
}
