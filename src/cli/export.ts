// `paceline export`: a whole conversation as it was when the export began, each body and one \n as bytes.
import { assert } from '../assert.ts';
import type { PacelineClient } from '../client/client.ts';
import type { Message, Page } from '../client/message.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { levelOf, timeoutMsOf } from './flags.ts';
import { messageJson } from './messages.ts';
import { jsonLine, write } from './output.ts';
import { serverOf } from './status.ts';

export interface ExportFlags extends ServersFlag {
  readonly node?: string;
  readonly level: string;
  readonly json?: boolean;
  readonly timeout: string;
}

const limit = 1000;
const newline = Buffer.from('\n');

export async function exportConversation(conversation: string, flags: ExportFlags): Promise<void> {
  const level = levelOf(flags.level);
  const servers = serversOf(flags);
  const client = connect(servers, timeoutMsOf(flags));
  try {
    const at = await serverOf(client, servers, flags);
    const first = await client.read({ conversation, limit, level, ...at });
    for await (const messages of pages(client, conversation, first, at)) {
      await write(flags.json ? jsonLines(messages) : bodies(messages));
    }
  } finally {
    await client.close();
  }
}

/** Up to the head of the first page; later pages are not older than it, whichever node answers. */
async function* pages(
  client: PacelineClient,
  conversation: string,
  first: Page,
  at: { readonly server?: string },
): AsyncGenerator<readonly Message[]> {
  const end = first.headSeq;
  let { messages } = first;
  while (messages.length > 0) {
    const afterSeq = messages.at(-1)?.seq ?? end;
    yield messages.filter(({ seq }) => seq <= end);
    if (afterSeq >= end) return;
    ({ messages } = await client.read({ conversation, afterSeq, limit, ...at }));
    assert(messages.length > 0, 'a page before the head has messages');
  }
}

function bodies(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.flatMap(({ body }) => [body, newline]));
}

function jsonLines(messages: readonly Message[]): string {
  return messages.map((message) => `${jsonLine(messageJson(message))}\n`).join('');
}
