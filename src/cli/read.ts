// `paceline read`: messages of one conversation in order, and who answered how fresh.
import type { Page } from '../client/message.ts';
import { answered, connect, type ServersFlag, serversOf } from './connect.ts';
import { checkTime, levelOf, timeoutMsOf, viewerOf, whole } from './flags.ts';
import { messageJson, messageLine } from './messages.ts';
import { note, say, sayJson } from './output.ts';
import { serverOf } from './status.ts';

export interface ReadFlags extends ServersFlag {
  readonly after: string;
  readonly limit?: string;
  readonly node?: string;
  readonly level: string;
  readonly viewer?: string;
  readonly time?: boolean;
  readonly json?: boolean;
  readonly timeout: string;
}

const pageMessages = 1000;

export async function read(conversation: string, flags: ReadFlags): Promise<void> {
  checkTime(flags);
  const level = levelOf(flags.level);
  const wanted = flags.limit === undefined ? 100 : whole('limit', flags.limit, 1);
  let after = whole('after', flags.after, 0);
  const servers = serversOf(flags);
  const client = connect(servers, timeoutMsOf(flags));
  try {
    const at = { ...(await serverOf(client, servers, flags)), ...viewerOf(flags) };
    let left = wanted;
    let page: Page | null = null;
    while (left > 0) {
      const limit = Math.min(left, pageMessages);
      const asked = client.read({ conversation, afterSeq: after, limit, level, ...at });
      page = await answered(asked, flags);
      for (const message of page.messages) {
        if (flags.json) sayJson(messageJson(message));
        else say(messageLine(message, flags.time));
      }
      left -= page.messages.length;
      after = page.messages.at(-1)?.seq ?? after;
      if (page.messages.length === 0 || after >= page.headSeq) break;
    }
    if (page !== null && !flags.json) noteEnd(page, after);
  } finally {
    await client.close();
  }
}

function noteEnd(page: Page, after: number): void {
  const head = page.headSeq;
  const from = `node ${page.servedBy}, applied to ${page.appliedIndex}`;
  if (head === 0) note(`no messages yet (${from})`);
  else if (after < head) note(`up to ${after} of ${head}; more: --after ${after} (${from})`);
  else note(`up to the newest, ${head} (${from})`);
}
