// `paceline export`: the messages of a whole conversation as it was when the export began, each body and
// one \n as bytes. One that is not shown has a line too, (pending) or (rejected), and is counted aloud.
import { assert } from '../assert.ts';
import type { Message, Page } from '../client/message.ts';
import type { Read } from '../client/reads.ts';
import { answered, connect, type ServersFlag, serversOf } from './connect.ts';
import { levelOf, timeoutMsOf, viewerOf } from './flags.ts';
import { isHidden, messageJson, shownBody } from './messages.ts';
import { jsonLine, note, write } from './output.ts';
import { serverOf } from './status.ts';

export interface ExportFlags extends ServersFlag {
  readonly node?: string;
  readonly level: string;
  readonly viewer?: string;
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
    const at = { ...(await serverOf(client, servers, flags)), ...viewerOf(flags) };
    let hidden = 0;
    const read = (more: Pick<Read, 'afterSeq' | 'level'>) =>
      answered(client.read({ conversation, limit, ...more, ...at }), flags);
    const first = await read({ level });
    for await (const messages of pages(first, (afterSeq) => read({ afterSeq }))) {
      await write(flags.json ? jsonLines(messages) : bodies(messages));
      hidden += messages.filter(isHidden).length;
    }
    if (hidden > 0) note(`${hidden} not shown: pending or rejected`);
  } finally {
    await client.close();
  }
}

/** Up to the head of the first page; later pages are not older than it, whichever node answers. */
async function* pages(
  first: Page,
  after: (seq: number) => Promise<Page>,
): AsyncGenerator<readonly Message[]> {
  const end = first.headSeq;
  let { messages } = first;
  while (messages.length > 0) {
    const afterSeq = messages.at(-1)?.seq ?? end;
    yield messages.filter(({ seq }) => seq <= end);
    if (afterSeq >= end) return;
    ({ messages } = await after(afterSeq));
    assert(messages.length > 0, 'a page before the head has messages');
  }
}

function bodies(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => [shownBody(message), newline]));
}

function jsonLines(messages: readonly Message[]): string {
  return messages.map((message) => `${jsonLine(messageJson(message))}\n`).join('');
}
