// Whether a cluster holds exactly what the logs say: every node asked by itself, every message compared.
import { createHash } from 'node:crypto';
import type { PacelineClient } from '../../src/client/client.ts';
import type { Message } from '../../src/client/message.ts';
import type { Cluster } from '../harness/cluster.ts';
import { paceline } from './cli.ts';
import type { IrcLog } from './logs.ts';

/** What is wrong, a line each; by the SDK. */
export async function verifyByReads(
  client: PacelineClient,
  cluster: Cluster,
  logs: readonly IrcLog[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const log of logs) {
    const seen = new Set<string>();
    for (const { id, address } of cluster.nodes) {
      const messages = await readAll(client, log.conversation, address);
      problems.push(...differences(log, messages).map((what) => `node ${id}: ${what}`));
      seen.add(digest(messages));
    }
    if (seen.size > 1) problems.push(`${log.name}: the nodes differ`);
  }
  return problems;
}

/** The same by `paceline export`: bytes, and with --json seq, sender and key. */
export async function verifyByExports(
  cluster: Cluster,
  logs: readonly IrcLog[],
): Promise<{ readonly exports: number; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  let exports = 0;
  for (const log of logs) {
    for (const { id } of cluster.nodes) {
      const flags = ['--servers', cluster.servers.join(','), '--node', `${id}`];
      const args = ['export', log.conversation, ...flags, '--level', 'eventual'];
      const plain = await paceline(args);
      const json = await paceline([...args, '--json']);
      exports += 2;
      const newline = Buffer.from('\n');
      const bodies = Buffer.concat(log.messages.flatMap(({ body }) => [body, newline]));
      const isSame = plain.code === 0 && plain.stdout.equals(bodies);
      if (!isSame) problems.push(`node ${id}: export of ${log.name} is not the file's bodies`);
      if (json.code !== 0 || !isJsonOf(log, json.stdout.toString())) {
        problems.push(`node ${id}: export --json of ${log.name} is not the file's messages`);
      }
    }
  }
  return { exports, problems };
}

async function readAll(
  client: PacelineClient,
  conversation: string,
  server: string,
): Promise<Message[]> {
  const all: Message[] = [];
  for (;;) {
    const afterSeq = all.length;
    const page = await client.read({
      ...{ conversation, afterSeq, server },
      limit: 1000,
      level: 'eventual',
    });
    all.push(...page.messages);
    if (page.messages.length === 0 || all.length >= page.headSeq) return all;
  }
}

function differences({ name, messages }: IrcLog, stored: readonly Message[]): string[] {
  if (stored.length !== messages.length) {
    return [`${name} has ${stored.length} messages, the file ${messages.length}`];
  }
  const bad = messages.findIndex((message, i) => {
    const { seq, sender, body, contentType } = stored[i] ?? { seq: 0, sender: '', contentType: '' };
    const isSame = body !== undefined && message.body.equals(body) && message.sender === sender;
    return !isSame || seq !== i + 1 || (contentType === 'text/x-action') !== message.isAction;
  });
  if (bad === -1) return [];
  return [`${name} line ${messages[bad]?.line}: stored is ${JSON.stringify(stored[bad]?.seq)}`];
}

function digest(messages: readonly Message[]): string {
  const hash = createHash('sha256');
  for (const { seq, id, timeMs, sender, key, body, contentType, index, slot } of messages) {
    hash.update(JSON.stringify([seq, `${id}`, timeMs, sender, key, contentType, index, slot]));
    hash.update(body);
  }
  return hash.digest('hex');
}

interface JsonMessage {
  readonly seq: number;
  readonly sender: string;
  readonly body?: string;
  readonly bodyBase64?: string;
}

function isJsonOf(log: IrcLog, text: string): boolean {
  const lines = text.split('\n').slice(0, -1);
  if (lines.length !== log.messages.length) return false;
  return log.messages.every((message, i) => {
    const { seq, sender, body, bodyBase64 }: JsonMessage = JSON.parse(lines[i] ?? '{}');
    const bytes = body === undefined ? Buffer.from(bodyBase64 ?? '', 'base64') : Buffer.from(body);
    return seq === i + 1 && sender === message.sender && bytes.equals(message.body);
  });
}
