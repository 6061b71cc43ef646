// `paceline append`: one message, or a message a line from standard input.
import { createInterface } from 'node:readline';
import type { Append, Appended } from '../client/append.ts';
import type { PacelineClient } from '../client/client.ts';
import { PacelineError } from '../errors.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { timeoutMsOf, usage, whole } from './flags.ts';
import { note, say, sayJson } from './output.ts';

export interface AppendFlags extends ServersFlag {
  readonly sender: string;
  readonly key?: string;
  readonly contentType?: string;
  readonly expectedSeq?: string;
  readonly lines?: boolean;
  readonly json?: boolean;
  readonly timeout: string;
}

/** Lines sent and not yet answered; reading pauses at this. */
const linesInFlightMax = 4096;

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

/** Keys are KEY:1, KEY:2, ... where --key is given, so that the same file can be sent again. */
async function appendLines(
  client: PacelineClient,
  conversation: string,
  flags: AppendFlags,
): Promise<void> {
  const started = performance.now();
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const { sender, contentType } = flags;
  const type = contentType === undefined ? {} : { contentType };
  const progress = { sent: 0, stored: 0, duplicates: 0, lastSeq: 0 };
  let inFlight = 0;
  let failure: Error | null = null;
  let roomWaiter: (() => void) | null = null;
  const settle = () => {
    inFlight -= 1;
    roomWaiter?.();
  };
  for await (const line of lines) {
    if (failure !== null) break;
    inFlight += 1;
    progress.sent += 1;
    const key = flags.key === undefined ? {} : { key: `${flags.key}:${progress.sent}` };
    client.start(
      { conversation, sender, body: line, ...key, ...type },
      (appended) => {
        progress.stored += 1;
        if (isRepeat(appended, flags)) progress.duplicates += 1;
        progress.lastSeq = Math.max(progress.lastSeq, appended.seq);
        settle();
      },
      (error) => {
        failure ??= error;
        settle();
      },
    );
    if (inFlight >= linesInFlightMax) {
      await new Promise<void>((resolve) => {
        roomWaiter = resolve;
      });
      roomWaiter = null;
    }
  }
  await client.drain();
  const seconds = (performance.now() - started) / 1000;
  reportLines(progress, seconds, flags);
  if (failure !== null) throw failure;
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

/** Without --key nobody else can have stored it before: the client itself has asked twice. */
export function isRepeat(
  { duplicate }: Pick<Appended, 'duplicate'>,
  { key }: Pick<AppendFlags, 'key'>,
): boolean {
  return duplicate && key !== undefined;
}

function reportLines(
  progress: { stored: number; duplicates: number; lastSeq: number },
  seconds: number,
  flags: AppendFlags,
): void {
  const rate = Math.round(progress.stored / seconds);
  if (flags.json) {
    sayJson({ ...progress, seconds: Number(seconds.toFixed(3)), perSecond: rate });
    return;
  }
  const repeats = progress.duplicates === 0 ? '' : `, ${progress.duplicates} of them duplicates`;
  say(`${progress.stored} messages${repeats}, up to seq ${progress.lastSeq}`);
  note(`${seconds.toFixed(2)} s, ${rate} messages/s`);
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
