// How commands show a message: a line for people, or an object for --json that holds every byte.
import type { Message } from '../client/message.ts';

/** `seq  sender: body`, one line whatever the body holds. */
export function messageLine({ seq, sender, body }: Message): string {
  return `${String(seq).padStart(6)}  ${visible(`${sender}: ${Buffer.from(body).toString()}`)}`;
}

/** For JSON.stringify by `sayJson`; empty fields are left out, but for the body. */
export function messageJson(message: Message): Readonly<Record<string, unknown>> {
  const { seq, rev, id, timeMs, sender, key, contentType, headers } = message;
  return {
    seq,
    rev,
    id,
    timeMs,
    sender,
    ...(key === '' ? {} : { key }),
    ...(contentType === '' ? {} : { contentType }),
    ...(headers.length === 0 ? {} : { headers }),
    ...bodyForJson(Buffer.from(message.body)),
  };
}

/** Text where it is UTF-8, base64 where not: nothing is lost. */
function bodyForJson(body: Buffer): { body: string } | { bodyBase64: string } {
  const text = body.toString();
  return Buffer.from(text).equals(body) ? { body: text } : { bodyBase64: body.toString('base64') };
}

/** Control characters as \xXX: what somebody wrote must not steer the reader's terminal. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
