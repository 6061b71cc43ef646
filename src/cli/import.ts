// `paceline import`: chat logs as conversations, a file each. Every line has its own key and a file's
// lines are sent in order, so the same command again adds what is missing and nothing twice; what
// cannot be stored for now ends the import at once, because a later line must not come before it.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { Append } from '../client/append.ts';
import type { PacelineClient } from '../client/client.ts';
import { escapeId, isBadName, parseConversation } from '../conversation.ts';
import { PacelineError } from '../errors.ts';
import { connect, type ServersFlag, serversOf } from './connect.ts';
import { exitCodeOf } from './exit.ts';
import { timeoutMsOf, usage, whole } from './flags.ts';
import { createPace, OpenAppends } from './flow.ts';
import { actionContentType, ircForms, lineKey, parseIrcLine } from './irc.ts';
import { type Line, lineBytesMax, readLines } from './lines.ts';
import { note, onInterrupt, say, sayJson } from './output.ts';
import { type Progress, showProgress } from './progress.ts';

export interface ImportFlags extends ServersFlag {
  readonly format: string;
  readonly conversation?: string;
  readonly rate?: string;
  readonly json?: boolean;
  readonly timeout: string;
}

interface LogFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly conversation: string;
  /** That are stored. */
  messages: number;
}

const open = { appends: 8192, bytes: 8 * 1024 * 1024 } as const;
/** Refused lines that are named; all are counted. */
const refusedNamed = 10;
/** A line that is refused so will never be taken: the import goes on without it. */
const lasting: ReadonlySet<string> = new Set(['TOO_LARGE', 'IDEMPOTENCY_MISMATCH']);

export async function importFiles(paths: readonly string[], flags: ImportFlags): Promise<void> {
  if (flags.format !== 'irc') throw usage('format', `"${flags.format}" is not irc`);
  const rate = flags.rate === undefined ? Number.POSITIVE_INFINITY : whole('rate', flags.rate, 1);
  const files = logFiles(paths, flags.conversation);
  const client = connect(serversOf(flags), timeoutMsOf(flags));
  const run = new Import(client, files, rate, flags);
  onInterrupt(() => run.interrupt());
  await run.all();
  await client.close();
}

/** Everything that can be wrong with the files is found before the first append. */
function logFiles(paths: readonly string[], conversation: string | undefined): LogFile[] {
  const names = new Set<string>();
  return paths.map((file) => {
    const name = path.basename(file);
    if (names.has(name)) throw usage('file', `"${name}" is given twice: its name makes the keys`);
    names.add(name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) throw usage('file', `"${file}" is not there`);
    if (stat.isDirectory()) throw usage('file', `"${file}" is a directory`);
    const text = conversation ?? `g:${escapeId(name)}`;
    const parsed = parseConversation(text);
    if (isBadName(parsed)) {
      const message = `conversation "${text}": ${parsed.problem}`;
      throw new PacelineError({ reason: 'BAD_CONVERSATION', field: 'conversation', message });
    }
    return { path: file, name, bytes: stat.size, conversation: parsed.text, messages: 0 };
  });
}

class Import {
  private readonly client: PacelineClient;
  private readonly files: readonly LogFile[];
  private readonly flags: ImportFlags;
  private readonly open = new OpenAppends(open.appends, open.bytes);
  private readonly pauseMs: () => number;
  private readonly startedMs = performance.now();
  private readonly done = { messages: 0, duplicates: 0, skipped: 0, refused: 0, bytes: 0 };
  private readonly progress: Progress;
  private interrupted = false;
  private tookAll = false;
  /** Where it is, for people. */
  private at = { file: '', line: 0 };

  constructor(client: PacelineClient, files: readonly LogFile[], rate: number, flags: ImportFlags) {
    this.client = client;
    this.files = files;
    this.flags = flags;
    this.pauseMs = rate === Number.POSITIVE_INFINITY ? () => 0 : createPace(rate, nowMs);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.progress = showProgress(bytes, () => this.done);
  }

  /** Takes no more lines; what was sent is waited for. */
  interrupt(): void {
    this.interrupted = true;
    note('stopping: waiting for the appends that are open');
  }

  async all(): Promise<void> {
    for (const file of this.files) {
      if (!this.interrupted) await this.file(file);
    }
    this.tookAll = !this.interrupted;
    await this.client.drain();
    this.report();
    if (this.hasNoMessage) note(`no line is a message: lines of irc are ${ircForms}`);
    if (!this.isComplete) process.exitCode = 1;
  }

  private get isComplete(): boolean {
    return this.tookAll && this.done.refused === 0 && !this.hasNoMessage;
  }

  /** Lines, and none of them a message: not files of this format. */
  private get hasNoMessage(): boolean {
    const { messages, skipped, refused } = this.done;
    return this.tookAll && messages + refused === 0 && skipped > 0;
  }

  private async file(file: LogFile): Promise<void> {
    this.at = { file: file.path, line: 0 };
    for await (const lines of readLines(file.path)) {
      for (const line of lines) {
        if (this.open.isFull) await this.open.room();
        if (this.interrupted) return;
        this.at.line += 1;
        const append = this.appendOf(file, line);
        this.done.bytes += line.fileBytes;
        if (append === null) continue;
        const pauseMs = this.pauseMs();
        if (pauseMs >= 1) await new Promise((resolve) => setTimeout(resolve, pauseMs));
        this.start(file, append, line.fileBytes);
      }
    }
  }

  /** null: no message. */
  private appendOf(file: LogFile, { bytes }: Line): Append | null {
    const { line } = this.at;
    if (bytes === null) {
      this.refuse(`line ${line} of ${file.path} has more than ${lineBytesMax} bytes`);
      return null;
    }
    const message = parseIrcLine(bytes.toString('latin1'));
    if (message === null) {
      this.done.skipped += 1;
      return null;
    }
    const { sender, bodyStart, isAction } = message;
    const body = bytes.subarray(bodyStart);
    const key = lineKey(file.name, line);
    const append = { conversation: file.conversation, sender, key, body };
    return isAction ? { ...append, contentType: actionContentType } : append;
  }

  private start(file: LogFile, append: Append, bytes: number): void {
    this.open.enter(bytes);
    this.client.start(
      append,
      ({ duplicate }) => {
        this.done.messages += 1;
        file.messages += 1;
        if (duplicate) this.done.duplicates += 1;
        this.open.leave(bytes);
      },
      (error) => {
        if (!(error instanceof PacelineError && lasting.has(error.reason))) this.endAtOnce(error);
        this.refuse(`${append.key}: ${error.message}`);
        this.open.leave(bytes);
      },
    );
  }

  private refuse(what: string): void {
    this.done.refused += 1;
    if (this.done.refused <= refusedNamed) note(`refused: ${what}`);
  }

  /** Nothing more is sent from here on: what follows in the file would come before what failed. */
  private endAtOnce(error: Error): never {
    this.report();
    process.exit(exitCodeOf(error));
  }

  private report(): void {
    this.progress.end();
    const seconds = (performance.now() - this.startedMs) / 1000;
    if (this.flags.json) this.reportJson(seconds);
    else this.reportText(seconds);
  }

  private reportJson(seconds: number): void {
    const { bytes: _, ...counts } = this.done;
    const rounded = Number(seconds.toFixed(3));
    const perSecond = Math.round(counts.messages / seconds);
    const files = this.files.map(({ path: file, conversation, messages }) => {
      return { file, conversation, messages };
    });
    sayJson({ ...counts, seconds: rounded, perSecond, complete: this.isComplete, files });
  }

  private reportText(seconds: number): void {
    const { messages, duplicates, skipped, refused } = this.done;
    for (const { path: file, conversation, messages } of this.files) {
      say(`${conversation}: ${messages} messages of ${file}`);
    }
    const before = duplicates === 0 ? '' : ` (${duplicates} were there before)`;
    const lost = refused === 0 ? '' : `, ${refused} refused`;
    const lines = `${skipped} other lines skipped${lost}`;
    const rate = Math.round(messages / seconds);
    say(`${messages} messages${before}, ${lines}, ${seconds.toFixed(1)} s, ${rate}/s`);
    if (!this.tookAll) {
      const { file, line } = this.at;
      note(`it ended at line ${line} of ${file}; the same command again adds what is missing`);
    }
  }
}

function nowMs(): number {
  return performance.now();
}
