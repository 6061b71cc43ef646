// The IRC logs that fault scripts import, and what has to come out: those of PACELINE_IRC_DATA (by
// default ../shared/data/ubuntu-irc beside the repository), else generated ones of the same form. Reads
// them by its own rules, not by the code under test.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface IrcLog {
  readonly file: string;
  readonly name: string;
  readonly conversation: string;
  readonly messages: readonly IrcMessage[];
}

export interface IrcMessage {
  /** As stored. */
  readonly sender: string;
  readonly body: Buffer;
  readonly isAction: boolean;
  /** From 1. */
  readonly line: number;
}

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const message = /^\[[0-9:]+\] (<([^>]+)> | \* ([^ ]+) )(.*)$/s;
const generatedFiles = 153;
const generatedLines = 1440;

/** Where the data is absent, makes some in `directory`, and says so. */
export function ircLogs(directory: string, say: (line: string) => void): IrcLog[] {
  const data = process.env['PACELINE_IRC_DATA'] ?? path.join(root, '../shared/data/ubuntu-irc');
  if (existsSync(data)) return logsIn(data);
  say(`there is no ${data} (PACELINE_IRC_DATA): generated logs of the same form take its place`);
  const made = path.join(directory, 'logs');
  mkdirSync(made);
  for (let i = 0; i < generatedFiles; i++) {
    writeFileSync(path.join(made, `made-${i}.log`), generated(i));
  }
  return logsIn(made);
}

export function messageCount(logs: readonly IrcLog[]): number {
  return logs.reduce((sum, { messages }) => sum + messages.length, 0);
}

function logsIn(directory: string): IrcLog[] {
  const names = readdirSync(directory).filter((name) => name.endsWith('.log'));
  return names.sort().map((name) => {
    const file = path.join(directory, name);
    return { file, name, conversation: `g:${name}`, messages: messagesOf(readFileSync(file)) };
  });
}

function messagesOf(bytes: Buffer): IrcMessage[] {
  return bytes
    .toString('latin1')
    .split('\n')
    .flatMap((text, i) => {
      const match = message.exec(text);
      if (match === null) return [];
      const [, , said, acted = '', body = ''] = match;
      const sender = Buffer.from(said ?? acted, 'latin1').toString();
      const isAction = said === undefined;
      return [{ sender, body: Buffer.from(body, 'latin1'), isAction, line: i + 1 }];
    });
}

/** The same at every run: every tenth line is no message, some are actions, some are not ASCII. */
function generated(file: number): string {
  const words = ['apt', 'café', 'kernel', 'sudo', 'ядро', 'mount', '/dev/sda1', 'why?', '日本', ''];
  let state = file + 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const line = (i: number) => {
    const sender = `user${next(100)}`;
    const at = `[${String(i % 24).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}]`;
    if (i % 10 === 9) return `=== ${sender} [n=${sender}@host] has joined #ubuntu`;
    const text = Array.from({ length: next(20) }, () => words[next(words.length)]).join(' ');
    return next(400) === 0 ? `${at}  * ${sender} ${text}` : `${at} <${sender}> ${text}`;
  };
  return `${Array.from({ length: generatedLines }, (_, i) => line(i)).join('\n')}\n`;
}
