// Lines of IRC logs as messages (form: `[12:34] <sender> body` or `[12:34] * sender body`), on bytes: a
// line is latin1 text here, one character a byte, so that bytes that are no UTF-8 survive.
import { isUtf8 } from 'node:buffer';
import { commandLimits } from '../command.ts';
import { hash128 } from '../hash.ts';

export interface IrcMessage {
  /** UTF-8 text of 1 to 128 bytes. */
  readonly sender: string;
  /** Where the body begins; it goes to the end of the line. */
  readonly bodyStart: number;
  /** `* sender ...`: content type text/x-action. */
  readonly isAction: boolean;
}

export const actionContentType = 'text/x-action';

/** As people are told of it. */
export const ircForms = '[12:34] <sender> body, or [12:34]  * sender body';
const form = /^\[[0-9:]+\] (?:<([^>]+)> | \* ([^ ]+) )/;
const ascii = /^\p{ASCII}*$/u;

/** null: no message, such as `=== joined`. */
export function parseIrcLine(line: string): IrcMessage | null {
  const match = form.exec(line);
  if (match === null) return null;
  const [start, said, acted = ''] = match;
  return {
    sender: senderText(said ?? acted),
    bodyStart: start.length,
    isAction: said === undefined,
  };
}

/** Idempotency key of a line (counted from 1); for long file names by a hash of the name. */
export function lineKey(file: string, line: number): string {
  const key = `${file}:${line}`;
  if (Buffer.byteLength(key) <= commandLimits.keyBytes) return key;
  return `${Buffer.from(hash128([Buffer.from(file)])).toString('hex')}:${line}`;
}

/**
 * A sender's bytes as text. Where they are not UTF-8, each byte that is not, and each %, is written
 * %XX; what is then too long is cut and ends with %~ and a hash of the whole.
 */
export function senderText(latin1: string): string {
  const { senderBytes } = commandLimits;
  if (latin1.length <= senderBytes && ascii.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, 'latin1');
  const pieces = isUtf8(bytes) ? [...bytes.toString()] : escaped(bytes);
  const text = pieces.join('');
  if (Buffer.byteLength(text) <= senderBytes) return text;
  const mark = `%~${Buffer.from(hash128([bytes])).toString('hex')}`;
  let cut = '';
  for (const piece of pieces) {
    if (Buffer.byteLength(cut + piece) + mark.length > senderBytes) break;
    cut += piece;
  }
  return cut + mark;
}

/** Valid characters, and other bytes as %XX. */
function escaped(bytes: Buffer): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const character = bytes.subarray(at, at + characterBytes(bytes[at] ?? 0));
    const isPlain = isUtf8(character) && character[0] !== 0x25;
    pieces.push(isPlain ? character.toString() : percent(bytes[at] ?? 0));
    at += isPlain ? character.length : 1;
  }
  return pieces;
}

/** By its first byte; 1 for a byte that begins none. */
function characterBytes(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
