// `paceline read`: messages of one conversation in order, and who answered how fresh.
import type { PacelineClient } from '../client/client.ts';
import { PacelineError } from '../errors.ts';
import type { ChatMessage, ReadResponse } from '../gen/proto.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { note, say, sayJson } from './output.ts';
import { addressOfNode } from './status.ts';

export interface ReadFlags extends ServersFlag {
  readonly after: string;
  readonly limit?: string;
  readonly node?: string;
  readonly level: string;
  readonly json?: boolean;
  readonly timeout: string;
}

const pageMessages = 1000;

export async function read(conversation: string, flags: ReadFlags): Promise<void> {
  const level = levelOf(flags.level);
  const wanted = flags.limit === undefined ? 100 : whole('limit', flags.limit, 1);
  let after = whole('after', flags.after, 0);
  const servers = serversOf(flags);
  const timeoutMs = Number(flags.timeout) * 1000;
  const client = connect(servers, timeoutMs);
  try {
    const at = await serverFlag(client, servers, flags);
    let left = wanted;
    let page: ReadResponse | null = null;
    while (left > 0) {
      const limit = Math.min(left, pageMessages);
      page = await client.read({ conversation, afterSeq: after, limit, level, ...at });
      for (const message of page.messages) sayMessage(message, flags);
      left -= page.messages.length;
      after += page.messages.length;
      if (page.messages.length === 0 || after >= Number(page.headSeq)) break;
    }
    if (page !== null && !flags.json) noteEnd(page, after);
  } finally {
    await client.close();
  }
}

async function serverFlag(client: PacelineClient, servers: readonly string[], flags: ReadFlags) {
  if (flags.node === undefined) return {};
  const node = whole('node', flags.node, 1);
  return { server: await addressOfNode(client, servers, node) };
}

function sayMessage(message: ChatMessage, flags: ReadFlags): void {
  const { command } = message;
  if (command === null) return;
  const seq = Number(message.seq);
  const body = Buffer.from(command.body);
  if (!flags.json) {
    say(`${String(seq).padStart(6)}  ${command.sender}: ${body.toString()}`);
    return;
  }
  sayJson({
    seq,
    rev: Number(message.rev),
    id: message.id.toString(),
    timeMs: Number(message.timeMs),
    sender: command.sender,
    ...(command.key === '' ? {} : { key: command.key }),
    ...(command.contentType === '' ? {} : { contentType: command.contentType }),
    ...(command.headers.length === 0 ? {} : { headers: command.headers }),
    ...bodyForJson(body),
  });
}

/** Text where it is UTF-8, base64 where not: nothing is lost. */
function bodyForJson(body: Buffer): { body: string } | { bodyBase64: string } {
  const text = body.toString();
  return Buffer.from(text).equals(body) ? { body: text } : { bodyBase64: body.toString('base64') };
}

function noteEnd(page: ReadResponse, after: number): void {
  const head = Number(page.headSeq);
  const from = `node ${page.servedBy}, applied to ${page.appliedIndex}`;
  if (head === 0) note(`no messages yet (${from})`);
  else if (after < head) note(`up to ${after} of ${head}; more: --after ${after} (${from})`);
  else note(`up to the newest, ${head} (${from})`);
}

function levelOf(text: string): 'linearizable' | 'eventual' {
  if (text === 'linearizable' || text === 'eventual') return text;
  throw usage('level', `"${text}" is not linearizable or eventual`);
}

function whole(field: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw usage(field, `"${text}" is not a whole number of ${min} or more`);
}

function usage(field: string, problem: string): PacelineError {
  return new PacelineError({ reason: 'BAD_REQUEST', field, message: `${field} ${problem}` });
}
