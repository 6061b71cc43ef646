// `paceline append`: one message, or a message a line from standard input.
import type { Append, Appended } from '../client/append.ts';
import type { PacelineClient } from '../client/client.ts';
import { PacelineError } from '../errors.ts';
import { type AppendFlags, isRepeat } from './append-flags.ts';
import { appendLines } from './append-lines.ts';
import { connect, serversOf } from './connect.ts';
import { timeoutMsOf, usage, whole } from './flags.ts';
import { say, sayJson } from './output.ts';

export async function append(
  conversation: string,
  body: string | undefined,
  flags: AppendFlags,
): Promise<void> {
  if (flags.lines) checkLines(body, flags);
  const client = connect(serversOf(flags), timeoutMsOf(flags));
  try {
    if (flags.lines) await appendLines(client, conversation, flags);
    else await appendOne(client, conversation, body, flags);
  } finally {
    await client.close();
  }
}

async function appendOne(
  client: PacelineClient,
  conversation: string,
  text: string | undefined,
  flags: AppendFlags,
): Promise<void> {
  const body = text ?? (await readAll(process.stdin));
  const { key, contentType, expectedSeq } = flags;
  const append: Append = {
    conversation,
    sender: flags.sender,
    body,
    ...(key === undefined ? {} : { key }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(expectedSeq === undefined ? {} : { expectedSeq: whole('expected-seq', expectedSeq, 0) }),
  };
  report(await client.append(append), flags);
}

function checkLines(body: string | undefined, { expectedSeq }: AppendFlags): void {
  if (body !== undefined) throw usage('lines', 'are read from standard input, and there is a BODY');
  if (expectedSeq !== undefined)
    throw usage('expected-seq', 'goes with one message, not with --lines');
}

function report(appended: Appended, flags: AppendFlags): void {
  const duplicate = isRepeat(appended, flags);
  if (flags.json) {
    sayJson({ ...appended, duplicate });
    return;
  }
  const repeat = duplicate ? ' (duplicate: it was stored before)' : '';
  say(`seq ${appended.seq}, id ${appended.id}${repeat}`);
}

async function readAll(input: NodeJS.ReadStream): Promise<Uint8Array> {
  if (input.isTTY) {
    const message = 'body is missing: give it as an argument or on standard input';
    throw new PacelineError({ reason: 'BAD_REQUEST', field: 'body', message });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
